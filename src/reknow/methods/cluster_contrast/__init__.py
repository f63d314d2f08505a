"""Cluster contrast: learn from clusters of unlabelled pictures."""
