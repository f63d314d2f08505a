"""Observation: one sight of one object, as one picture or as aligned pictures of several spectra.

- ``spectrum.py``: the spectra that there are;
- ``batch.py``: observations as tensors, which is all that networks and methods see of the data.

A batch needs torch, which loads when :class:`Batch` is first asked for: tables of observations do without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reknow.observation.spectrum import SPECTRA, Spectrum

if TYPE_CHECKING:
    from reknow.observation.batch import Batch

__all__ = ["SPECTRA", "Batch", "Spectrum"]


def __getattr__(name: str) -> Any:
    if name != "Batch":
        raise AttributeError(f"module {__name__} has no {name}")
    from reknow.observation.batch import Batch

    return Batch
