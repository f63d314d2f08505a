"""Folders of pictures: where the folder of a data set is, which pictures it holds, and what cannot be used.

Listing uses ``os.scandir`` and sorts by name, so that 126,441 files take a second and the order is the same on every
machine.

No content of a folder stops its listing. What is named like a picture and cannot be used is left out, and a note
reports it: links that lead nowhere or to themselves, pipes, folders that may not be entered, names that are not UTF-8
(no table can hold them), and files whose suffixes are not those of pictures that are read (HEIC, videos).
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path

from reknow.data.picture_files import PICTURE_SUFFIXES, UNREAD_SUFFIXES, picture_suffix
from reknow.errors import DataError, printable
from reknow.places import at_home

# Files that are usual beside pictures and need no note; the empty suffix stands for README and the like.
# fmt: off
_COMPANIONS = frozenset(
    {"", ".7z", ".bz2", ".cfg", ".csv", ".db", ".doc", ".docx", ".gz", ".htm", ".html", ".ini", ".ipynb", ".json",
     ".jsonl", ".log", ".mat", ".md", ".npy", ".npz", ".parquet", ".pkl", ".pt", ".pth", ".py", ".rar", ".rst",
     ".sh", ".tar", ".tgz", ".toml", ".tsv", ".txt", ".url", ".xls", ".xlsx", ".xml", ".yaml", ".yml", ".zip"}
)
# fmt: on
_NO_SUFFIX = "no suffix"


@dataclass
class Listing:
    """What a folder holds.

    Attributes:
        pictures: paths relative to the folder, with slashes, sorted.
        folders: names of the folders at its top, sorted.
        others: how many files have which suffix that no picture which is read has; under "" those with a plain name.
        unusable: per reason, the paths that were left out because of it.
    """

    pictures: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    unusable: dict[str, list[str]] = field(default_factory=dict)

    def notes(self, where: str) -> list[str]:
        """Notes on what was left out; `where` names the data set."""
        notes = []
        strange = Counter({suffix: count for suffix, count in self.others.items() if suffix not in _COMPANIONS})
        if strange:
            kinds = ", ".join(f"{count:,} with {suffix}" for suffix, count in strange.most_common(5))
            more = ", and others" if len(strange) > 5 else ""
            absent = sorted(UNREAD_SUFFIXES & strange.keys())
            why = f"; the installed Pillow was built without {', '.join(absent)}" if absent else ""
            count = sum(strange.values())
            notes.append(f"{where}: left out {count:,} files that are no pictures here: {kinds}{more}{why}.")
        for reason, paths in self.unusable.items():
            notes.append(f"{where}: left out {len(paths):,} {reason}, for example {paths[0]}.")
        return [printable(note) for note in notes]

    def leave_out(self, path: str, reason: str) -> None:
        """Record a path that cannot be used."""
        self.unusable.setdefault(reason, []).append(path)


LINK = "links that lead nowhere, or where you may not go"
NO_FILE = "pipes or devices that are named like pictures"
CLOSED = "folders that may not be entered (chmod u+rx mends that)"
NOT_UTF_8 = "names that are not UTF-8 (convmv -r -f latin1 -t utf8 --notest FOLDER renames such)"


def entries(folder: Path) -> list[os.DirEntry[str]]:
    """The folder's entries sorted by name, without hidden ones.

    Raises:
        DataError: no permission, or the disk fails.
    """
    try:
        with os.scandir(folder) as scan:
            return sorted((entry for entry in scan if not entry.name.startswith(".")), key=attrgetter("name"))
    except OSError as error:
        raise DataError(
            folder, found=f"the folder cannot be listed ({error.strerror})", remedy=f"Run: chmod u+rx '{folder}'"
        ) from error


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder or leads to one; a link to itself, or through a closed folder, does not."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def subfolders(folder: Path) -> list[str]:
    """Names of the folders in `folder`, sorted."""
    return [entry.name for entry in entries(folder) if is_folder(entry) and is_utf_8(entry.name)]


def pictures_in(folder: Path) -> Listing:
    """The pictures that lie directly in `folder`.

    Raises:
        DataError: the folder may not be listed.
    """
    listing = Listing()
    for entry in entries(folder):
        if is_folder(entry):
            listing.folders.append(entry.name)
        else:
            _take(entry, entry.name, listing)
    return listing


def pictures_below(folder: Path) -> Listing:
    """The pictures at any depth; links to folders are followed once.

    Raises:
        DataError: the folder itself may not be listed.
    """
    listing = Listing()
    _walk(entries(folder), "", {os.path.realpath(folder)}, listing)
    listing.pictures.sort()
    return listing


def _walk(inside: Sequence[os.DirEntry[str]], prefix: str, visited: set[str], listing: Listing) -> None:
    for entry in inside:
        if not is_folder(entry):
            _take(entry, prefix + entry.name, listing)
            continue
        path = f"{prefix}{entry.name}/"
        if not is_utf_8(entry.name):
            listing.leave_out(path, NOT_UTF_8)
        elif not entry.is_symlink() or os.path.realpath(entry.path) not in visited:
            visited.add(os.path.realpath(entry.path))
            if not prefix:
                listing.folders.append(entry.name)
            try:
                below = entries(Path(entry.path))
            except DataError:
                listing.leave_out(path, CLOSED)
            else:
                _walk(below, path, visited, listing)


def _take(entry: os.DirEntry[str], path: str, listing: Listing) -> None:
    """Record an entry that is not a folder."""
    suffix = picture_suffix(entry.name)
    if suffix not in PICTURE_SUFFIXES:
        if entry.is_symlink() and not _is_file(entry):
            listing.leave_out(path, LINK)
        else:  # 0001_c1 may be a picture, README is none
            listing.others[suffix or _NO_SUFFIX * any(letter.isdigit() for letter in entry.name)] += 1
    elif not _is_file(entry):
        listing.leave_out(path, LINK if entry.is_symlink() else NO_FILE)
    elif not entry.name.isascii() and not is_utf_8(entry.name):
        listing.leave_out(path, NOT_UTF_8)
    else:
        listing.pictures.append(path)


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:
        return False


def is_utf_8(name: str) -> bool:
    """Whether a name can be written into a table; bytes that are no UTF-8 come as halves of surrogate pairs."""
    if name.isascii():
        return True
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def contents(folder: Path, limit: int = 5) -> str:
    """The content of a folder, for messages: "holds: a/, b/, c.txt and 14 more"."""
    try:
        names = [entry.name + "/" * is_folder(entry) for entry in entries(folder)]
    except DataError:
        return "may not be listed"
    if not names:
        return "is empty"
    more = f" and {len(names) - limit:,} more" if len(names) > limit else ""
    return f"holds: {', '.join(names[:limit])}{more}"


def unread_note(where: str, unread: Sequence[str], form: str) -> list[str]:
    """A note on pictures that were left out because their names are not understood; no note where there are none.

    Args:
        where: the data set, or the part of it.
        unread: their names.
        form: the form of the names that are read.
    """
    if not unread:
        return []
    return [f"{where}: left out {len(unread):,} pictures that are not named like {form}, for example {unread[0]}."]


def exists(path: str | Path) -> bool:
    """Whether the path exists; one that may not be read counts as absent."""
    try:
        return at_home(str(path)).exists()
    except OSError:
        return False


def holds_folder(path: Path) -> bool:
    """Whether the path is a folder that may be read."""
    return exists(path) and path.is_dir()


def holds_file(path: Path) -> bool:
    """Whether the path is a file that may be read."""
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


def existing_folder(path: str, format_name: str) -> Path:
    """The folder at `path`, with ``~`` expanded.

    Args:
        path: as the user wrote it.
        format_name: the format's name, for the message.

    Raises:
        DataError: nothing is there, or a file is.
    """
    folder = in_utf_8(at_home(path))
    try:
        if folder.is_dir():
            return folder
        is_file = folder.exists()
    except OSError as error:  # a parent that may not be entered, a name that is too long
        raise DataError(folder, found=f"{error.strerror}", remedy="Check the path and its permissions.") from error
    if is_file:
        raise DataError(
            folder,
            found="a file",
            expected="a folder",
            remedy=f"Unpack it and name the folder: {format_name}:FOLDER"
            if folder.suffix in {".zip", ".tar", ".gz", ".tgz", ".7z", ".rar"}
            else f"Name the folder: {format_name}:{folder.parent}. A manifest is read with table:{folder}",
        )
    parent = next((parent for parent in folder.absolute().parents if holds_folder(parent)), Path("/"))
    raise DataError(
        folder, found=f"no such folder; {parent} {contents(parent)}", remedy="Correct the path after the first colon."
    )


def layout_root(path: str, required: Sequence[str], format_name: str) -> Path:
    """The folder that holds all of `required`: `path` itself, or the only one of its sub-folders that does.

    One folder in between is accepted because archives unpack into one (``Market-1501-v15.09.15``).

    Args:
        path: as the user wrote it.
        required: names of files and folders that the layout has at its top.
        format_name: the format's name.

    Raises:
        DataError: the layout is not there; where it is elsewhere near, the message names the path to use.
    """
    folder = existing_folder(path, format_name)
    if _whole(folder, required):
        return folder
    inner = [folder / name for name in subfolders(folder)]
    roots = [candidate for candidate in inner if _whole(candidate, required)]
    if len(roots) == 1:
        return roots[0]
    expected = f"a folder with {', '.join(required)}"
    if roots:
        names = ", ".join(candidate.name for candidate in roots)
        raise DataError(folder, found=f"several such folders: {names}", remedy=f"Name one: {format_name}:{roots[0]}")
    near = _nearby(folder, inner, required)
    if near is not None:
        place = "inside" if near in folder.absolute().parents else "two levels above"
        raise DataError(
            folder, found=f"{contents(folder)}; this is {place} the data set", remedy=f"Use: {format_name}:{near}"
        )
    present = [name for name in required if exists(folder / name)]
    if present:
        absent = ", ".join(name for name in required if name not in present)
        raise DataError(
            folder,
            found=f"{', '.join(present)} but not {absent}",
            expected=expected,
            remedy="The download is incomplete, or was not unpacked whole: unpack it again.",
        )
    raise DataError(
        folder,
        found=contents(folder),
        expected=expected,
        remedy=f"Name the folder that holds them, or read any folder of pictures with folder:{path}",
    )


def _whole(folder: Path, required: Sequence[str]) -> bool:
    return all(exists(folder / name) for name in required)


def _nearby(folder: Path, inner: Sequence[Path], required: Sequence[str]) -> Path | None:
    """The layout up to two levels above `folder` or two below; of many sub-folders the first 100 are searched."""
    candidates = list(folder.absolute().parents)[:2]
    for child in inner[:100]:
        try:
            candidates += [child / name for name in subfolders(child)[:100]]
        except DataError:
            continue
    return next((candidate for candidate in candidates if _whole(candidate, required)), None)
