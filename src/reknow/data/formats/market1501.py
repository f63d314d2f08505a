"""Market-1501 (Zheng et al., ICCV 2015): 1,501 people, 6 cameras.

Layout: ``bounding_box_train``, ``query``, ``bounding_box_test``, directly in PATH or in a folder within
(``Market-1501-v15.09.15``). Of the 19,732 gallery files the 3,819 junk ones (identity -1) are dropped.
"""

from __future__ import annotations

from reknow.data.columns import Split
from reknow.data.formats.market_layout import read_market_layout
from reknow.data.formats.published import Count
from reknow.data.manifest import Manifest

PUBLISHED: dict[Split, Count] = {"train": Count(12_936, 751), "query": Count(3_368, 750), "gallery": Count(15_913, 751)}


def read(path: str) -> Manifest:
    """Read Market-1501; see :func:`~reknow.data.formats.market_layout.read_market_layout`."""
    return read_market_layout(path, format_name="market1501", name="Market-1501", published=PUBLISHED)
