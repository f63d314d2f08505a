"""LLCM (Zhang and Wang, CVPR 2023): 1,064 people in rgb and near infrared, 9 cameras, many pictures in low light.

::

    LLCM/idx/train_vis.txt, train_nir.txt                lines "vis/0001/0001_c01_s185535_f7010_vis.jpg 0"
    LLCM/idx/test_id.txt                                 the identities to test with, in one line
    LLCM/test_vis/cam1/0004/....jpg                      rgb of camera 1, identity 0004
    LLCM/test_nir/cam1/0004/....jpg                      near infrared

A picture of the test folders is query and gallery at once, since either spectrum searches in the other: ``llcm_v2n`` is
the data set's protocol here, and ``protocol=llcm_n2v`` the other direction. The published test script computes another
thing for visible to infrared: ``protocol=llcm_v2n_as_coded``. Training labels are numbers of their own, so identities
have the word ``train`` or ``test`` before theirs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath

from reknow.data.columns import Split
from reknow.data.formats.picture_folders import layout_root, pictures_below, unread_note
from reknow.data.formats.picture_lists import identities_listed, lines_of, listed, on_disk
from reknow.data.formats.published import Count, compared
from reknow.data.manifest import Manifest
from reknow.errors import DataError
from reknow.observation import Spectrum

PUBLISHED: dict[Split, Count] = {
    "train": Count(30_921, 713),
    "query": Count(15_846, 351),
    "gallery": Count(15_846, 351),
}
_SPECTRA: dict[str, Spectrum] = {"vis": "rgb", "nir": "nir"}
_CAMERA = re.compile(r"_c0*(\d+)_")
_TEST = re.compile(r"cam0*(?P<camera>\d+)/(?P<identity>\d{4})/[^/]+")
_TRAINING_LINE, _TEST_FORM = "vis/0001/0001_c01_s185535_f7010_vis.jpg 0", "cam1/0004/0004_c01_s185535_f7010_vis.jpg"

Columns = dict[str, list[str | None]]


def training_rows(lists: Mapping[str, Iterable[str]]) -> Columns:
    """Lines of the training lists to columns; no picture is touched.

    Args:
        lists: lines by ``vis`` and ``nir``.

    Raises:
        DataError: a line that is not "path label", or a name without a camera.
    """
    columns = _no_rows()
    for folder in _SPECTRA:
        for picture in listed(lists[folder], f"train_{folder}.txt", _TRAINING_LINE):
            camera = _CAMERA.search(PurePosixPath(picture.path).name)
            if camera is None:
                raise DataError(
                    f"train_{folder}.txt",
                    found=f"'{picture.path}', whose name has no camera",
                    expected=f"a line like: {_TRAINING_LINE}",
                    remedy="Take the list file from the data set's own archive.",
                )
            _add(columns, "train", folder, picture.path, f"train/{picture.label.zfill(4)}", camera[1])
    return columns


def test_rows(pictures: Mapping[str, Sequence[str]], identities: Iterable[str]) -> tuple[Columns, list[str]]:
    """Paths below the test folders to columns, and those that are not understood; other identities are left out.

    Args:
        pictures: paths below ``test_vis`` and ``test_nir``, by ``vis`` and ``nir``.
        identities: those to test with, as four digits.
    """
    columns, unread, tested = _no_rows(), [], set(identities)
    splits: tuple[Split, ...] = ("query", "gallery")
    for split in splits:
        for folder in _SPECTRA:
            for path in pictures[folder]:
                match = _TEST.fullmatch(path)
                if match is None:
                    unread += [f"test_{folder}/{path}"] * (split == "query")
                elif match["identity"] in tested:
                    identity = f"test/{match['identity']}"
                    _add(columns, split, folder, f"test_{folder}/{path}", identity, match["camera"])
    return columns, unread


def read(path: str) -> Manifest:
    """Read LLCM.

    Training pictures that a list names but the disk does not have are left out, and a note counts them.

    Args:
        path: the folder that holds ``idx``, ``test_vis`` and ``test_nir``, or the one around it.

    Raises:
        DataError: another layout, a damaged list, or a spectrum without test pictures.
    """
    root = layout_root(path, ["idx", "test_vis", "test_nir"], "llcm")
    training = training_rows({folder: lines_of(root / "idx" / f"train_{folder}.txt") for folder in _SPECTRA})
    paths = [rgb or nir or "" for rgb, nir in zip(training["rgb"], training["nir"], strict=True)]
    there = on_disk(root, paths)
    kept = [row for row, picture in enumerate(paths) if picture in there]
    identities = identities_listed(lines_of(root / "idx" / "test_id.txt"), root / "idx" / "test_id.txt")
    listings = {folder: pictures_below(root / f"test_{folder}") for folder in _SPECTRA}
    test, unread = test_rows({folder: listing.pictures for folder, listing in listings.items()}, identities)
    for folder, spectrum in _SPECTRA.items():
        if not any(test[spectrum]):
            raise DataError(
                root / f"test_{folder}",
                found="no picture of an identity that idx/test_id.txt names",
                expected=f"pictures named like {_TEST_FORM}",
                remedy="The download is incomplete, or was not unpacked whole: unpack it again.",
            )
    notes = unread_note("LLCM", unread, _TEST_FORM)
    if len(kept) < len(paths):
        notes.append(f"LLCM, train: {len(paths) - len(kept):,} of {len(paths):,} listed pictures are not on the disk.")
    for folder, listing in listings.items():
        notes += listing.notes(f"LLCM, test_{folder}")
    columns = {name: [values[row] for row in kept] + test[name] for name, values in training.items()}
    manifest = Manifest.from_columns(columns, root=root, name="LLCM", protocol="llcm_v2n", notes=notes)
    return compared(manifest, PUBLISHED)


def _no_rows() -> Columns:
    return {name: [] for name in ("observation", "identity", "camera", "split", *_SPECTRA.values())}


def _add(columns: Columns, split: Split, folder: str, picture: str, identity: str, camera: str) -> None:
    row = {"observation": f"{split}/{picture}", "identity": identity, "camera": camera, "split": split}
    row[_SPECTRA[folder]] = picture
    for name, values in columns.items():
        values.append(row.get(name))
