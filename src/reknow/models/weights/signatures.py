"""The kind of a file, from its first bytes and never from its name: a file of weights, or something else.

Common wrong downloads are a page of the web site, the pointer of a Git repository, a truncated file and an export for
another program. The error names each of them.
"""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path
from typing import Literal

from reknow.errors import WeightsError

Container = Literal["torch", "safetensors"]

REMEDY = "Name a .pth or .safetensors file that holds a state dict."

_AGAIN = "Download it again."
_EXPORT = "Name the network's own weights: a .pth or .safetensors file."
_UNPACK = "Unpack it and name the file of weights inside."
_STATE_DICT = "In the program that made it, save the network's state_dict() with torch.save."

_SCRIPTED = (
    "Convert it, if you trust its source, since this runs it: "
    """python -c "import torch; torch.save(torch.jit.load('{0}', 'cpu').state_dict(), '{0}.pth')\""""
)
"""OpenAI's own files of CLIP are such archives."""

_BEGINNINGS: tuple[tuple[bytes, str, str], ...] = (
    (b"version https://git-lfs", "a pointer of Git LFS, not the file itself", "Run: git lfs pull. Or " + _AGAIN),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file (Keras, TensorFlow)", _EXPORT),
    (b"\x93NUMPY", "a numpy array", _EXPORT),
    (b"GGUF", "a GGUF file", _EXPORT),
    (b"MATLAB", "a MATLAB file", _EXPORT),
    (b"\x1f\x8b", "a file compressed by gzip", _UNPACK),
    (b"7z\xbc\xaf", "a 7z archive", _UNPACK),
    (b"Rar!", "a RAR archive", _UNPACK),
    (b"BZh", "a file compressed by bzip2", _UNPACK),
    (b"\xfd7zXZ", "a file compressed by xz", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "a file compressed by zstd", _UNPACK),
    (b"\xff\xd8\xff", "a JPEG picture", REMEDY),
    (b"\x89PNG", "a PNG picture", REMEDY),
    (b"%PDF", "a PDF document", REMEDY),
)

_OLD_TORCH = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""The first bytes of torch.save until version 1.6: a number of ten bytes, pickled."""


def container_of(path: Path) -> Container:
    """The container in which a file holds weights.

    Raises:
        WeightsError: it holds none; the message says what the file is.
        OSError: it cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(512)
    if not start:
        raise WeightsError(path, found="an empty file", remedy=_AGAIN)
    if start.startswith(b"PK"):
        return _of_zip(path)
    if start.startswith(_OLD_TORCH):
        return "torch"
    header = int.from_bytes(start[:8], "little")
    if start[8:9] == b"{" and 0 < header < 100_000_000:
        if header + 8 > size:
            raise _cut_short(path, "a safetensors file")
        return "safetensors"
    kind, remedy = _other(path, start)
    raise WeightsError(path, found=kind, remedy=remedy)


def _of_zip(path: Path) -> Container:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile as error:
        raise _cut_short(path, "a zip archive, as torch.save writes") from error
    inside = {name.rpartition("/")[2] for name in names}
    if "constants.pkl" in inside:
        raise WeightsError(path, found="a TorchScript archive, which is a program", remedy=_SCRIPTED.format(path))
    if "data.pkl" in inside:
        return "torch"
    if "model.weights.h5" in inside:
        raise WeightsError(path, found="a Keras model", remedy=_EXPORT)
    if names and all(name.endswith(".npy") for name in names):
        raise WeightsError(path, found="numpy arrays (.npz)", remedy=_EXPORT)
    listing = ", ".join(names[:3]) or "nothing"
    raise WeightsError(path, found=f"a zip archive that torch.save did not write ({listing})", remedy=_UNPACK)


def _cut_short(path: Path, kind: str) -> WeightsError:
    return WeightsError(path, found=f"{kind}, cut short: its end is missing", remedy=_AGAIN)


def _other(path: Path, start: bytes) -> tuple[str, str]:
    """The kind of a file without weights, and what to do."""
    for beginning, kind, remedy in _BEGINNINGS:
        if start.startswith(beginning):
            return kind, remedy
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<?xml", b"<!--")):
        return "a web page, not the file", f"{_AGAIN} The site may ask for a login or a confirmation first."
    if start[4:8] == b"TFL3":
        return "a TensorFlow Lite model", _EXPORT
    if start[:1] == b"\x08" and start[2:3] in (b"\x12", b"\x1a", b"\x22", b"\x3a"):
        return "an ONNX model", _EXPORT
    if start[257:262] == b"ustar":
        return _of_tar(path)
    if start[:1] == b"\x80" and start[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return "a pickle that torch.save did not write, or not to its end", _STATE_DICT
    if b"\x00" not in start and start.isascii():
        return f"text ({' '.join(start[:40].decode('ascii').split())} ...)", REMEDY
    return "no file of weights", f"{REMEDY} TensorFlow, Caffe and other programs have formats of their own."


def _of_tar(path: Path) -> tuple[str, str]:
    try:
        with tarfile.open(path) as archive:
            names = archive.getnames()
    except (tarfile.TarError, EOFError):
        return "a tar archive, cut short", _AGAIN
    if {"storages", "tensors", "pickle"} <= set(names):
        return "weights in torch's format of before version 0.1.10 (a tar archive)", (
            "Load it with torch and save its state_dict() again with torch.save."
        )
    return f"a tar archive ({', '.join(names[:3])})", _UNPACK
