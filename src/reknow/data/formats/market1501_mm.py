"""Market1501-MM: Market-1501 with near and thermal infrared pictures that a network made from the visible ones.

::

    Market1501-MM/{train,query,gallery}/{RGB,NI,TI}/0002_c1s1_000451_03.jpg

Names, splits and counts are Market-1501's; junk (identity -1) is dropped.
"""

from __future__ import annotations

from reknow.data.formats.market1501 import PUBLISHED
from reknow.data.formats.market_layout import NAME
from reknow.data.formats.spectrum_folders import Layout, read_spectrum_folders
from reknow.data.manifest import Manifest

LAYOUT = Layout(
    name="Market1501-MM",
    format_name="market1501_mm",
    splits={"train": ("train",), "query": ("query",), "gallery": ("gallery",)},
    spectra={"rgb": "RGB", "nir": "NI", "tir": "TI"},
    file_name=NAME,
    form="0002_c1s1_000451_03.jpg",
)


def read(path: str) -> Manifest:
    """Read Market1501-MM; see :func:`~reknow.data.formats.spectrum_folders.read_spectrum_folders`."""
    return read_spectrum_folders(path, LAYOUT, PUBLISHED)
