"""MSVR310 (Zheng et al., Information Fusion 2023): 310 vehicles in rgb, near and thermal infrared, 8 views.

::

    MSVR310/{bounding_box_train,query3,bounding_box_test}/0001/{vis,ni,th}/0001_s002_v0_000.jpg

Identity 0001, scene 002, view 0. The view takes the place of the camera, and the scene that of the camera in the
protocol ``msvr310``: gallery pictures of the query's identity and scene are removed. The query folder is really called
``query3``; it holds the test pictures of those vehicles that two or more scenes show.
"""

from __future__ import annotations

import re

from reknow.data.columns import Split
from reknow.data.formats.published import Count
from reknow.data.formats.spectrum_folders import Layout, read_spectrum_folders
from reknow.data.manifest import Manifest

PUBLISHED: dict[Split, Count] = {"train": Count(1_032, 155), "query": Count(591, 52), "gallery": Count(1_055, 155)}

LAYOUT = Layout(
    name="MSVR310",
    format_name="msvr310",
    splits={"bounding_box_train": ("train",), "query3": ("query",), "bounding_box_test": ("gallery",)},
    spectra={"rgb": "vis", "nir": "ni", "tir": "th"},
    file_name=re.compile(r"(?P<identity>\d{4})_s(?P<scene>\d{3})_v(?P<camera>\d)"),
    form="0001_s002_v0_000.jpg",
    protocol="msvr310",
)


def read(path: str) -> Manifest:
    """Read MSVR310; see :func:`~reknow.data.formats.spectrum_folders.read_spectrum_folders`."""
    return read_spectrum_folders(path, LAYOUT, PUBLISHED)
