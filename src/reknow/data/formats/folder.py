"""Any folder of pictures, nested at any depth; neither identities nor cameras are needed.

Options:

- ``identity=subfolder``: the first sub-folder names the identity (``bicycles/0815/left.jpg`` in ``folder:bicycles``);
- ``identity_pattern=REGEX``: its group, searched in the file name, is the identity;
- ``spectrum=subfolder``: folders called ``rgb``, ``nir`` and ``tir``, at any depth, name the spectrum of their pictures
  (:mod:`reknow.data.formats.folder_spectra`); sub-folders and paths count as if these folders were not there;
- ``camera=REGEX``: its group, searched in the file name, is the camera, for example ``camera=_c(\\d+)``;
- ``unknown=keep``: names such as -1 and unknown are individuals, see :mod:`reknow.data.columns`;
- ``levels=BLACK..WHITE``: how deep pictures become gray, see :mod:`reknow.data.levels`;
- ``gallery=train``: a closed set, whose queries are in ``test`` or ``query`` (:func:`reknow.data.manifest.closed_set`).

A regular expression with a slash is searched in the whole path below the folder. Where the top holds folders that are
splits (:mod:`reknow.data.formats.folder_splits`), sub-folders and paths count from below them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from reknow.data.columns import without_unknown
from reknow.data.formats.folder_spectra import SpectrumFolders, spectrum_folders
from reknow.data.formats.folder_splits import SplitFolders, lone_notes, split_folders
from reknow.data.formats.picture_folders import Listing, contents, existing_folder, pictures_below
from reknow.data.levels import parse_levels
from reknow.data.manifest import Manifest, closed_set
from reknow.errors import DataError, nearest, printable
from reknow.observation import SPECTRA


def read(
    path: str,
    *,
    identity: str | None = None,
    identity_pattern: str | None = None,
    spectrum: str | None = None,
    camera: str | None = None,
    unknown: str = "empty",
    levels: str | None = None,
    gallery: str | None = None,
) -> Manifest:
    """Read a folder of pictures.

    Args:
        path: the folder.
        identity: ``subfolder``, or None for no identities.
        identity_pattern: a regular expression with one group.
        spectrum: ``subfolder``, or None where all pictures are rgb.
        camera: a regular expression with one group.
        unknown: ``empty`` or ``keep`` names that mean an unknown name.
        levels: which values of deep pictures are black and white; None for those of 16 bits.
        gallery: ``train`` for a closed set.

    Raises:
        DataError: no folder, no pictures, a wrong option, or an expression that fits no name at all.
    """
    for option, value in (("identity", identity), ("spectrum", spectrum)):
        if value not in (None, "none", "subfolder"):
            raise DataError(
                f"folder, option '{option}'", found=f"'{value}'", remedy=nearest(value, ["none", "subfolder"])
            )
    if identity == "subfolder" and identity_pattern is not None:
        raise DataError(
            "folder, options 'identity' and 'identity_pattern'",
            found="two ways to name the identity",
            remedy="Give only one of them.",
        )
    spread = parse_levels(levels, "folder, option 'levels'", SPECTRA)
    folder = existing_folder(path, "folder")
    name = printable(folder.resolve().name)
    listing = pictures_below(folder)
    told: SpectrumFolders | None = None
    if spectrum == "subfolder" and listing.pictures:
        told = spectrum_folders(listing.pictures, name)
    paths, folders = (listing.pictures, listing.folders) if told is None else (told.paths, told.top)
    splits = split_folders(paths, folders, name, closed=gallery is not None)
    kept = [row for row, path in enumerate(paths) if splits is None or splits.of(path)]
    if not kept:
        raise _without_pictures(folder, listing, splits)
    columns, notes = columns_of(
        [paths[row] for row in kept],
        splits=splits,
        by_subfolder=identity == "subfolder",
        identity=identity_pattern,
        camera=camera,
    )
    if told is not None:
        columns |= {"rgb": [None] * len(kept)} | told.columns(kept)
        notes = [*told.notes, *notes]
    columns, unknown_notes = without_unknown(columns, name, unknown)
    notes = [*(splits.notes if splits else ()), *notes, *unknown_notes, *listing.notes(name)]
    if splits is None and identity == "subfolder":
        notes += lone_notes(folders, name)
    manifest = replace(Manifest.from_columns(columns, root=folder, name=name, notes=notes), levels=spread)
    return manifest if gallery is None else closed_set(manifest, gallery)


def columns_of(
    pictures: Sequence[str],
    *,
    splits: SplitFolders | None,
    by_subfolder: bool,
    identity: str | None,
    camera: str | None,
) -> tuple[dict[str, Sequence[str | None]], list[str]]:
    """Relative paths to columns and notes; no file is touched.

    Args:
        pictures: paths relative to the folder, with slashes; where there are splits, each lies in one.
        splits: the folders that are splits, or None.
        by_subfolder: whether the first sub-folder (below the split) is the identity.
        identity: a regular expression with one group, or None.
        camera: a regular expression with one group, or None.
    """
    below = pictures
    columns: dict[str, Sequence[str | None]] = {"rgb": list(pictures)}
    notes: list[str] = []
    if splits is not None:
        placed = [place for picture in pictures if (place := splits.of(picture))]
        columns["split"], below = [split for split, _ in placed], [path for _, path in placed]
    if by_subfolder:
        columns["identity"] = [name.partition("/")[0] if "/" in name else None for name in below]
        _check_matches(columns["identity"], below, "folder, option 'identity'", "lie in no sub-folder", notes)
    for column, option, pattern in (("identity", "identity_pattern", identity), ("camera", "camera", camera)):
        if pattern is not None:
            where = f"folder, option '{option}'"
            expression = _compiled(pattern, where)
            columns[column] = [_group(expression, name) for name in below]
            _check_matches(columns[column], below, where, f"do not match '{pattern}'", notes)
    return columns, notes


def _compiled(pattern: str, where: str) -> re.Pattern[str]:
    remedy = r"Put the part that is the name into parentheses, for example: _c(\d+)"
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise DataError(where, found=f"'{pattern}' is no regular expression ({error})", remedy=remedy) from error
    if expression.groups != 1:
        raise DataError(
            where, found=f"'{pattern}' has {expression.groups} groups", expected="exactly one", remedy=remedy
        )
    return expression


def _group(expression: re.Pattern[str], name: str) -> str | None:
    searched = name if "/" in expression.pattern else PurePosixPath(name).name
    match = expression.search(searched)
    return match[1] if match else None


def _check_matches(
    values: Sequence[str | None], names: Sequence[str], where: str, reason: str, notes: list[str]
) -> None:
    """Refuse an option that matches no picture; add a note on one that matches some."""
    missing = [name for name, value in zip(names, values, strict=True) if value is None]
    if len(missing) == len(names):
        raise DataError(
            where, found=f"all {len(names):,} pictures {reason}, for example {names[0]}", remedy="Correct the option."
        )
    if missing:
        notes.append(f"{where}: {len(missing):,} of {len(names):,} pictures {reason}, for example {missing[0]}.")


def _without_pictures(folder: Path, listing: Listing, splits: SplitFolders | None) -> DataError:
    """The error for a folder without pictures: it counts the files by kind, or names the splits without pictures."""
    kinds = [f"{count:,} with {suffix or 'no suffix'}" for suffix, count in listing.others.most_common(4)]
    kinds += [f"{len(paths):,} {reason}" for reason, paths in listing.unusable.items()]
    if splits is not None and listing.pictures:
        content = f"no picture in {', '.join(splits.splits)}; {' '.join(splits.notes)}"
    elif kinds:
        content = f"no picture among its files ({', '.join(kinds)})"
    else:
        content = f"no file; the folder {contents(folder)}"
    return DataError(folder, found=content, expected="pictures (.jpg, .png, ...)", remedy="Correct the path.")
