"""Writing beside and renaming: a file or folder is there whole, or what was there before still is."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from reknow.errors import RunError


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Where to write a file or a folder, which gets its name at the end; where that fails, nothing is left.

    Whether `path` may exist is the caller's business: a file is replaced, and so is an empty folder.

    Args:
        path: the final name; its folder must exist by the end of the block.

    Yields:
        a hidden path in the same folder, so on the same disk; it is this process's own, and the block makes it.

    Raises:
        OSError: it cannot be renamed. Callers say in their own words what could not be written.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "words.txt"
        >>> with written_whole(path) as beside:
        ...     written = beside.write_text("all of it")
        >>> path.read_text()
        'all of it'
    """
    if "\0" in str(path):
        raise OSError(errno.EINVAL, "a null character in its name")  # the system's own calls raise a ValueError
    beside = beside_of(path)
    try:
        yield beside
        beside.replace(path)
    except BaseException:  # Ctrl-C too
        _remove(beside)
        raise


def beside_of(path: Path) -> Path:
    """The hidden path of this process next to a file or folder that it is about to write."""
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def write_file(path: Path, content: str | bytes) -> Path:
    """Write a file beside and rename it; text as UTF-8. Folders are made.

    Raises:
        RunError: the disk is full, or the folder may not be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as beside:
            beside.write_bytes(content.encode() if isinstance(content, str) else content)
    except OSError as error:
        raise RunError(
            path,
            found=f"could not be written ({error})",
            remedy="Free space or permissions there, and start the same command again.",
        ) from error
    return path


def _remove(path: Path) -> None:
    """As far as that goes: why the writing failed is what the user must hear."""
    with suppress(OSError):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()
