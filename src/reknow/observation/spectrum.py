"""The spectra that pictures are taken in: visible light, near infrared, thermal infrared."""

from __future__ import annotations

from typing import Literal, get_args

Spectrum = Literal["rgb", "nir", "tir"]
SPECTRA: tuple[Spectrum, ...] = get_args(Spectrum)
"""In the order that tables, networks and reports have them."""
