"""CUHK03 (Li et al., CVPR 2014), new protocol with 767 training and 700 test identities (Zhong et al., CVPR 2017).

Read from the distributed ``cuhk03-np``: folders ``detected`` and ``labeled`` (boxes of a detector, boxes drawn by
hand), each in Market-1501's layout. Option: ``boxes=detected`` (default, the harder one) or ``boxes=labeled``.
"""

from __future__ import annotations

from reknow.data.columns import Split
from reknow.data.formats.market_layout import FOLDERS, read_market_layout
from reknow.data.formats.picture_folders import existing_folder, holds_folder, layout_root
from reknow.data.formats.published import Count
from reknow.data.manifest import Manifest
from reknow.errors import DataError, nearest

PUBLISHED: dict[str, dict[Split, Count]] = {
    "detected": {"train": Count(7_365, 767), "query": Count(1_400, 700), "gallery": Count(5_332, 700)},
    "labeled": {"train": Count(7_368, 767), "query": Count(1_400, 700), "gallery": Count(5_328, 700)},
}


def read(path: str, *, boxes: str = "detected") -> Manifest:
    """Read CUHK03.

    Args:
        path: the folder with ``detected`` and ``labeled``, or one of these two.
        boxes: ``detected`` or ``labeled``.

    Raises:
        DataError: another layout, or another word for `boxes`.
    """
    if boxes not in PUBLISHED:
        raise DataError("cuhk03, option 'boxes'", found=f"'{boxes}'", remedy=nearest(boxes, PUBLISHED))
    folder = existing_folder(path, "cuhk03")
    if not all(holds_folder(folder / name) for name in FOLDERS.values()):
        folder = layout_root(path, [boxes], "cuhk03") / boxes
    elif folder.resolve().name in PUBLISHED:  # the user named one of the two, which overrides the default
        boxes = folder.resolve().name
    return read_market_layout(str(folder), format_name="cuhk03", name=f"CUHK03-NP {boxes}", published=PUBLISHED[boxes])
