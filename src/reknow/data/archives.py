"""Archives: pictures inside zip files, read from many threads and processes."""

from __future__ import annotations

import os
import threading
import zipfile
import zlib
from functools import lru_cache
from pathlib import Path

from reknow.errors import DataError


class _Archive:
    """An open zip file. Its lock is ours because ZipFile does not promise to be read from several threads."""

    def __init__(self, path: Path) -> None:
        self.lock = threading.Lock()
        self.zip = zipfile.ZipFile(path)

    def read(self, member: str) -> bytes:
        with self.lock:
            return self.zip.read(member)


@lru_cache(maxsize=16)
def _archive(path: Path, modified: int, size: int, process: int) -> _Archive:
    """Opened once per process (a forked child must not share a file position) and again when the file changes."""
    return _Archive(path)


def read_member(path: Path) -> bytes:
    """The bytes of ``archive.zip/member``, where `path` itself does not exist.

    Raises:
        DataError: no part of the path is a file, no such member, or a zip file that cannot be read.
    """
    archive = next((parent for parent in path.parents if parent.is_file()), None)
    if archive is None:
        folder = next((parent for parent in path.parents if parent.is_dir()), path.parent)
        raise DataError(
            path,
            found=f"no such file (the path exists up to {folder})",
            remedy="Correct the reference or the root folder, or remove the row.",
        )
    member = path.relative_to(archive).as_posix()
    try:
        state = archive.stat()
        return _archive(archive, state.st_mtime_ns, state.st_size, os.getpid()).read(member)
    except KeyError as error:
        raise DataError(
            path, found=f"{archive.name} has no member '{member}'", remedy="Correct the reference, or remove the row."
        ) from error
    except PermissionError as error:
        raise DataError(archive, found="no permission to read it", remedy=f"Run: chmod u+r '{archive}'") from error
    except zipfile.BadZipFile as error:
        raise DataError(
            archive, found=f"not an intact zip file ({error})", remedy="Copy or download it again."
        ) from error
    except (
        OSError,
        RuntimeError,
        NotImplementedError,
        zlib.error,
    ) as error:  # a damaged, encrypted or oddly compressed member
        raise DataError(
            path, found=f"the zip member cannot be read ({error})", remedy="Pack the zip file again."
        ) from error
