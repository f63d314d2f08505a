"""Explain: what a network looks at in a picture, and whether that is the object."""
