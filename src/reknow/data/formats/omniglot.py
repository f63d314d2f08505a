"""Omniglot (Lake et al., Science 2015): handwritten characters; identity = character, camera = drawer.

Read from its zip files as they are, or unpacked. Each of 20 people drew each character of an alphabet once; drawers are
numbered per alphabet. Queries are the drawings of drawers 1 to 5, the gallery those of drawers 6 to 20, of alphabets
that training does not have: those of ``images_evaluation`` where it is there, otherwise Korean, Sanskrit and Tagalog.

The two small background sets share the alphabets Greek and Latin; a drawing counts once, from the first file.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable
from pathlib import Path

from reknow.data.columns import Split
from reknow.data.formats.picture_folders import (
    contents,
    entries,
    existing_folder,
    holds_file,
    holds_folder,
    pictures_below,
)
from reknow.data.formats.published import Count, compared
from reknow.data.manifest import Manifest
from reknow.errors import DataError

TEST_ALPHABETS = frozenset({"Korean", "Sanskrit", "Tagalog"})
QUERY_DRAWERS = range(1, 6)

# The two small background sets together; and the full sets: 964 characters of 30 alphabets, 659 of 20, each 20 times.
PUBLISHED_SMALL: dict[Split, Count] = {"train": Count(2_860, 143), "query": Count(495, 99), "gallery": Count(1_485, 99)}
PUBLISHED_FULL: dict[Split, Count] = {
    "train": Count(19_280, 964),
    "query": Count(3_295, 659),
    "gallery": Count(9_885, 659),
}

_SETS = ("images_background_small1", "images_background_small2", "images_background", "images_evaluation")
_DRAWING = re.compile(r"(?:^|/)(images_\w+)/([^/]+)/(character\d+)/\d+_(\d+)\.png$")


def rows_of(references: Iterable[str]) -> dict[str, list[str]]:
    """References to drawings, in any order of sets, to columns; no file is touched.

    Example:
        >>> rows_of(["small.zip/images_background_small1/Greek/character01/0394_07.png"])["identity"]
        ['Greek/character01']
    """
    matches = [(reference, match) for reference in references if (match := _DRAWING.search(reference))]
    evaluation = any(match[1] == "images_evaluation" for _, match in matches)
    columns: dict[str, list[str]] = {"rgb": [], "identity": [], "camera": [], "split": []}
    drawn: set[tuple[str, str, str]] = set()
    for reference, match in matches:
        source, alphabet, character, drawer = match.groups()
        if (alphabet, character, drawer) in drawn:
            continue
        drawn.add((alphabet, character, drawer))
        is_test = source == "images_evaluation" if evaluation else alphabet in TEST_ALPHABETS
        columns["rgb"].append(reference)
        columns["identity"].append(f"{alphabet}/{character}")
        columns["camera"].append(drawer)
        columns["split"].append(("query" if int(drawer) in QUERY_DRAWERS else "gallery") if is_test else "train")
    return columns


def read(path: str) -> Manifest:
    """Read Omniglot.

    Args:
        path: the folder that holds ``images_*.zip``, or the folders that they unpack into.

    Raises:
        DataError: neither is there, or a zip file is damaged.
    """
    folder = existing_folder(path, "omniglot")
    references = [reference for name in _SETS for reference in _drawings(folder, name)]
    columns = rows_of(references)
    if not columns["rgb"]:
        raise DataError(
            folder,
            found=contents(folder),
            expected=f"{', '.join(name + '.zip' for name in _SETS[:2])}, or what they unpack into",
            remedy="Name the folder that holds the zip files.",
        )
    manifest = Manifest.from_columns(columns, root=folder, name="Omniglot")
    full = any(entry.name.startswith("images_evaluation") for entry in entries(folder))
    return compared(manifest, PUBLISHED_FULL if full else PUBLISHED_SMALL)


def _drawings(folder: Path, name: str) -> list[str]:
    """References to the drawings of one set, from the zip file if it is there, otherwise from the folder."""
    archive = folder / f"{name}.zip"
    if holds_file(archive):
        try:
            with zipfile.ZipFile(archive) as members:
                return sorted(f"{archive.name}/{member}" for member in members.namelist() if member.endswith(".png"))
        except (zipfile.BadZipFile, OSError) as error:
            raise DataError(archive, found=f"not an intact zip file ({error})", remedy="Download it again.") from error
    if holds_folder(folder / name):
        return [f"{name}/{picture}" for picture in pictures_below(folder / name).pictures]
    return []
