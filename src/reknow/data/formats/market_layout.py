"""The layout that Market-1501 introduced and many data sets share: three folders, and names that contain identity and
camera.

::

    bounding_box_train/0002_c1s1_000451_03.jpg     identity 0002, camera 1
    query/0001_c1s1_001051_00.jpg
    bounding_box_test/-1_c1s1_000401_03.jpg        -1: junk, left out; 0000: distractor, kept

Junk (a detection that overlaps a person too little to count as right or wrong) is dropped, as every loader of the field
does. Distractors stay in the gallery under their own identity, which no query has, so they are always wrong matches.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from reknow.data.columns import Split
from reknow.data.formats.picture_folders import Listing, contents, layout_root, pictures_in, unread_note
from reknow.data.formats.published import Count, compared
from reknow.data.manifest import Manifest
from reknow.errors import DataError

FOLDERS: dict[Split, str] = {"train": "bounding_box_train", "query": "query", "gallery": "bounding_box_test"}

NAME = re.compile(r"(?P<identity>-?\d+)_c(?P<camera>\d+)")


@dataclass
class Rows:
    """Columns of a manifest in the making, and the file names that were not understood."""

    rgb: list[str] = field(default_factory=list)
    identity: list[str] = field(default_factory=list)
    camera: list[str] = field(default_factory=list)
    split: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)

    def columns(self) -> dict[str, list[str]]:
        """As :meth:`Manifest.from_columns` takes them."""
        return {"rgb": self.rgb, "identity": self.identity, "camera": self.camera, "split": self.split}


def rows_of(names: Mapping[Split, Sequence[str]], *, camera_digits: int = 1) -> Rows:
    """File names to rows; no file is touched.

    Args:
        names: per split, the names of the pictures in its folder.
        camera_digits: cameras are padded with zeros to this length, so that they sort by number.

    Example:
        >>> rows = rows_of({"query": ["0002_c1s1_000451_03.jpg", "-1_c2s1_000401_03.jpg"]})
        >>> rows.columns()
        {'rgb': ['query/0002_c1s1_000451_03.jpg'], 'identity': ['0002'], 'camera': ['1'], 'split': ['query']}
    """
    rows = Rows()
    for split, files in names.items():
        for name in files:
            match = NAME.match(name)
            if match is None:
                rows.unread.append(f"{FOLDERS[split]}/{name}")
            elif not match["identity"].startswith("-"):
                rows.rgb.append(f"{FOLDERS[split]}/{name}")
                rows.identity.append(match["identity"])
                rows.camera.append(match["camera"].zfill(camera_digits))
                rows.split.append(split)
    return rows


def read_market_layout(
    path: str, *, format_name: str, name: str, published: Mapping[Split, Count], camera_digits: int = 1
) -> Manifest:
    """Read a data set of this layout.

    Args:
        path: the folder that holds the three, or the one around it.
        format_name: the format's name in ``FORMAT:PATH``.
        name: the data set's name in reports.
        published: counts of a complete download.
        camera_digits: see :func:`rows_of`.

    Raises:
        DataError: another layout, or a folder without pictures that are named like these.
    """
    root = layout_root(path, list(FOLDERS.values()), format_name)
    listings: dict[Split, Listing] = {split: pictures_in(root / folder) for split, folder in FOLDERS.items()}
    rows = rows_of({split: listing.pictures for split, listing in listings.items()}, camera_digits=camera_digits)
    for split, folder in FOLDERS.items():
        if split not in rows.split:
            raise _without_pictures(root / folder)
    notes = unread_note(name, rows.unread, "IDENTITY_cCAMERA...")
    for split, listing in listings.items():
        notes += listing.notes(f"{name}, {FOLDERS[split]}")
    return compared(Manifest.from_columns(rows.columns(), root=root, name=name, notes=notes), published)


def _without_pictures(folder: Path) -> DataError:
    return DataError(
        folder,
        found=f"no picture with such a name; the folder {contents(folder)}",
        expected="pictures named like 0002_c1s1_000451_03.jpg",
        remedy="The download is incomplete, or it is another data set: folder:PATH reads any folder of pictures.",
    )
