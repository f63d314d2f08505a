"""Observation: one sight of one object, as one picture or as aligned pictures of several spectra.

``batch.py`` has observations as tensors, the only form of the data that networks and methods use. A batch needs torch,
which is imported when :class:`Batch` is first used: tables of observations do not need it.
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
