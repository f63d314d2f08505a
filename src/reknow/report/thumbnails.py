"""Pictures inside the page: small JPEGs as data addresses, within a budget for the whole page."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from PIL import Image

LONGEST = 192
"""Pixels of a thumbnail's longer side; it is shown at about 170."""

BUDGET = 2_400_000
"""Bytes of all thumbnails as text: with plots and recipe the page stays under 3 MB, which mail servers accept."""

# (share of the longest side, JPEG quality), the first that fits the budget. World pictures (128 x 64) take 3 kB at the
# first.
_TRIES = ((1.0, 85), (1.0, 70), (0.75, 60), (0.5, 50), (0.33, 40), (0.2, 30))


@dataclass(frozen=True)
class Thumbnail:
    """A picture as it stands in the page.

    Attributes:
        address: ``data:image/jpeg;base64,...``
        width, height: pixels.
    """

    address: str
    width: int
    height: int


def thumbnails(
    pictures: Sequence[UInt8[np.ndarray, "_ _ 3"]], budget: int = BUDGET, longest: int = LONGEST
) -> list[Thumbnail]:
    """Thumbnails of all pictures of a page, the largest and best that fit the budget together.

    Args:
        pictures: (H, W, 3) RGB each.
        budget: bytes of all addresses. The last try is kept even where it does not fit.
        longest: pixels of the longer side of the largest.
    """
    made: list[Thumbnail] = []
    for share, quality in _TRIES:
        made = [_thumbnail(picture, round(share * longest), quality) for picture in pictures]
        if sum(len(thumbnail.address) for thumbnail in made) <= budget:
            break
    return made


def _thumbnail(picture: np.ndarray, longest: int, quality: int) -> Thumbnail:
    image = Image.fromarray(picture)
    image.thumbnail((longest, longest), Image.Resampling.LANCZOS)  # never enlarges
    file = io.BytesIO()
    image.save(file, format="JPEG", quality=quality, optimize=True)
    text = base64.b64encode(file.getvalue()).decode("ascii")
    return Thumbnail(f"data:image/jpeg;base64,{text}", image.width, image.height)
