"""Any folder of pictures, nested as it likes; neither identities nor cameras are needed.

Options:

- ``identity=subfolder``: the first sub-folder names the identity (``bicycles/0815/left.jpg`` in ``folder:bicycles``);
- ``identity_pattern=REGEX``: its group, searched in the file name, is the identity;
- ``camera=REGEX``: its group, searched in the file name, is the camera, for example ``camera=_c(\\d+)``.

A regular expression with a slash is searched in the whole path below the folder. Where the top holds exactly the
folders ``train``, ``query`` and ``gallery``, these are the splits, and sub-folders count from below them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from reknow.data.formats.listing import contents, existing_folder, pictures_below, subfolders
from reknow.data.manifest import SPLITS, Manifest
from reknow.errors import DataError, nearest


def read(
    path: str, *, identity: str | None = None, identity_pattern: str | None = None, camera: str | None = None
) -> Manifest:
    """Read a folder of pictures.

    Args:
        path: the folder.
        identity: ``subfolder``, or None for no identities.
        identity_pattern: a regular expression with one group.
        camera: a regular expression with one group.

    Raises:
        DataError: no folder, no pictures, a wrong option, or an expression that fits no name at all.
    """
    if identity not in (None, "none", "subfolder"):
        raise DataError(
            "folder, option 'identity'", found=f"'{identity}'", remedy=nearest(identity, ["none", "subfolder"])
        )
    if identity == "subfolder" and identity_pattern is not None:
        raise DataError(
            "folder, options 'identity' and 'identity_pattern'",
            found="two ways to name the identity",
            remedy="Give only one of them.",
        )
    folder = existing_folder(path, "folder")
    pictures = pictures_below(folder)
    if not pictures:
        raise DataError(
            folder, found=_instead(folder), expected="pictures (.jpg, .png, ...)", remedy="Correct the path."
        )
    has_splits = set(subfolders(folder)) == set(SPLITS) and all("/" in picture for picture in pictures)
    columns, notes = columns_of(
        pictures, has_splits=has_splits, by_subfolder=identity == "subfolder", identity=identity_pattern, camera=camera
    )
    return Manifest.from_columns(columns, root=folder, name=folder.resolve().name, notes=notes)


def columns_of(
    pictures: Sequence[str], *, has_splits: bool, by_subfolder: bool, identity: str | None, camera: str | None
) -> tuple[dict[str, Sequence[str | None]], list[str]]:
    """Relative paths to columns and notes; no file is touched.

    Args:
        pictures: paths relative to the folder, with slashes.
        has_splits: whether the first part of each is its split.
        by_subfolder: whether the first sub-folder (below the split) is the identity.
        identity: a regular expression with one group, or None.
        camera: a regular expression with one group, or None.
    """
    below = [picture.partition("/")[2] if has_splits else picture for picture in pictures]
    columns: dict[str, Sequence[str | None]] = {"rgb": list(pictures)}
    notes: list[str] = []
    if has_splits:
        columns["split"] = [picture.partition("/")[0] for picture in pictures]
    if by_subfolder:
        columns["identity"] = [name.partition("/")[0] if "/" in name else None for name in below]
        _judge(columns["identity"], below, "folder, option 'identity'", "lie in no sub-folder", notes)
    for column, option, pattern in (("identity", "identity_pattern", identity), ("camera", "camera", camera)):
        if pattern is not None:
            where = f"folder, option '{option}'"
            expression = _compiled(pattern, where)
            columns[column] = [_group(expression, name) for name in below]
            _judge(columns[column], below, where, f"do not match '{pattern}'", notes)
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


def _judge(values: Sequence[str | None], names: Sequence[str], where: str, reason: str, notes: list[str]) -> None:
    """Refuse an option that says nothing about any picture; note one that leaves some out."""
    missing = [name for name, value in zip(names, values, strict=True) if value is None]
    if len(missing) == len(names):
        raise DataError(
            where, found=f"all {len(names):,} pictures {reason}, for example {names[0]}", remedy="Correct the option."
        )
    if missing:
        notes.append(f"{where}: {len(missing):,} of {len(names):,} pictures {reason}, for example {missing[0]}.")


def _instead(folder: Path) -> str:
    """What a folder without pictures holds, by kind of file."""
    kinds = Counter(path.suffix or "no suffix" for path in folder.rglob("*") if path.is_file())
    if not kinds:
        return f"no file; the folder {contents(folder)}"
    listing = ", ".join(f"{count:,} with {kind}" for kind, count in kinds.most_common(4))
    return f"no picture among its files ({listing})"
