"""Published weights of other projects, under our trunks' names.

A file is read in steps: :mod:`source` (which file is meant, and the options that its user states) → :mod:`file` (bytes
to named tensors; :mod:`signatures` says what kind of file it is, :mod:`unpickling` executes nothing) → one adapter per
origin, chosen by the names of the tensors and not by the file's name (:mod:`grids` reads position tables) →
:class:`PretrainedWeights` (a file of a known origin, with finite numbers) → :func:`fill` (into a trunk, with a report
of what was loaded, resized, ignored and left as it was) → :func:`fill_network` (into a whole network, wherever it
states that it can be filled).

To add an origin: one function from :class:`~reknow.models.weights.file.Content` to :class:`PretrainedWeights` in the
module of its kind of network, and one line in :data:`~reknow.models.weights.origins.ADAPTERS`.
"""

from __future__ import annotations

from reknow.models.weights.filling import FillReport, fill, fill_network, options_of
from reknow.models.weights.origins import read_weights
from reknow.models.weights.pretrained import ModuleTensors, PretrainedWeights
from reknow.models.weights.source import FileOptions, Source, resolve

__all__ = [
    "FileOptions",
    "FillReport",
    "ModuleTensors",
    "PretrainedWeights",
    "Source",
    "fill",
    "fill_network",
    "options_of",
    "read_weights",
    "resolve",
]
