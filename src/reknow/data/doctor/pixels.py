"""What is wrong with the pictures themselves: files, boxes, sizes, and pictures that stand twice.

Every picture is decoded once, in threads (Pillow decodes outside Python's lock). Duplicates are found by a hash of
the pixels within the box, so also where a picture was saved again under another name or with another header.
"""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from reknow.data.doctor.findings import TEST, Finding, Kind, Rows, Severity
from reknow.data.manifest import Manifest, Spectrum
from reknow.data.pictures import WORLD_PREFIX, Box, decode, is_deep, locate, parse_boxes, read_bytes, read_picture
from reknow.errors import DataError

# Below this a picture cannot show what tells individuals apart; the smallest crop of Market-1501 is 64 x 128.
SMALLEST_SIDE = 8
# Crops of people are 1:2 to 1:4, three panels side by side 3:1; beyond 8:1 a box was drawn wrongly.
LARGEST_ASPECT = 8.0
# A 12-bit camera in a 16-bit file fills 17 of the 256 levels that are left: 4,095 / 257 is 16.
FEW_LEVELS = 17

_BLOCK = 64  # pictures per task: large enough that scheduling costs nothing, small enough for a smooth bar


@dataclass(frozen=True)
class _Item:
    """One picture to look at."""

    row: int
    spectrum: Spectrum
    reference: str
    box: Box | None


@dataclass(frozen=True)
class _Look:
    """What one picture showed: findings, and of its pixels where it has any a digest, the size and gray levels."""

    item: _Item
    digest: bytes | None
    findings: tuple[Finding, ...] = ()
    size: tuple[int, int] | None = None  # width, height
    flat_levels: int | None = None  # how many of 256 a 16-bit picture spans, where they are too few


def picture_findings(manifest: Manifest, rows: Rows, progress: Callable[[int, int], None] | None) -> Iterator[Finding]:
    """Every finding about pictures; `progress` is called with (pictures done, pictures in all)."""
    items: list[_Item] = []
    references: dict[Spectrum, list[str | None]] = {name: manifest.column(name) for name in manifest.spectra}
    for row, crop in enumerate(manifest.column("crop")):
        there: list[Spectrum] = [spectrum for spectrum, column in references.items() if column[row]]
        try:
            boxes = parse_boxes(crop, there, "crop")
        except DataError as error:
            yield rows.finding("box", "error", row, f"column 'crop': {error.found}", error.remedy)
            continue
        items += [_Item(row, spectrum, str(references[spectrum][row]), boxes[spectrum]) for spectrum in there]

    def look_at(block: Sequence[_Item]) -> list[_Look]:
        return [_look(manifest.root, rows, item) for item in block]

    looks: list[_Look] = []
    pool = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="doctor")
    try:
        for block in pool.map(look_at, [items[start : start + _BLOCK] for start in range(0, len(items), _BLOCK)]):
            looks += block
            if progress is not None:
                progress(len(looks), len(items))
    finally:
        pool.shutdown(cancel_futures=True)
    for look in looks:
        yield from look.findings
    yield from _unlike_sizes(rows, looks)
    yield from _flat_pictures(rows, looks)
    yield from _duplicates(rows, looks)


def _look(root: Path, rows: Rows, item: _Item) -> _Look:
    """Decode one picture and judge its size and box."""

    def finding(kind: Kind, severity: Severity, message: str, remedy: str) -> Finding:
        return rows.finding(kind, severity, item.row, f"{item.spectrum} picture {item.reference}: {message}", remedy)

    kind: Kind = "file"
    data: bytes | None = None
    try:
        if item.reference.startswith(WORLD_PREFIX):
            pixels = read_picture(root, item.reference)
        else:
            data = read_bytes(root, item.reference)
            kind = "picture"
            pixels = decode(data, locate(root, item.reference))
    except DataError as error:
        expected = f"; expected {error.expected}" if error.expected else ""
        return _Look(item, None, (finding(kind, "error", error.found + expected, error.remedy),))
    findings = []
    if item.box is not None:
        (height, width), (left, top, right, bottom) = pixels.shape[:2], item.box
        pixels = pixels[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
        drawn = f"the box {left} {top} {right} {bottom} on a picture of {width} x {height}"
        if not pixels.size:
            remedy = "Correct the row's column 'crop' (left top right bottom), or empty it."
            return _Look(item, None, (finding("box", "error", f"{drawn} holds no pixel", remedy),))
        if left < 0 or top < 0 or right > width or bottom > height:
            remedy = "What lies outside is cut off; check that the boxes belong to these pictures."
            findings.append(finding("box", "warning", f"{drawn} reaches outside", remedy))
    height, width = pixels.shape[:2]
    if min(height, width) < SMALLEST_SIDE or max(height, width) > LARGEST_ASPECT * min(height, width):
        remedy = "Remove the row, or crop the picture to one object."
        findings.append(finding("size", "warning", f"an odd size for one object, {width} x {height} pixels", remedy))
    digest = hashlib.blake2b(f"{item.spectrum} {pixels.shape}".encode(), digest_size=16)
    digest.update(pixels.tobytes())
    levels = int(pixels.max()) - int(pixels.min()) + 1
    flat = levels <= FEW_LEVELS and data is not None and is_deep(data, item.reference)
    return _Look(item, digest.digest(), tuple(findings), (width, height), levels if flat else None)


def _unlike_sizes(rows: Rows, looks: Sequence[_Look]) -> Iterator[Finding]:
    """One finding for all observations whose spectra differ in size, which names the first."""
    sizes: dict[int, dict[Spectrum, tuple[int, int]]] = defaultdict(dict)
    for look in looks:
        if look.size is not None:
            sizes[look.item.row][look.item.spectrum] = look.size
    unlike = [row for row, of_row in sizes.items() if len(set(of_row.values())) > 1]
    if unlike:
        first = ", ".join(f"{spectrum} {width} x {height}" for spectrum, (width, height) in sizes[unlike[0]].items())
        message = f"{len(unlike):,} observations have spectra of different sizes, here {first}"
        remedy = "Each is resized to the network's input; check that they show the same part of the scene."
        yield rows.finding("aligned_size", "warning", unlike[0], message, remedy)


def _flat_pictures(rows: Rows, looks: Sequence[_Look]) -> Iterator[Finding]:
    """One finding for all 16-bit pictures of which the fixed scaling leaves next to nothing."""
    flat = [look for look in looks if look.flat_levels is not None]
    if flat:
        first = f"{flat[0].item.spectrum} picture {flat[0].item.reference} spans {flat[0].flat_levels} of 256"
        message = f"{len(flat):,} 16-bit pictures keep few gray levels when divided by 257: {first}"
        remedy = "Multiply all pictures of this spectrum by one number, so that the brightest comes near 65,535."
        yield rows.finding("contrast", "warning", flat[0].item.row, message, remedy)


def _duplicates(rows: Rows, looks: Sequence[_Look]) -> Iterator[Finding]:
    """One finding per row that repeats an earlier one, or that repeats a training row in the test."""
    same: dict[bytes, list[int]] = defaultdict(list)
    for look in looks:
        if look.digest is not None:
            same[look.digest].append(look.item.row)
    told: set[tuple[int, int]] = set()  # aligned spectra repeat together; one finding is enough
    for members in same.values():
        train = [row for row in members if rows.split[row] == "train"]
        test = [row for row in members if rows.split[row] in TEST]
        for row in members:
            leaks = bool(train) and row in test
            other = train[0] if leaks else members[0]
            if row == other or (row, other) in told or _removed_by_protocol(rows, row, other):
                continue
            told.add((row, other))
            yield _duplicate(rows, row, other, leaks=leaks)


def _removed_by_protocol(rows: Rows, row: int, other: int) -> bool:
    """A query that is also in the gallery, as the same identity and camera (or scene), never meets itself there."""
    return (
        {rows.split[row], rows.split[other]} == set(TEST)
        and rows.identity[row] is not None
        and rows.identity[row] == rows.identity[other]
        and rows.group[row] is not None
        and rows.group[row] == rows.group[other]
    )


def _duplicate(rows: Rows, row: int, other: int, *, leaks: bool) -> Finding:
    message = f"the same picture as row {other} ({rows.observation[other]})"
    first, second = rows.identity[other], rows.identity[row]
    if first is not None and second is not None and first != second:
        message += f", but identity '{second}' here and '{first}' there"
        remedy = "Find out which is right and remove the other row."
    elif leaks:
        message += f", which is in train while this is in {rows.split[row]}"
        remedy = "Remove one of them: a picture that was trained on cannot test anything."
    else:
        return rows.finding("duplicate", "warning", row, message, "Remove one of them.")
    return rows.finding("leakage" if leaks else "duplicate", "error", row, message, remedy)
