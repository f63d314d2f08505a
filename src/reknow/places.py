"""Places: the cache folder, paths below a home folder, and places with options after a question mark.

The cache holds files that may be deleted at any time: decoded pictures and compiled functions. Its folder is
$REKNOW_CACHE, else $XDG_CACHE_HOME/reknow, else ~/.cache/reknow. A user in a container often has no home, or one that
may not be written. Then it is the user's own folder below the system's temporary folder, and a line on standard error
says so. That folder must belong to the user and be closed to others, because compiled functions are loaded from it.

Users name data sets and files of weights as ``PLACE?option=value&option=value``. A question mark that belongs to an
existing path stays in the path. Values are used as written: nothing is percent-decoded, because they are often regular
expressions (write ``\\x26`` for an ampersand).
"""

from __future__ import annotations

import logging
import os
import stat
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

from reknow.errors import DataError, ReknowError


def cache_folder() -> Path:
    """The cache folder, which need not exist yet.

    Raises:
        DataError: no home, and the folder below the temporary one belongs to another user; or REKNOW_CACHE begins with
            the home of a user who has none.
    """
    if own := os.environ.get("REKNOW_CACHE"):
        folder = at_home(own)
        if str(folder).startswith("~"):
            raise DataError(
                "REKNOW_CACHE", found=f"'{own}', and no such home", expected="a folder", remedy="Write its whole path."
            )
        return folder
    if shared := os.environ.get("XDG_CACHE_HOME"):
        return Path(shared) / "reknow"
    usual = at_home("~/.cache/reknow")
    if usual.is_absolute() and _may_hold(usual):
        return usual
    return _temporary_folder(tempfile.gettempdir())


def at_home(path: str) -> Path:
    """The path with ``~`` expanded; unchanged if the name of no user with a home follows it."""
    try:
        return Path(path).expanduser()
    except RuntimeError:  # no such user, or neither HOME nor an entry in passwd
        return Path(path)


def place_and_options(
    text: str, exists: Callable[[str], bool], error: type[ReknowError], form: str
) -> tuple[str, dict[str, str]]:
    """Split a name. Of several question marks, the one after the longest existing path starts the options.

    Args:
        text: as the user wrote it.
        exists: whether a place exists.
        error: the kind of error to raise.
        form: how such a name is written, for the message.

    Returns:
        the place and each option's value.

    Raises:
        ReknowError: of the given kind: the text after the question mark is no list of options, or names one twice.

    Example:
        >>> place_and_options("w.pth?stride=12&size=256x128", lambda place: place == "w.pth", ReknowError, "")
        ('w.pth', {'stride': '12', 'size': '256x128'})
    """
    if "?" not in text or exists(text):
        return text, {}
    marks = [position for position, letter in enumerate(text) if letter == "?"]
    existing = [position for position in marks if exists(text[:position])]
    mark = existing[-1] if existing else marks[0]
    options: dict[str, str] = {}
    for part in text[mark + 1 :].split("&"):
        option, equals, value = part.partition("=")
        if not equals or not option or option in options:
            wrong = f"option '{option}' twice" if option in options else f"'{part}'"
            raise error(text, found=wrong, expected="option=value after the question mark", remedy=f"Write: {form}")
        options[option] = value
    return text[:mark], options


def with_option(name: str, option: str, value: object) -> str:
    """A name that :func:`place_and_options` takes apart, with one option more.

    Example:
        >>> with_option("world:target", "seed", 2), with_option("world:target?seed=2", "hidden", 0.4)
        ('world:target?seed=2', 'world:target?seed=2&hidden=0.4')
    """
    return f"{name}{'&' if '?' in name else '?'}{option}={value}"


def _may_hold(folder: Path) -> bool:
    """Whether files can be made in a folder, or the folder itself can be made."""
    try:
        nearest = next((place for place in (folder, *folder.parents) if place.exists()), None)
        return nearest is not None and nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)
    except OSError:
        return False


@cache
def _temporary_folder(parent: str) -> Path:
    folder = Path(parent) / f"reknow-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
    except OSError as error:
        raise _homeless(folder, f"it cannot be made ({error.strerror})") from error
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o022:
        raise _homeless(folder, "it belongs to somebody else, or others may write to it")
    logging.getLogger("reknow").warning(
        "note: this user has no home that may be written, so the cache is %s; REKNOW_CACHE names another folder",
        folder,
    )
    return folder


def _homeless(folder: Path, problem: str) -> DataError:
    return DataError(
        folder,
        found=f"this user has no home that may be written, and {problem}",
        expected="a folder for the picture cache",
        remedy="Set REKNOW_CACHE to a local folder that this user may write to.",
    )
