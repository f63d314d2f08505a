"""Observation: one sight of one object, as one picture or as aligned pictures of several spectra.

``batch.py`` has observations as tensors, the only form of the data that networks and methods use. A batch needs torch,
which is imported when :class:`Batch` is first used: tables of observations do not need it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    from reknow.observation.batch import Batch

__all__ = ["SPECTRA", "Batch", "Spectrum"]

Spectrum = Literal["rgb", "nir", "tir"]
"""Visible light, near infrared, thermal infrared."""

SPECTRA: tuple[Spectrum, ...] = get_args(Spectrum)
"""The spectra in the order of tables, networks and reports."""


def __getattr__(name: str) -> Any:
    if name != "Batch":
        raise AttributeError(f"module {__name__} has no {name}")
    from reknow.observation.batch import Batch

    return Batch
