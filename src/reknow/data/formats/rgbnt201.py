"""RGBNT201 (Zheng et al., AAAI 2021): 201 people in rgb, near infrared and thermal infrared, 4 cameras.

::

    RGBNT201/{train_171,test}/{RGB,NI,TI}/000258_cam1_0_00.jpg        identity 000258, camera 1

The folder ``test`` is query and gallery at once, so every query stands in its own gallery; the rule that removes the
query's identity and camera removes it too. Option: ``split=train_171`` (default, what recent papers train on) or
``split=train_141``, which keeps 30 people for validation.
"""

from __future__ import annotations

import re

from reknow.data.columns import Split
from reknow.data.formats.published import Count
from reknow.data.formats.spectrum_folders import Layout, read_spectrum_folders
from reknow.data.manifest import Manifest
from reknow.errors import DataError, nearest

PUBLISHED: dict[str, dict[Split, Count]] = {
    "train_171": {"train": Count(3_951, 171), "query": Count(836, 30), "gallery": Count(836, 30)},
    "train_141": {"train": Count(3_280, 141), "query": Count(836, 30), "gallery": Count(836, 30)},
}


def layout(split: str = "train_171") -> Layout:
    """Folders and names, with one of the two training folders."""
    return Layout(
        name="RGBNT201" if split == "train_171" else f"RGBNT201 {split}",
        format_name="rgbnt201",
        splits={split: ("train",), "test": ("query", "gallery")},
        spectra={"rgb": "RGB", "nir": "NI", "tir": "TI"},
        file_name=re.compile(r"(?P<identity>\d{6})_cam(?P<camera>\d)"),
        form="000258_cam1_0_00.jpg",
    )


def read(path: str, *, split: str = "train_171") -> Manifest:
    """Read RGBNT201.

    Args:
        path: the folder that holds `split` and ``test``, or the one around it.
        split: ``train_171`` or ``train_141``.

    Raises:
        DataError: another word for `split`, another layout, or a spectrum without pictures.
    """
    if split not in PUBLISHED:
        raise DataError("rgbnt201, option 'split'", found=f"'{split}'", remedy=nearest(split, PUBLISHED))
    return read_spectrum_folders(path, layout(split), PUBLISHED[split])
