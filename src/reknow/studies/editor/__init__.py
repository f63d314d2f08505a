"""The studies of EDITOR, on the world in three spectra; ``base`` is what they have in common."""
