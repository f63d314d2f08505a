"""Losses that several methods share: plain modules and functions, tensors in and scalars out."""
