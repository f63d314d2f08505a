"""Pictures of a manifest, decoded and resized once, kept on disk as plain bytes and memory-mapped.

Decoding a JPEG costs more than a small network's forward pass, so it is done once per data set and size, not once per
epoch. One file per spectrum holds N pictures of (H, W, 3) uint8, row after row, without a header. Its name is a hash
of every picture's bytes, every box, the levels, the size and the interpolation: changed data get another file, and
equal data share one under any name.

Safe under concurrent runs and interruptions: a file is written under a dot-name, with a lock that the system
takes back when its process dies, and renamed when complete. A second process waits, and then reads the complete file.

The folder is that of :mod:`reknow.places`. Everything in it may be deleted.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from io import FileIO
from pathlib import Path
from typing import TypeVar

import numpy as np
from jaxtyping import Bool, Int64, UInt8

from reknow.data.manifest import Manifest
from reknow.data.picture_files import read_bytes
from reknow.data.pictures import Box, by_frame, cut, parse_boxes, read_picture
from reknow.data.transforms import Interpolation, Preprocessing
from reknow.errors import DataError
from reknow.observation import Spectrum
from reknow.places import cache_folder

VERSION = 2  # raise it when pictures are decoded or resized otherwise than before
BLOCK = 64  # pictures per task and write of a thread: 1.5 MB at 128 x 64, small enough for progress

Portion = TypeVar("Portion")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Pictures:
    """The pictures of N observations at one size.

    Attributes:
        images: per spectrum, (N, H, W, 3) uint8, memory-mapped and read-only; zero where the row lacks the spectrum.
        present: per spectrum, (N,): whether the row has it.
    """

    images: Mapping[Spectrum, UInt8[np.ndarray, "rows height width 3"]]
    present: Mapping[Spectrum, Bool[np.ndarray, "rows"]]

    def __len__(self) -> int:
        return len(next(iter(self.present.values())))

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        height, width = next(iter(self.images.values())).shape[1:3]
        return height, width

    def hashes(self) -> Int64[np.ndarray, "rows"]:
        """(N,) a hash of every observation's pixels in all spectra: equal for equal pictures of this size."""
        hashes = np.empty(len(self), np.int64)
        for row in range(len(self)):
            digest = hashlib.blake2b(digest_size=8)
            for spectrum, pixels in self.images.items():
                digest.update(bytes([int(self.present[spectrum][row])]))
                digest.update(pixels[row])
            hashes[row] = int.from_bytes(digest.digest(), "little", signed=True)
        return hashes

    @classmethod
    def from_arrays(
        cls,
        images: Mapping[Spectrum, UInt8[np.ndarray, "rows height width 3"]],
        present: Mapping[Spectrum, Bool[np.ndarray, "rows"]] | None = None,
    ) -> Pictures:
        """Pictures that are in memory already; without `present`, every row has every spectrum."""
        if present is None:
            present = {spectrum: np.ones(len(pixels), dtype=bool) for spectrum, pixels in images.items()}
        return cls(images, present)

    @classmethod
    def open(
        cls,
        manifest: Manifest,
        size: tuple[int, int],
        *,
        interpolation: Interpolation = "bicubic",
        folder: Path | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Pictures:
        """The pictures of a manifest; decoded now, with every core, unless an earlier run left them.

        Args:
            manifest: the rows; each spectrum that any of them has is read.
            size: (height, width) in pixels.
            interpolation: how pictures are resized.
            folder: where the cache lives; by default :func:`reknow.places.cache_folder`.
            progress: called with (pictures done, pictures in all) while decoding; never where every file exists.

        Raises:
            DataError: the manifest has no rows, a picture cannot be read (the message names row and observation), or
                the cache cannot be written (no space, no permission).
        """
        if not len(manifest):
            raise DataError(
                manifest.name, found="no rows", expected="at least one", remedy="Check the data set's path."
            )
        folder = cache_folder() if folder is None else Path(folder)
        resizing = Preprocessing(size=size, interpolation=interpolation)
        boxes = boxes_of(manifest)
        sources = [_Source(manifest, spectrum, boxes, resizing) for spectrum in manifest.spectra]
        files = [(source, folder / source.file_name()) for source in sources]
        absent = [(source, path) for source, path in files if not _is_complete(path, source.bytes_needed)]
        total, done = sum(source.pictures for source, _ in absent), 0
        for source, path in absent:

            def report(count: int, before: int = done) -> None:
                if progress is not None:
                    progress(before + count, total)

            _write_once(path, source.bytes_needed, partial(source.write, report=report))
            done += source.pictures
        shape = (len(manifest), *size, 3)
        return cls(
            {source.spectrum: np.memmap(path, dtype=np.uint8, mode="r", shape=shape) for source, path in files},
            {source.spectrum: source.present for source in sources},
        )


def boxes_of(manifest: Manifest) -> list[dict[Spectrum, Box | None]]:
    """Per row, the box of every spectrum that it has.

    Raises:
        DataError: a cell of the column ``crop`` that holds no boxes; the message names its row.
    """
    columns: dict[Spectrum, list[str | None]] = {spectrum: manifest.column(spectrum) for spectrum in manifest.spectra}
    boxes = []
    for row, crop in enumerate(manifest.column("crop")):
        present: list[Spectrum] = [spectrum for spectrum, references in columns.items() if references[row]]
        boxes.append(parse_boxes(crop, present, f"{manifest.name}, row {row}"))
    return boxes


class _Source:
    """One spectrum of a manifest, as bytes to hash and as pixels to write."""

    def __init__(
        self,
        manifest: Manifest,
        spectrum: Spectrum,
        boxes: list[dict[Spectrum, Box | None]],
        resizing: Preprocessing,
    ) -> None:
        self.manifest = manifest
        self.spectrum: Spectrum = spectrum
        self.references: list[str | None] = manifest.column(spectrum)
        self.levels = manifest.levels.get(spectrum)
        self.boxes = [of_row.get(spectrum) for of_row in boxes]
        self.resizing = resizing
        self.present = np.array([reference is not None for reference in self.references], dtype=bool)
        self.pictures = int(self.present.sum())
        self.bytes_per_picture = resizing.size[0] * resizing.size[1] * 3
        self.bytes_needed = len(manifest) * self.bytes_per_picture

    def file_name(self) -> str:
        """The size, for people who list the folder, and a hash of all that determines the pixels."""
        height, width = self.resizing.size
        rules = f"{VERSION} {height} {width} {self.resizing.interpolation} {self.levels or ''}"
        whole = hashlib.blake2b(rules.encode(), digest_size=16)
        contents: dict[str | None, bytes] = {None: bytes(32)}
        for digests in in_threads(self._digests, by_frame(self.references, BLOCK)):
            contents |= digests
        for reference, box in zip(self.references, self.boxes, strict=True):
            whole.update(contents[reference])
            if reference is not None:
                whole.update(hashlib.blake2b(repr(box).encode(), digest_size=16).digest())
        return f"{height}x{width}-{whole.hexdigest()}.pixels"

    def write(self, file: FileIO, report: Callable[[int], None]) -> None:
        """Decode every picture and write it at its place in an open file."""
        done = 0
        # Closed before the file is closed: no thread may write to a descriptor that then belongs to another file.
        with closing(in_threads(partial(self._write_rows, file), by_frame(self.references, BLOCK))) as counts:
            for count in counts:
                done += count
                report(done)

    def _digests(self, rows: Sequence[int]) -> dict[str | None, bytes]:
        """Per picture of these rows a hash of its bytes, each read once."""
        digests: dict[str | None, bytes] = {}
        for row in rows:
            reference = self.references[row]
            if reference is not None and reference not in digests:
                data = self._with_row_in_errors(row, partial(read_bytes, self.manifest.root, reference))
                digests[reference] = hashlib.blake2b(data, digest_size=16).digest()
        return digests

    def _write_rows(self, file: FileIO, rows: Sequence[int]) -> int:
        frame = _Frame()
        for first in range(0, len(rows), BLOCK):
            some = rows[first : first + BLOCK]
            pixels = [self._with_row_in_errors(row, partial(self._pixels, frame, row)) for row in some]
            if some[-1] - some[0] + 1 == len(some) and some == sorted(some):
                _write_at(file, some[0] * self.bytes_per_picture, b"".join(pixels))
            else:
                for row, of_row in zip(some, pixels, strict=True):
                    _write_at(file, row * self.bytes_per_picture, of_row)
        return int(self.present[rows].sum())

    def _pixels(self, frame: _Frame, row: int) -> bytes:
        reference, box = self.references[row], self.boxes[row]
        if reference is None:
            return bytes(self.bytes_per_picture)
        if reference != frame.reference:
            frame.pixels = read_picture(self.manifest.root, reference, levels=self.levels)
            frame.reference = reference
        pixels = frame.pixels if box is None else cut(frame.pixels, box, reference)
        return self.resizing.resize(pixels).tobytes()

    def _with_row_in_errors(self, row: int, work: Callable[[], Result]) -> Result:
        """The result of `work` for a row; an error names the row."""
        try:
            return work()
        except DataError as error:
            observation = self.manifest.table.column("observation")[row].as_py()
            raise DataError(
                f"{self.manifest.name}, row {row} (observation '{observation}'), {self.spectrum}: {error.where}",
                found=error.found,
                expected=error.expected,
                remedy=error.remedy,
            ) from error


@dataclass
class _Frame:
    """The picture that a thread decoded last."""

    reference: str | None = None
    pixels: np.ndarray = field(default_factory=lambda: np.empty((0, 0, 3), np.uint8))


def _write_at(file: FileIO, position: int, pixels: bytes) -> None:
    left = memoryview(pixels)
    while left:  # on a disk that is nearly full a write may stop half-way; the next write raises the reason
        written = os.pwrite(file.fileno(), left, position)
        left, position = left[written:], position + written


def in_threads(work: Callable[[Portion], Result], blocks: Sequence[Portion]) -> Generator[Result, None, None]:
    """Results in order, so that of several bad pictures the first row's error is the one that is raised."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    pool = ThreadPoolExecutor(cores, thread_name_prefix="pictures")
    try:
        yield from pool.map(work, blocks)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _is_complete(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except OSError:
        return False


def _write_once(path: Path, size: int, write: Callable[[FileIO], None]) -> None:
    """Make a file of `size` bytes appear complete or not at all, and only once among concurrent processes."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(path.parent)
        part = path.with_name(f".{path.name}.part")
        while not _is_complete(path, size):
            with os.fdopen(os.open(part, os.O_RDWR | os.O_CREAT, 0o666), "r+b", buffering=0) as file:
                fcntl.flock(file, fcntl.LOCK_EX)  # waits while another process writes the same file
                if _is_linked(file, part) and not _is_complete(path, size):
                    _write_part(file, part, size, write)
                    part.replace(path)
                    return
                if _is_linked(file, part):
                    part.unlink()  # opened anew after another run had finished
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _no_space(path.parent, size) from error
        raise DataError(
            path.parent,
            found=f"the picture cache cannot be written ({error.strerror})",
            expected="a local folder that this user may write to",
            remedy="Set REKNOW_CACHE to such a folder.",
        ) from error


def _write_part(file: FileIO, part: Path, size: int, write: Callable[[FileIO], None]) -> None:
    try:
        file.truncate(0)
        if shutil.disk_usage(part.parent).free < size:  # raised now and not after an hour of decoding
            raise _no_space(part.parent, size)
        file.truncate(size)
        write(file)
        os.fsync(file)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _is_linked(file: FileIO, path: Path) -> bool:
    """Whether an open file still has its name; the previous holder of the lock may have renamed or removed it."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _remove_abandoned(folder: Path) -> None:
    """Remove what interrupted runs left; a file that is being written is locked and stays."""
    for part in folder.glob(".*.pixels.part"):
        try:
            with part.open("r+b", buffering=0) as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _is_linked(file, part):
                    part.unlink()
        except OSError:
            continue  # locked, gone meanwhile, or another user's


def _no_space(folder: Path, size: int) -> DataError:
    free = shutil.disk_usage(folder).free
    return DataError(
        folder,
        found=f"{free:,} bytes are free",
        expected=f"{size:,} bytes for the decoded pictures",
        remedy="Free some space there, or set REKNOW_CACHE to a folder on another disk.",
    )
