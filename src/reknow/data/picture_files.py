"""Picture files: the bytes of a picture wherever they lie, the formats that are read, and how a file is identified.

Pillow opens some fifty formats, and for one of them (EPS) it starts another program, whatever the name of the file. So
pictures are opened with the list of this module, and nothing else in the package calls ``Image.open``. The same list
decides which names are pictures' names: a format that is read is also listed, and none that is listed is refused later.

Files are opened without blocking, because a pipe that is named like a picture would otherwise block forever. Zip files
are read from many threads and processes.
"""

from __future__ import annotations

import os
import stat
import threading
import zipfile
import zlib
from collections.abc import Sequence
from functools import lru_cache
from io import BytesIO, FileIO
from pathlib import Path

from PIL import Image, features

from reknow.errors import DataError

WORLD_PREFIX = "world:"
"""What references to pictures of the synthetic world start with."""

SUFFIXES: dict[str, tuple[str, ...]] = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "MPO": (".mpo",),  # several JPEG pictures in one file, as stereo cameras and phones write; often named .jpg
    "PNG": (".png", ".apng"),
    "WEBP": (".webp",),
    "BMP": (".bmp",),
    "DIB": (".dib",),  # BMP without the file's own header
    "TIFF": (".tif", ".tiff"),
    "GIF": (".gif",),
    "JPEG2000": (".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx"),
    "AVIF": (".avif", ".avifs"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm", ".pfm"),
}
"""Every format that is read, by Pillow's name for it, and the suffixes of its files."""

# Formats that Pillow can be built without, and what it calls the ability.
_FEATURES = {"WEBP": "webp", "JPEG2000": "jpg_2000", "AVIF": "avif"}


def formats_read(suffixes: dict[str, tuple[str, ...]] = SUFFIXES) -> tuple[str, ...]:
    """Those of the formats that the installed Pillow can decode."""
    return tuple(name for name in suffixes if name not in _FEATURES or features.check(_FEATURES[name]))


FORMATS: tuple[str, ...] = formats_read()
_OPENED = tuple(name for name in FORMATS if name != "MPO")  # Pillow opens it as JPEG and has no decoder of this name
PICTURE_SUFFIXES: frozenset[str] = frozenset(suffix for name in FORMATS for suffix in SUFFIXES[name])
UNREAD_SUFFIXES: frozenset[str] = (
    frozenset(suffix for names in SUFFIXES.values() for suffix in names) - PICTURE_SUFFIXES
)
"""Pictures that this Pillow was built without."""

# What a file is by its first bytes: (offset, bytes, name). The first that fits holds.
_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"\x89PNG\r\n\x1a\n", "PNG"),
    (0, b"GIF87a", "GIF"),
    (0, b"GIF89a", "GIF"),
    (8, b"WEBP", "WEBP"),
    (0, b"II*\0", "TIFF"),
    (0, b"MM\0*", "TIFF"),
    (0, b"II+\0", "TIFF"),
    (0, b"MM\0+", "TIFF"),
    (4, b"jP  \r\n", "JPEG2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG2000"),
    (4, b"ftypavif", "AVIF"),
    (4, b"ftypavis", "AVIF"),
    *((0, b"P%c" % kind + gap, "PPM") for kind in b"123456fF" for gap in (b" ", b"\n", b"\t", b"\r")),
    (0, b"%!PS", "an EPS file (PostScript)"),
    (0, b"\xc5\xd0\xd3\xc6", "an EPS file (PostScript)"),
    (0, b"%PDF", "a PDF"),
    (0, b"8BPS", "a Photoshop file"),
    (0, b"version https://git-lfs", "a Git LFS pointer"),
    (0, b"PK\x03\x04", "a zip archive"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (0, b"Rar!", "a rar archive"),
    (257, b"ustar", "a tar archive"),
    *((4, b"ftyp" + brand, "a HEIC picture") for brand in (b"hei", b"hev", b"mif1", b"msf1")),
    (4, b"ftypqt", "a QuickTime video"),
    (4, b"ftypcrx", "a camera's raw file"),
    (4, b"ftyp", "an MP4 video"),
    (8, b"AVI ", "an AVI video"),
    (0, b"\x1a\x45\xdf\xa3", "a Matroska or WebM video"),
    (0, b"\0\0\x01\0", "an ICO file"),
    (0, b"\xff\x0a", "a JPEG XL picture"),
    (4, b"JXL ", "a JPEG XL picture"),
    (0, b"\x76\x2f\x31\x01", "an OpenEXR picture"),
    (0, b"DDS ", "a DDS texture"),
    (0, b"SIMPLE  =", "a FITS file"),
    (128, b"DICM", "a DICOM file"),
    (0, b"\x93NUMPY", "a NumPy array"),
    (0, b"\x89HDF", "an HDF5 file"),
    (0, b"MATLAB", "a MATLAB file"),
    (0, b"BM", "BMP"),  # two letters are a weak signature, so all others are tried first
)


def picture_suffix(name: str) -> str:
    """The suffix of a file name in small letters, with its dot; empty where there is none.

    Example:
        >>> picture_suffix("cam1/0001.JPG"), picture_suffix("README")
        ('.jpg', '')
    """
    stem, dot, suffix = name.rpartition(".")
    return f".{suffix.lower()}" if dot and stem and "/" not in suffix else ""


def open_picture(file: BytesIO | FileIO) -> Image.Image:
    """What ``Image.open`` returns, for the formats of this module alone.

    Raises:
        PIL.UnidentifiedImageError: none of these formats. And any other exception of Pillow's for a damaged header.
    """
    return Image.open(file, formats=_OPENED)


def open_regular(path: Path) -> FileIO:
    """A file open for reading.

    Raises:
        DataError: a pipe, a device or another thing that is no file.
        OSError: as the system raises it.
    """
    file = open(path, "rb", buffering=0, opener=_without_waiting)  # noqa: SIM115 (Path.open has no opener)
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise DataError(path, found="a pipe or a device", expected="a picture file", remedy="Remove it, or the row.")
    return file


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def true_format(data: bytes) -> str | None:
    """What a file is by its first bytes.

    Args:
        data: the file, or at least its first 1,024 bytes.

    Returns:
        One of the names of :data:`SUFFIXES`, or a description of its kind ("an EPS file (PostScript)"); None
        where the bytes are of no known kind. MPO starts as JPEG does and is reported as JPEG.

    Example:
        >>> true_format(b"GIF89a..."), true_format(b"%!PS-Adobe-3.0"), true_format(b"Dear reader")
        ('GIF', 'an EPS file (PostScript)', None)
    """
    for offset, signature, name in _SIGNATURES:
        if data.startswith(signature, offset):
            return name
    text = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype html", b"<html", b"<head")):
        return "a web page"
    if text.startswith(b"<") and b"<svg" in text:
        return "an SVG drawing"
    return "an XML file" if text.startswith(b"<?xml") else None


def remedy_for(kind: str) -> str:
    """What to do with a file of this kind, as :func:`true_format` names it."""
    if kind == "a Git LFS pointer":
        return "The picture itself was not downloaded: run git lfs pull in its repository."
    if kind == "a web page":
        return "The download gave a page in place of the picture: download it again."
    if "archive" in kind:
        return "Unpack it and name the pictures in it, or remove the row."
    if "video" in kind:
        return "Save its frames as pictures, or remove the row."
    if kind in SUFFIXES:  # a known format that this Pillow cannot read
        return f"Install a Pillow that reads it (pip install -U pillow), or {_CONVERT[0].lower()}{_CONVERT[1:]}"
    return _CONVERT


_CONVERT = "Convert it to PNG or JPEG, or remove the row."


def suffix_differs(name: str, data: bytes) -> str | None:
    """The format of a picture's content, where the suffix of its name stands for another one; otherwise None.

    Example:
        >>> suffix_differs("a.jpg", b"GIF89a..."), suffix_differs("a.gif", b"GIF89a...")
        ('GIF', None)
    """
    kind = true_format(data)
    suffix = picture_suffix(name)
    if kind not in SUFFIXES or suffix not in PICTURE_SUFFIXES or suffix in SUFFIXES[kind]:
        return None
    alike: Sequence[set[str]] = ({"JPEG", "MPO"}, {"BMP", "DIB"})
    same = next((names for names in alike if kind in names), {kind})
    return None if any(suffix in SUFFIXES[name] for name in same) else kind


def read_bytes(root: Path, reference: str) -> bytes:
    """The bytes that determine a picture, for hashing: the file's or, of the world, the reference and its version.

    Raises:
        DataError: no such file or zip member, or it cannot be read.
    """
    if reference.startswith(WORLD_PREFIX):
        from reknow.world import WORLD_VERSION

        return f"{reference}\n{WORLD_VERSION}".encode()
    path = locate(root, reference)
    try:
        with open_regular(path) as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return read_member(path)
    except PermissionError as error:
        raise DataError(path, found="no permission to read it", remedy=f"Run: chmod u+r '{path}'") from error
    except IsADirectoryError as error:
        raise DataError(
            path, found="a folder", expected="a picture file", remedy="Name one picture in each row."
        ) from error
    except (OSError, ValueError) as error:  # a disk's fault; a name too long or with a null character
        raise DataError(path, found=f"it cannot be read ({error})", remedy="Check the path and the disk.") from error


def locate(root: Path, reference: str) -> Path:
    """The path that a reference names: itself where absolute, otherwise below `root`."""
    return Path(root) / reference


class _Archive:
    """An open zip file. It has a lock because ZipFile does not promise to be safe with several threads."""

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
