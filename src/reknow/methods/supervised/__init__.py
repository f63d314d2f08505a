"""Supervised baseline: bag of tricks with labels."""
