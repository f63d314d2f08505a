"""Misregistration: cameras of different spectra stand side by side, so their pictures of one moment do not align.

Near infrared and thermal are displaced against color: by a constant of the camera, of the length that is asked for and
in a direction of its own for each spectrum, and by a little more from shot to shot, because objects are not all
equally far. Lengths are pixels of a picture 128 high.
"""

from __future__ import annotations

import math

from reknow.errors import DataError
from reknow.observation import Spectrum
from reknow.world.draws import Draws

MOST = 32.0
JITTER = 0.1  # deviation from shot to shot, in shares of the displacement


def check_misregistration(pixels: float) -> None:
    """Refuse a displacement that no picture can have.

    Raises:
        DataError: not between 0 and 32.
    """
    if not 0 <= pixels <= MOST:
        raise DataError(
            "world option 'misregistration'",
            found=f"{pixels:g}",
            expected=f"0 to {MOST:g} pixels",
            remedy="Pixels of a picture 128 high; a few are usual.",
        )


def displacement(
    domain: str, seed: int, identity: int, camera: int, shot: int, spectrum: Spectrum, pixels: float
) -> tuple[float, float]:
    """How far right and down the picture of a spectrum lies from the color picture.

    Example:
        >>> displacement("target", 0, 1, 2, 3, "rgb", 4.0), displacement("target", 0, 1, 2, 3, "tir", 0.0)
        ((0.0, 0.0), (0.0, 0.0))
    """
    if spectrum == "rgb" or pixels == 0:
        return 0.0, 0.0
    angle = Draws("aside", domain, seed, camera, spectrum).uniform(0.0, 2 * math.pi)
    shaken = Draws("shaken", domain, seed, identity, camera, shot, spectrum)
    right = math.cos(angle) + shaken.bell(0.0, JITTER)
    return pixels * right, pixels * (math.sin(angle) + shaken.bell(0.0, JITTER))
