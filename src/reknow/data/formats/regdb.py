"""RegDB (Nguyen et al., Sensors 2017): 412 people, ten pictures of each in rgb and in thermal infrared, 10 splits.

::

    RegDB/idx/{train,test}_{visible,thermal}_{1..10}.txt      lines "Visible/1/male_front_v_00001_1.bmp 0"
    RegDB/{Visible,Thermal}/...

Option ``split=1`` to ``split=10``: half of the people train, the others test. A picture of the test lists is query and
gallery at once, since either spectrum searches in the other: ``regdb_v2t`` is the data set's protocol here, and
``protocol=regdb_t2v`` the other direction. Labels restart at 0 in each list, so identities have the word ``train`` or
``test`` before theirs. The two cameras are called after their spectra.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from reknow.data.columns import Split
from reknow.data.formats.picture_folders import layout_root
from reknow.data.formats.picture_lists import lines_of, listed, on_disk
from reknow.data.formats.published import Count, compared
from reknow.data.manifest import Manifest
from reknow.errors import DataError, nearest
from reknow.observation import Spectrum

PUBLISHED: dict[Split, Count] = {
    "train": Count(4_120, 206),
    "query": Count(4_120, 206),
    "gallery": Count(4_120, 206),
}
SPLITS = tuple(str(number) for number in range(1, 11))

_SPECTRA: dict[str, Spectrum] = {"visible": "rgb", "thermal": "tir"}
_HALVES: dict[str, tuple[Split, ...]] = {"train": ("train",), "test": ("query", "gallery")}


def rows_of(lists: Mapping[str, Iterable[str]]) -> dict[str, list[str | None]]:
    """Lines of the four lists of one split to columns; no picture is touched.

    Args:
        lists: lines by ``train_visible``, ``train_thermal``, ``test_visible`` and ``test_thermal``.

    Raises:
        DataError: a line that is not "path label".
    """
    columns: dict[str, list[str | None]] = {
        name: [] for name in ("observation", "identity", "camera", "split", *_SPECTRA.values())
    }
    for half, splits in _HALVES.items():
        for split in splits:
            for camera, spectrum in _SPECTRA.items():
                name = f"{half}_{camera}"
                for picture in listed(lists[name], f"{name}.txt", "Visible/1/male_front_v_00001_1.bmp 0"):
                    columns["observation"].append(f"{split}/{picture.path}")
                    columns["identity"].append(f"{half}/{picture.label.zfill(4)}")
                    columns["camera"].append(camera)
                    columns["split"].append(split)
                    for column in _SPECTRA.values():
                        columns[column].append(picture.path if column == spectrum else None)
    return columns


def read(path: str, *, split: str = "1") -> Manifest:
    """Read one split of RegDB.

    Pictures that a list names but the disk does not have are left out, and a note counts them.

    Args:
        path: the folder that holds ``idx``, ``Visible`` and ``Thermal``, or the one around it.
        split: 1 to 10.

    Raises:
        DataError: another split, another layout, a damaged list, or lists of which a spectrum has no picture.
    """
    if split not in SPLITS:
        raise DataError("regdb, option 'split'", found=f"'{split}'", expected="1 to 10", remedy=nearest(split, SPLITS))
    root = layout_root(path, ["idx", "Visible", "Thermal"], "regdb")
    names = [f"{half}_{camera}" for half in _HALVES for camera in _SPECTRA]
    columns = rows_of({name: lines_of(root / "idx" / f"{name}_{split}.txt") for name in names})
    pictures = [rgb or tir or "" for rgb, tir in zip(columns["rgb"], columns["tir"], strict=True)]
    there = on_disk(root, pictures)
    kept = [row for row, picture in enumerate(pictures) if picture in there]
    columns = {name: [values[row] for row in kept] for name, values in columns.items()}
    for camera, spectrum in _SPECTRA.items():
        if not any(columns[spectrum]):
            raise DataError(
                root,
                found=f"none of the pictures that the lists of {camera} name",
                expected=f"the pictures of the folder {camera.capitalize()}",
                remedy=f"Unpack them into {camera.capitalize()} beside idx.",
            )
    name, notes = f"RegDB split {split}", []
    if len(kept) < len(pictures):
        lacking = len(set(pictures) - there)
        notes.append(f"{name}: {lacking:,} of {len(set(pictures)):,} listed pictures are not on the disk.")
    manifest = Manifest.from_columns(columns, root=root, name=name, protocol="regdb_v2t", notes=notes)
    return compared(manifest, PUBLISHED)
