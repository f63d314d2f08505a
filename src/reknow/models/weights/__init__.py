"""Weights that other people trained, under our trunks' names.

A file travels: :mod:`file` (bytes to named tensors, nothing executed) → one adapter per origin, chosen by the names
that the file holds, never by its own name → :class:`Foreign` (a file, understood) → :func:`fill` (into a trunk, and
a report of what was loaded, resized, ignored and left as it was).

To add an origin: one function from :class:`~reknow.models.weights.file.Content` to :class:`Foreign` in the module of
its kind of network, and one line in :data:`~reknow.models.weights.origins.ADAPTERS`.
"""

from __future__ import annotations

from reknow.models.weights.file import resolve
from reknow.models.weights.filling import Loaded, fill, load_trunk
from reknow.models.weights.foreign import Foreign
from reknow.models.weights.origins import read_weights

__all__ = ["Foreign", "Loaded", "fill", "load_trunk", "read_weights", "resolve"]
