"""Writing beside the final place and renaming: a file or folder is complete, or the earlier one remains."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from reknow.errors import ReknowError, RunError

HAVE_ROOM = "Check the folder, its permissions and the room on its disk."
"""The remedy for most failures while a file is written."""


@contextmanager
def written_whole(
    path: Path,
    error: type[ReknowError] = RunError,
    remedy: str = HAVE_ROOM,
    *,
    also: tuple[type[Exception], ...] = (),
) -> Iterator[Path]:
    """A temporary path for a file or folder, which gets its final name at the end; after a failure nothing is left.

    The caller decides whether `path` may exist: a file is replaced, and so is an empty folder.

    Args:
        path: the final name; its folder must exist by the end of the block.
        error: raised if it cannot be written.
        remedy: what its message says to do.
        also: exceptions beside OSError by which a library says that a file cannot be written.

    Yields:
        a hidden path in the same folder, so on the same disk, that no other process uses; the block creates it.

    Raises:
        ReknowError: of the kind `error`, if it cannot be written or renamed. Other errors of the block are passed on.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "words.txt"
        >>> with written_whole(path) as beside:
        ...     written = beside.write_text("all of it")
        >>> path.read_text()
        'all of it'
    """
    with failures_named(path, error, remedy, also=also):
        if "\0" in str(path):
            raise OSError(errno.EINVAL, "a null character in its name")  # the system's own calls raise a ValueError
        beside = beside_of(path)
        try:
            yield beside
            beside.replace(path)
        except BaseException:  # Ctrl-C too
            _remove(beside)
            raise


@contextmanager
def failures_named(
    path: Path,
    error: type[ReknowError] = RunError,
    remedy: str = HAVE_ROOM,
    *,
    also: tuple[type[Exception], ...] = (),
) -> Iterator[None]:
    """Turns failures of the disk in the block into an error that names the file; see :func:`written_whole`."""
    try:
        yield
    except (OSError, *also) as reason:
        raise error(path, found=f"cannot be written ({reason})", remedy=remedy) from reason


def beside_of(path: Path) -> Path:
    """The hidden path of this process next to a file or folder that it is about to write."""
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def write_file(path: Path, content: str | bytes, error: type[ReknowError] = RunError, remedy: str = HAVE_ROOM) -> Path:
    """Write a file by :func:`written_whole`; text as UTF-8. Folders are made.

    Raises:
        ReknowError: of the kind `error`: the disk is full, or the folder may not be written.
    """
    with failures_named(path, error, remedy):
        path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path, error, remedy) as beside:
        beside.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def _remove(path: Path) -> None:
    """Remove what can be removed; the reason why writing failed is the error that counts."""
    with suppress(OSError):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()
