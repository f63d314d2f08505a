"""Folders as users have them: which pictures lie in one, and whether it is the folder that a format expects.

Listing uses ``os.scandir`` and sorts by name, so that 126,441 files take a second and every machine sees one order.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from reknow.errors import DataError
from reknow.places import at_home

PICTURE_SUFFIXES = frozenset(
    {".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)  # what every Pillow decodes


def exists(path: str) -> bool:
    """Whether anything is there; a path that may not be looked at counts as absent."""
    try:
        return at_home(path).exists()
    except OSError:
        return False


def existing_folder(path: str, spec: str) -> Path:
    """The folder at `path`, with ``~`` expanded.

    Args:
        path: as the user wrote it.
        spec: the format's name, for the message.

    Raises:
        DataError: nothing is there, or a file is.
    """
    folder = at_home(path)
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
    parent = next((parent for parent in folder.absolute().parents if parent.is_dir()), Path("/"))
    raise DataError(
        folder, found=f"no such folder; {parent} {contents(parent)}", remedy="Correct the path after the first colon."
    )


def entries(folder: Path) -> list[os.DirEntry[str]]:
    """The folder's entries sorted by name, without hidden ones.

    Raises:
        DataError: no permission, or the disk fails.
    """
    try:
        with os.scandir(folder) as scan:
            return sorted((entry for entry in scan if not entry.name.startswith(".")), key=lambda entry: entry.name)
    except OSError as error:
        raise DataError(
            folder, found=f"the folder cannot be listed ({error.strerror})", remedy=f"Run: chmod u+rx '{folder}'"
        ) from error


def is_picture(name: str) -> bool:
    """Whether the suffix is one that pictures have."""
    return os.path.splitext(name)[1].lower() in PICTURE_SUFFIXES  # noqa: PTH122 (ten times faster than Path.suffix)


def subfolders(folder: Path) -> list[str]:
    """Names of the folders in `folder`, sorted."""
    return [entry.name for entry in entries(folder) if entry.is_dir()]


def pictures_in(folder: Path) -> list[str]:
    """Names of the pictures that lie directly in `folder`, sorted."""
    return [entry.name for entry in entries(folder) if is_picture(entry.name) and not entry.is_dir()]


def pictures_below(folder: Path) -> list[str]:
    """Pictures at any depth as paths relative to `folder`, sorted; links to folders are followed once."""
    return sorted(_walk(folder, "", {os.path.realpath(folder)}))


def _walk(folder: Path, prefix: str, seen: set[str]) -> Iterator[str]:
    for entry in entries(folder):
        if not entry.is_dir():
            if is_picture(entry.name):
                yield prefix + entry.name
        elif not entry.is_symlink() or os.path.realpath(entry.path) not in seen:
            seen.add(os.path.realpath(entry.path))
            yield from _walk(Path(entry.path), f"{prefix}{entry.name}/", seen)


def contents(folder: Path, limit: int = 5) -> str:
    """What a message says of a folder: "holds: a/, b/, c.txt and 14 more"."""
    names = [entry.name + "/" * entry.is_dir() for entry in entries(folder)]
    if not names:
        return "is empty"
    more = f" and {len(names) - limit:,} more" if len(names) > limit else ""
    return f"holds: {', '.join(names[:limit])}{more}"


def unread_note(where: str, unread: Sequence[str], form: str) -> list[str]:
    """A note on pictures that were left out because their names tell nothing; none where there are no such.

    Args:
        where: the data set, or the part of it.
        unread: their names.
        form: how names look that are understood.
    """
    if not unread:
        return []
    return [f"{where}: left out {len(unread):,} pictures that are not named like {form}, for example {unread[0]}."]


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
    there = [name for name in wanted if (folder / name).exists()]
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
    try:
        return all((folder / name).exists() for name in wanted)
    except OSError:  # a folder that may not be entered is not the one
        return False


def _nearby(folder: Path, inner: Sequence[Path], wanted: Sequence[str]) -> Path | None:
    """The layout one or two levels above `folder` or two below; of very many sub-folders only 100 are looked into."""
    candidates = list(folder.absolute().parents)[:2]
    for child in inner[:100]:
        try:
            candidates += [child / name for name in subfolders(child)[:100]]
        except DataError:
            continue
    return next((candidate for candidate in candidates if _whole(candidate, wanted)), None)
