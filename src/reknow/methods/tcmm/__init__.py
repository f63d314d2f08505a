"""TCMM: a constraint on patch tokens, and two memories, one of clusters and one of pictures."""
