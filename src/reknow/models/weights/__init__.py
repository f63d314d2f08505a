"""Weights that other people trained, under our trunks' names.

A file travels: :mod:`source` (which file is meant, and what its user tells of it) → :mod:`file` (bytes to named
tensors; :mod:`signatures` says what a file is, :mod:`unpickling` executes nothing) → one adapter per origin, chosen by
the names that the file holds, never by its own name (:mod:`grids` reads position tables) →
:class:`PretrainedWeights` (a file, understood, of finite numbers) → :func:`fill` (into a trunk, and a report of what
was loaded, resized, ignored and left as it was) → :func:`fill_network` (into a whole network, wherever it says that it
can be filled).

To add an origin: one function from :class:`~reknow.models.weights.file.Content` to :class:`PretrainedWeights` in the
module of its kind of network, and one line in :data:`~reknow.models.weights.origins.ADAPTERS`.
"""

from __future__ import annotations

from reknow.models.weights.filling import fill, load_trunk, said_by
from reknow.models.weights.loaded import Loaded
from reknow.models.weights.origins import read_weights
from reknow.models.weights.parts import Parts, fill_network
from reknow.models.weights.pretrained import PretrainedWeights
from reknow.models.weights.source import Source, Told, resolve

__all__ = [
    "PretrainedWeights",
    "Loaded",
    "Parts",
    "Source",
    "Told",
    "fill",
    "fill_network",
    "load_trunk",
    "read_weights",
    "resolve",
    "said_by",
]
