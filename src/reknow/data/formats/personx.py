"""PersonX (Sun and Zheng, CVPR 2019): 1,266 rendered people, 6 cameras, Market-1501's layout.

Cameras are numbered 3, 4, 8, 10, 11 and 12. They are written with two digits, so that their codes are 0 to 5 in this
order.
"""

from __future__ import annotations

from reknow.data.columns import Split
from reknow.data.formats.market_layout import read_market_layout
from reknow.data.formats.published import Count
from reknow.data.manifest import Manifest

PUBLISHED: dict[Split, Count] = {"train": Count(9_840, 410), "query": Count(5_136, 856), "gallery": Count(30_816, 856)}


def read(path: str) -> Manifest:
    """Read PersonX; see :func:`~reknow.data.formats.market_layout.read_market_layout`."""
    return read_market_layout(path, format_name="personx", name="PersonX", published=PUBLISHED, camera_digits=2)
