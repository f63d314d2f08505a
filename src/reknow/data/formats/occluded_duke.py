"""Occluded-Duke (Miao et al., ICCV 2019): DukeMTMC-reID split anew, every query is occluded; Market-1501's layout.

The authors' script makes it from DukeMTMC-reID, which was withdrawn. Some loaders repeat Duke's own counts for it;
those here were counted in the official lists.
"""

from __future__ import annotations

from reknow.data.columns import Split
from reknow.data.formats.market_layout import read_market_layout
from reknow.data.formats.published import Count
from reknow.data.manifest import Manifest

PUBLISHED: dict[Split, Count] = {
    "train": Count(15_618, 702),
    "query": Count(2_210, 519),
    "gallery": Count(17_661, 1_110),
}


def read(path: str) -> Manifest:
    """Read Occluded-Duke; see :func:`~reknow.data.formats.market_layout.read_market_layout`."""
    return read_market_layout(path, format_name="occluded_duke", name="Occluded-Duke", published=PUBLISHED)
