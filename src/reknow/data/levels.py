"""Levels: which values of a deep picture become black and white.

A deep picture has one channel of 16 or 32 bits, or of floating-point numbers, as thermal cameras write. The meaning of
its numbers depends on the camera: 16 bits filled from 0 to 65,535, 12 bits of them, or hundredths of a kelvin around
30,000. One rule holds for all pictures of a data set, since a rule for each single picture would give one temperature
two grays. By default it is 0..65535, and a data set that holds other values names its own,
``folder:PATH?levels=28000..31500``. The doctor measures them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Shaped, UInt8

from reknow.errors import DataError

_FORM = "levels=BLACK..WHITE, for example levels=28000..31500"


@dataclass(frozen=True)
class Levels:
    """The two values between which gray is spread evenly.

    Attributes:
        black: this value and all below it become 0.
        white: this value and all above it become 255.
    """

    black: float
    white: float

    def __str__(self) -> str:
        return f"{self.black:.15g}..{self.white:.15g}"

    def gray(self, values: Shaped[np.ndarray, "height width"]) -> UInt8[np.ndarray, "height width"]:
        """Values to gray; what is not a number is black.

        Example:
            >>> Levels(1000.0, 1510.0).gray(np.array([[0, 1000, 1255, 1510, 9999]], np.uint16)).tolist()
            [[0, 0, 128, 255, 255]]
        """
        scaled = (values.astype(np.float64) - self.black) * (255 / (self.white - self.black))
        return np.rint(np.nan_to_num(scaled, nan=0.0).clip(0, 255)).astype(np.uint8)


WHOLE = Levels(0.0, 65_535.0)
"""The levels of a data set that names none: the whole range of 16 bits."""


def parse_levels(text: str | None, where: str, spectra: tuple[str, ...]) -> dict[str, Levels]:
    """Levels per spectrum, as a data set's option names them.

    Args:
        text: ``BLACK..WHITE`` for all spectra, or ``nir:BLACK..WHITE,tir:BLACK..WHITE``; None or empty for none.
        where: names the option in errors.
        spectra: the names of all spectra.

    Raises:
        DataError: another form, an unknown spectrum, or a black that is not below white.

    Example:
        >>> parse_levels("tir:28000..31500", "levels", ("rgb", "nir", "tir"))
        {'tir': Levels(black=28000.0, white=31500.0)}
    """
    levels: dict[str, Levels] = {}
    for part in (text or "").split(",") if text else []:
        spectrum, colon, numbers = part.strip().rpartition(":")
        black, dots, white = numbers.partition("..")
        try:
            pair = Levels(float(black), float(white))
        except ValueError:
            dots, pair = "", WHOLE
        if not dots or (colon and spectrum not in spectra) or not all(map(math.isfinite, (pair.black, pair.white))):
            expected = f"{_FORM}, or one per spectrum: levels=nir:0..4095,tir:28000..31500"
            raise DataError(where, found=f"'{part}'", expected=expected, remedy="Run reknow data check for the values.")
        if pair.black >= pair.white:
            raise DataError(where, found=f"'{part}'", expected="black below white", remedy=f"Write: {_FORM}")
        levels |= {spectrum: pair} if colon else dict.fromkeys(spectra, pair)
    return levels


def written(levels: Mapping[str, Levels]) -> str:
    """The option's value that :func:`parse_levels` reads back.

    Example:
        >>> written({"nir": Levels(0.0, 4095.0), "tir": Levels(28000.0, 31500.0)}), written({})
        ('nir:0..4095,tir:28000..31500', '')
    """
    return ",".join(f"{spectrum}:{pair}" for spectrum, pair in levels.items())
