"""EDITOR: several spectra of one object, and only the tokens that show it."""
