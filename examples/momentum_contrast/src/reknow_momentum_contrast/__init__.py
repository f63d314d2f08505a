"""Momentum contrast: clusters as classes, seen by a momentum encoder and kept in a queue."""
