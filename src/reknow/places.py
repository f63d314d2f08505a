"""Where the package keeps what may be deleted at any time: decoded pictures and compiled functions.

The folder is $REKNOW_CACHE, else $XDG_CACHE_HOME/reknow, else ~/.cache/reknow. A user in a container often has no home,
or one that may not be written. Then it is a folder of that user's own below the system's temporary folder, and a line
on standard error says so. That folder must be the user's and closed to others: compiled functions are loaded from it.
"""

from __future__ import annotations

import logging
import os
import stat
import tempfile
from functools import cache
from pathlib import Path

from reknow.errors import DataError


def cache_folder() -> Path:
    """The folder, which need not exist yet.

    Raises:
        DataError: no home, and the folder below the temporary one is somebody else's; or REKNOW_CACHE begins with the
            home of somebody who has none.
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
    """The path with ``~`` expanded; a name that merely starts so, and one of a user without a home, stays as it is."""
    try:
        return Path(path).expanduser()
    except RuntimeError:  # no such user, or neither HOME nor an entry in passwd
        return Path(path)


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
        found = folder.lstat()
    except OSError as error:
        raise _homeless(folder, f"it cannot be made ({error.strerror})") from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise _homeless(folder, "it belongs to somebody else, or others may write to it")
    logging.getLogger("reknow").warning(
        "note: this user has no home that may be written, so the cache is %s; REKNOW_CACHE names another folder",
        folder,
    )
    return folder


def _homeless(folder: Path, found: str) -> DataError:
    return DataError(
        folder,
        found=f"this user has no home that may be written, and {found}",
        expected="a folder for the picture cache",
        remedy="Set REKNOW_CACHE to a local folder that this user may write to.",
    )
