"""Spectrum: the kinds of light that a picture of an observation is made of."""

from __future__ import annotations

from typing import Literal, get_args

Spectrum = Literal["rgb", "nir", "tir"]
"""Visible light, near infrared, thermal infrared."""

SPECTRA: tuple[Spectrum, ...] = get_args(Spectrum)
"""The spectra in the order of tables, networks and reports."""
