"""Locating: whether a path leads to the folder that a format expects, and where that is if it does not.

A path that may not be looked at counts as absent, and no message about a wrong one fails for its part.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from reknow.data.formats.listing import contents, is_utf_8, subfolders
from reknow.errors import DataError
from reknow.places import at_home


def exists(path: str | Path) -> bool:
    """Whether anything is there; a path that may not be looked at counts as absent."""
    try:
        return at_home(str(path)).exists()
    except OSError:
        return False


def holds_folder(path: Path) -> bool:
    """Whether a folder is there, and may be looked at."""
    return exists(path) and path.is_dir()


def holds_file(path: Path) -> bool:
    """Whether a file is there, and may be looked at."""
    return exists(path) and path.is_file()


def in_utf_8(path: Path) -> Path:
    """The same path.

    Raises:
        DataError: bytes that are no UTF-8, which no table, recipe or report can hold.
    """
    if not is_utf_8(str(path)):
        raise DataError(
            path,
            found="a path that is not UTF-8, which no table, recipe or report can name",
            remedy="Rename it, or make a link to it that has another name, and use that.",
        )
    return path


def existing_folder(path: str, spec: str) -> Path:
    """The folder at `path`, with ``~`` expanded.

    Args:
        path: as the user wrote it.
        spec: the format's name, for the message.

    Raises:
        DataError: nothing is there, or a file is.
    """
    folder = in_utf_8(at_home(path))
    try:
        if folder.is_dir():
            return folder
        there = folder.exists()
    except OSError as error:  # a parent that may not be entered, a name that is too long
        raise DataError(folder, found=f"{error.strerror}", remedy="Check the path and its permissions.") from error
    if there:
        raise DataError(
            folder,
            found="a file",
            expected="a folder",
            remedy=f"Unpack it and name the folder: {spec}:FOLDER"
            if folder.suffix in {".zip", ".tar", ".gz", ".tgz", ".7z", ".rar"}
            else f"Name the folder: {spec}:{folder.parent}. A manifest is read with table:{folder}",
        )
    parent = next((parent for parent in folder.absolute().parents if holds_folder(parent)), Path("/"))
    raise DataError(
        folder, found=f"no such folder; {parent} {contents(parent)}", remedy="Correct the path after the first colon."
    )


def layout_root(path: str, wanted: Sequence[str], spec: str) -> Path:
    """The folder that holds all of `wanted`: `path` itself, or the only one of its sub-folders that does.

    One folder in between is accepted because archives unpack into one (``Market-1501-v15.09.15``).

    Args:
        path: as the user wrote it.
        wanted: names of files and folders that the layout has at its top.
        spec: the format's name.

    Raises:
        DataError: the layout is not there; where it is elsewhere near, the message names the path to use.
    """
    folder = existing_folder(path, spec)
    if _whole(folder, wanted):
        return folder
    inner = [folder / name for name in subfolders(folder)]
    found = [candidate for candidate in inner if _whole(candidate, wanted)]
    if len(found) == 1:
        return found[0]
    expected = f"a folder with {', '.join(wanted)}"
    if found:
        names = ", ".join(candidate.name for candidate in found)
        raise DataError(folder, found=f"several such folders: {names}", remedy=f"Name one: {spec}:{found[0]}")
    near = _nearby(folder, inner, wanted)
    if near is not None:
        place = "inside" if near in folder.absolute().parents else "two levels above"
        raise DataError(folder, found=f"{contents(folder)}; this is {place} the data set", remedy=f"Use: {spec}:{near}")
    there = [name for name in wanted if exists(folder / name)]
    if there:
        absent = ", ".join(name for name in wanted if name not in there)
        raise DataError(
            folder,
            found=f"{', '.join(there)} but not {absent}",
            expected=expected,
            remedy="The download is incomplete, or was not unpacked whole: unpack it again.",
        )
    raise DataError(
        folder,
        found=contents(folder),
        expected=expected,
        remedy=f"Name the folder that holds them, or read any folder of pictures with folder:{path}",
    )


def _whole(folder: Path, wanted: Sequence[str]) -> bool:
    return all(exists(folder / name) for name in wanted)


def _nearby(folder: Path, inner: Sequence[Path], wanted: Sequence[str]) -> Path | None:
    """The layout one or two levels above `folder` or two below; of very many sub-folders only 100 are looked into."""
    candidates = list(folder.absolute().parents)[:2]
    for child in inner[:100]:
        try:
            candidates += [child / name for name in subfolders(child)[:100]]
        except DataError:
            continue
    return next((candidate for candidate in candidates if _whole(candidate, wanted)), None)
