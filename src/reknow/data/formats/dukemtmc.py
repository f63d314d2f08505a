"""DukeMTMC-reID (Zheng et al., ICCV 2017): 1,404 people and 408 distractors, 8 cameras, Market-1501's layout.

Its authors withdrew the data set in 2019 for reasons of privacy. The reader is here for comparison with published
numbers; no recipe uses it by default.
"""

from __future__ import annotations

from reknow.data.columns import Split
from reknow.data.formats.market_layout import read_market_layout
from reknow.data.formats.published import Count
from reknow.data.manifest import Manifest

PUBLISHED: dict[Split, Count] = {
    "train": Count(16_522, 702),
    "query": Count(2_228, 702),
    "gallery": Count(17_661, 1_110),
}


def read(path: str) -> Manifest:
    """Read DukeMTMC-reID; see :func:`~reknow.data.formats.market_layout.read_market_layout`."""
    return read_market_layout(path, format_name="dukemtmc", name="DukeMTMC-reID", published=PUBLISHED)
