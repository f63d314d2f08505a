"""MSMT17 (Wei et al., CVPR 2018): 4,101 people, 15 cameras; release V1 and the face-masked V2.

::

    MSMT17_V1/{train,test}/PPPP/PPPP_NNN_CC_....jpg             CC = camera
    MSMT17_V2/{mask_train_v2,mask_test_v2}/PPPP/...
    and in both: list_{train,val,query,gallery}.txt, lines "PPPP/name.jpg identity"

Training uses ``list_train`` and ``list_val`` together, as all published numbers do. Identities restart at 0 in the
test lists, so they carry the word before them here: ``train/0000`` and ``test/0000`` are two people.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from reknow.data.columns import Split
from reknow.data.formats.picture_folders import (
    existing_folder,
    holds_file,
    holds_folder,
    layout_root,
    pictures_in,
    subfolders,
)
from reknow.data.formats.picture_lists import lines_of
from reknow.data.formats.published import Count, compared
from reknow.data.manifest import Manifest
from reknow.errors import DataError

PUBLISHED: dict[Split, Count] = {
    "train": Count(32_621, 1_041),
    "query": Count(11_659, 3_060),
    "gallery": Count(82_161, 3_060),
}
LISTS: dict[str, Split] = {
    "list_train.txt": "train",
    "list_val.txt": "train",
    "list_query.txt": "query",
    "list_gallery.txt": "gallery",
}


@dataclass(frozen=True)
class Release:
    """Where one release keeps its pictures."""

    name: str
    train: str
    test: str


RELEASES = (Release("MSMT17 V1", "train", "test"), Release("MSMT17 V2", "mask_train_v2", "mask_test_v2"))


def rows_of(lists: Mapping[str, Iterable[str]], release: Release) -> dict[str, list[str]]:
    """Lines of the list files to columns; no file is touched.

    Args:
        lists: per name of :data:`LISTS`, its lines.
        release: which folders the paths are relative to.

    Raises:
        DataError: a line that is not "path identity", or a file name without a camera.
    """
    columns: dict[str, list[str]] = {"rgb": [], "identity": [], "camera": [], "split": []}
    for name, split in LISTS.items():
        half = "train" if split == "train" else "test"
        folder = release.train if split == "train" else release.test
        for number, line in enumerate(lists[name], start=1):
            if not line.strip():
                continue
            path, _, identity = line.strip().rpartition(" ")
            fields = PurePosixPath(path).name.split("_")
            if not identity.isdigit() or len(fields) < 4:
                raise DataError(
                    f"{name}, line {number}",
                    found=f"'{line.strip()}'",
                    expected="a line like: 0000/0000_045_12_0303morning_0006_2.jpg 0",
                    remedy="Take the list file from the data set's own archive.",
                )
            columns["rgb"].append(f"{folder}/{path}")
            columns["identity"].append(f"{half}/{identity.zfill(4)}")
            columns["camera"].append(fields[2])
            columns["split"].append(split)
    return columns


def read(path: str) -> Manifest:
    """Read MSMT17; the release is recognized by its folders.

    Pictures that a list names but the disk does not have are left out, and a note counts them.

    Raises:
        DataError: another layout, a damaged list file, or lists without a single picture.
    """
    root, release = _locate(path)
    columns = rows_of({name: lines_of(root / name) for name in LISTS}, release)
    listed = len(columns["rgb"])
    on_disk = _on_disk(root, release)
    kept = [row for row, picture in enumerate(columns["rgb"]) if picture in on_disk]
    if not kept:
        raise DataError(
            root,
            found=f"none of the {listed:,} pictures that the lists name, for example {next(iter(columns['rgb']), '')}",
            remedy=f"Unpack the pictures into {release.train} and {release.test} beside the lists.",
        )
    columns = {name: [values[row] for row in kept] for name, values in columns.items()}
    notes = []
    if len(kept) < listed:
        notes.append(f"{release.name}: {listed - len(kept):,} of {listed:,} listed pictures are not on the disk.")
    return compared(Manifest.from_columns(columns, root=root, name=release.name, notes=notes), PUBLISHED)


def _locate(path: str) -> tuple[Path, Release]:
    """The root and the release; errors are about V1, whose layout more users have, unless V2's folders exist."""
    folder = existing_folder(path, "msmt17")
    near = [folder, *(folder / name for name in subfolders(folder)), *list(folder.absolute().parents)[:2]]
    masked = any(holds_folder(place / RELEASES[1].train) for place in near)
    plain = any(holds_folder(place / RELEASES[0].train) and holds_file(place / "list_train.txt") for place in near[:-2])
    release = RELEASES[1] if masked and not plain else RELEASES[0]
    return layout_root(path, [release.train, release.test, *LISTS], "msmt17"), release


def _on_disk(root: Path, release: Release) -> set[str]:
    """Every picture of both halves; listing 4,101 folders is faster than checking 126,441 files one by one."""
    return {
        f"{half}/{identity}/{name}"
        for half in (release.train, release.test)
        for identity in subfolders(root / half)
        for name in pictures_in(root / half / identity).pictures
    }
