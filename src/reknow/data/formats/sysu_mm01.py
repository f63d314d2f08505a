"""SYSU-MM01 (Wu et al., ICCV 2017): 491 people in rgb of cameras 1, 2, 4 and 5 and near infrared of cameras 3 and 6.

::

    SYSU-MM01/cam1/0001/0001.jpg                              identity 0001 in camera 1
    SYSU-MM01/exp/{train_id,val_id,test_id}.txt               identities in one line, with commas between
    SYSU-MM01/exp/rand_perm_cam.mat                           of the authors' evaluation code; needed by one option

Training has the identities of the training and validation lists, as all published numbers do. All infrared pictures of
the test identities are queries; their rgb pictures are the gallery that trials draw from. The protocol is ``sysu_all``.

Option ``draws``: ``seeded`` (default), as most code bases draw, or ``published``, the permutations of the authors' file
(:mod:`reknow.evaluation.draws` has the difference). The authors' evaluation code documents that file: for each camera
and each identity, a table with a row for each trial, which holds a permutation of that identity's pictures in that
camera, counted from 1 in order of their names. Nothing else is assumed; a file where it does not hold is refused.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from reknow.data.columns import DRAW_PLACES, Split
from reknow.data.formats.picture_folders import holds_file, layout_root, pictures_below, unread_note
from reknow.data.formats.picture_lists import identities_listed, lines_of
from reknow.data.formats.published import Count, compared
from reknow.data.manifest import Manifest
from reknow.errors import DataError, nearest
from reknow.observation import Spectrum

PUBLISHED: dict[Split, Count] = {
    "train": Count(34_167, 395),
    "query": Count(3_803, 96),
    "gallery": Count(6_775, 96),
}
DRAWS = ("seeded", "published")

_SPECTRA: dict[int, Spectrum] = {1: "rgb", 2: "rgb", 3: "nir", 4: "rgb", 5: "rgb", 6: "nir"}
_NAME = re.compile(r"(?P<identity>\d{4})/\d+\.\w+")
_LISTS: dict[str, str] = {"train_id.txt": "train", "val_id.txt": "train", "test_id.txt": "test"}
_PERMUTATIONS = "rand_perm_cam.mat"


def rows_of(
    pictures: Mapping[int, Sequence[str]], halves: Mapping[str, str]
) -> tuple[dict[str, list[str | None]], list[str]]:
    """Paths to columns, and those that are not understood; no picture is touched.

    Args:
        pictures: by camera, the paths below its folder.
        halves: ``train`` or ``test`` by identity; pictures of other identities are left out.

    Example:
        >>> columns, unread = rows_of({1: ["0006/0001.jpg"], 3: ["0006/0001.jpg", "x.jpg"]}, {"0006": "test"})
        >>> columns["split"], columns["rgb"], columns["nir"], unread
        (['query', 'gallery'], [None, 'cam1/0006/0001.jpg'], ['cam3/0006/0001.jpg', None], ['cam3/x.jpg'])
    """
    rows: dict[Split, list[tuple[str, int, str]]] = {"train": [], "query": [], "gallery": []}
    unread = []
    for camera, paths in pictures.items():
        for path in paths:
            match = _NAME.fullmatch(path)
            if match is None:
                unread.append(f"cam{camera}/{path}")
            elif match["identity"] in halves:
                tested: Split = "query" if _SPECTRA[camera] == "nir" else "gallery"
                split = tested if halves[match["identity"]] == "test" else "train"
                rows[split].append((match["identity"], camera, f"cam{camera}/{path}"))
    ordered = [(split, *row) for split, of_split in rows.items() for row in sorted(of_split)]
    columns: dict[str, list[str | None]] = {
        "identity": [identity for _, identity, _, _ in ordered],
        "camera": [str(camera) for _, _, camera, _ in ordered],
        "split": [split for split, _, _, _ in ordered],
    }
    for spectrum in ("rgb", "nir"):
        columns[spectrum] = [path if _SPECTRA[camera] == spectrum else None for _, _, camera, path in ordered]
    return columns, unread


def read(path: str, *, draws: str = "seeded") -> Manifest:
    """Read SYSU-MM01.

    Args:
        path: the folder that holds ``exp`` and ``cam1`` to ``cam6``, or the one around it.
        draws: ``seeded`` or ``published``.

    Raises:
        DataError: another word for `draws`, another layout, a damaged list, a spectrum without test pictures, or a
            permutation file that is not as its documentation says.
    """
    if draws not in DRAWS:
        raise DataError("sysu_mm01, option 'draws'", found=f"'{draws}'", remedy=nearest(draws, DRAWS))
    root = layout_root(path, ["exp", *(f"cam{camera}" for camera in _SPECTRA)], "sysu_mm01")
    halves: dict[str, str] = {}
    for name, half in _LISTS.items():
        halves |= dict.fromkeys(identities_listed(lines_of(root / "exp" / name), root / "exp" / name), half)
    listings = {camera: pictures_below(root / f"cam{camera}") for camera in _SPECTRA}
    columns, unread = rows_of({camera: listing.pictures for camera, listing in listings.items()}, halves)
    for split, spectrum in (("query", "infrared"), ("gallery", "rgb")):
        if split not in columns["split"]:
            raise DataError(
                root,
                found=f"no {spectrum} picture of an identity that exp/test_id.txt names",
                expected="pictures named like cam1/0006/0001.jpg",
                remedy="The download is incomplete, or was not unpacked whole: unpack it again.",
            )
    notes = unread_note("SYSU-MM01", unread, "0006/0001.jpg")
    for camera, listing in listings.items():
        notes += listing.notes(f"SYSU-MM01, cam{camera}")
    own = {DRAW_PLACES: published_places(root / "exp" / _PERMUTATIONS, columns)} if draws == "published" else None
    manifest = Manifest.from_columns(columns, root=root, name="SYSU-MM01", protocol="sysu_all", notes=notes, own=own)
    return compared(manifest, PUBLISHED)


def published_places(file: Path, columns: Mapping[str, Sequence[str | None]]) -> list[str | None]:
    """For each gallery picture its places in the permutations of the trials, counted from 0; None for other rows.

    Args:
        file: ``rand_perm_cam.mat``.
        columns: of :func:`rows_of`.

    Raises:
        DataError: no such file, or one that is not as its documentation says; the camera and identity are named.
    """
    tables = _tables(file)
    shots: dict[tuple[int, str], list[int]] = defaultdict(list)
    for row, (split, camera, identity) in enumerate(
        zip(columns["split"], columns["camera"], columns["identity"], strict=True)
    ):
        if split == "gallery" and camera is not None and identity is not None:
            shots[int(camera), identity].append(row)  # in order of their names, as rows_of has them
    places: list[str | None] = [None] * len(columns["split"])
    for (camera, identity), rows in shots.items():
        where = f"{file}, camera {camera}, identity {identity}"
        if int(identity) > len(tables[camera - 1]):
            raise _other_form(where, f"tables of {len(tables[camera - 1])} identities")
        permutations = np.asarray(tables[camera - 1][int(identity) - 1])
        if permutations.ndim != 2 or permutations.dtype.kind not in "iuf":
            raise _other_form(where, f"{permutations.dtype} of shape {permutations.shape}")
        numbers = np.tile(np.arange(1, len(rows) + 1), (max(1, len(permutations)), 1))
        if not np.array_equal(np.sort(permutations, axis=1), numbers):
            raise _other_form(where, f"no permutations of the {len(rows)} pictures in the folder")
        for row, of_picture in zip(rows, np.argsort(permutations, axis=1).T, strict=True):
            places[row] = " ".join(map(str, of_picture.tolist()))
    return places


def _tables(file: Path) -> list[np.ndarray]:
    """Per camera, the tables of its identities, as MATLAB's cells hold them."""
    from scipy.io import loadmat

    if not holds_file(file):
        raise DataError(
            file,
            found="no such file",
            expected="the permutations of the authors' evaluation code",
            remedy="Take it from github.com/wuancong/SYSU-MM01, evaluation/data_split, or use draws=seeded.",
        )
    try:
        content = loadmat(file)
    except Exception as error:  # scipy raises nearly anything for a damaged file, and for MATLAB's newer format
        raise _other_form(file, f"no MATLAB file of version 7 or before ({error})") from error
    cells = np.asarray(content.get("rand_perm_cam", np.zeros(0))).reshape(-1)
    if cells.dtype != object or len(cells) != len(_SPECTRA):
        raise _other_form(file, f"{len(cells)} cells of {cells.dtype} in 'rand_perm_cam'")
    return [np.asarray(cell).reshape(-1) for cell in cells]


def _other_form(where: object, content: str) -> DataError:
    return DataError(
        where,
        found=content,
        expected="cells 'rand_perm_cam' of six cameras, in each a cell for each identity, in it a row for each trial "
        "with a permutation of the identity's pictures, counted from 1",
        remedy="Complete the pictures and take the file from github.com/wuancong/SYSU-MM01, or use draws=seeded.",
    )
