"""RGBNT100 (Li et al., AAAI 2020): 100 vehicles in rgb, near and thermal infrared, 8 cameras, strips of three panels.

Layout: Market-1501's three folders in PATH or in a folder within (``rgbir``). Each file is one picture of 768 x 128,
whose panels are rgb, nir and tir from left to right; see :mod:`~reknow.data.formats.strips`.
"""

from __future__ import annotations

from reknow.data.columns import Split
from reknow.data.formats.market_layout import read_market_layout
from reknow.data.formats.published import Count
from reknow.data.formats.strips import with_panels
from reknow.data.manifest import Manifest

PUBLISHED: dict[Split, Count] = {"train": Count(8_675, 50), "query": Count(1_715, 50), "gallery": Count(8_575, 50)}


def read(path: str) -> Manifest:
    """Read RGBNT100; see :func:`~reknow.data.formats.strips.with_panels`."""
    strips = read_market_layout(path, format_name="rgbnt100", name="RGBNT100", published=PUBLISHED)
    return with_panels(strips, ("rgb", "nir", "tir"))
