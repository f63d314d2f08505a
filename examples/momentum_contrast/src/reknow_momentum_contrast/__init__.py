"""Momentum contrast: clusters as classes, embedded by a momentum encoder and kept in a queue."""
