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
from reknow.data.pictures import WORLD_PREFIX, Box, decode, locate, parse_boxes, read_bytes, read_picture
from reknow.errors import DataError

# Below this a picture cannot show what tells individuals apart; the smallest crop of Market-1501 is 64 x 128.
SMALLEST_SIDE = 8
# Crops of people are 1:2 to 1:4, three panels side by side 3:1; beyond 8:1 a box was drawn wrongly.
LARGEST_ASPECT = 8.0

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
    """What one picture showed: findings, and a digest of its pixels where it has any."""

    item: _Item
    digest: bytes | None
    findings: tuple[Finding, ...] = ()


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
    yield from _duplicates(rows, looks)


def _look(root: Path, rows: Rows, item: _Item) -> _Look:
    """Decode one picture and judge its size and box."""

    def finding(kind: Kind, severity: Severity, message: str, remedy: str) -> Finding:
        return rows.finding(kind, severity, item.row, f"{item.spectrum} picture {item.reference}: {message}", remedy)

    kind: Kind = "file"
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
    return _Look(item, digest.digest(), tuple(findings))


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
    """A query that is also in the gallery, as the same identity and camera, is never ranked against itself."""
    return (
        {rows.split[row], rows.split[other]} == set(TEST)
        and rows.identity[row] is not None
        and rows.identity[row] == rows.identity[other]
        and rows.camera[row] is not None
        and rows.camera[row] == rows.camera[other]
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
