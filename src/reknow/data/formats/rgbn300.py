"""RGBN300 (Li et al., AAAI 2020): 300 vehicles in rgb and near infrared, 8 cameras, strips of two panels.

Layout: that of RGBNT100 with files of 512 x 128. Some loaders repeat the near infrared as thermal infrared, to feed
networks with three inputs; here the spectrum tir stays empty, because it was not recorded.
"""

from __future__ import annotations

from reknow.data.formats.market_layout import read_market_layout
from reknow.data.formats.strips import with_panels
from reknow.data.manifest import Manifest


def read(path: str) -> Manifest:
    """Read RGBN300; see :func:`~reknow.data.formats.strips.with_panels`."""
    strips = read_market_layout(path, format_name="rgbn300", name="RGBN300", published={})
    return with_panels(strips, ("rgb", "nir"))
