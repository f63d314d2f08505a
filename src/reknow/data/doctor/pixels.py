"""Faults of the pictures themselves: files, boxes, sizes, and pictures that stand twice.

Every picture is decoded once, for all of its crops, in threads (Pillow decodes outside Python's lock). Duplicates are
found by a hash of the pixels within the box, so also where a picture was saved again under another name or with
another header.
"""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from reknow.data.doctor.depth import Depth, depth_findings, depth_of
from reknow.data.doctor.findings import TEST, Finding, Kind, Rows, Severity
from reknow.data.levels import Levels
from reknow.data.manifest import Manifest
from reknow.data.picture_files import WORLD_PREFIX, locate, read_bytes, suffix_differs
from reknow.data.pictures import (
    Box,
    by_frame,
    deep_values,
    needs_levels,
    open_bytes,
    parse_boxes,
    read_picture,
    rgb_pixels,
)
from reknow.errors import DataError
from reknow.observation import Spectrum

# A smaller picture cannot show what distinguishes individuals; the smallest crop of Market-1501 is 64 x 128.
SMALLEST_SIDE = 8
# Crops of people are 1:2 to 1:4, three panels side by side 3:1; beyond 8:1 a box was drawn wrongly.
LARGEST_ASPECT = 8.0

_BLOCK = 64  # pictures per task: large enough that scheduling costs nothing, small enough for a smooth bar


@dataclass(frozen=True)
class _Item:
    """One picture to check."""

    row: int
    spectrum: Spectrum
    reference: str
    box: Box | None


@dataclass(frozen=True)
class _File:
    """What a file holds: pixels, or why there are none."""

    pixels: np.ndarray | None  # (height, width, 3) uint8; where levels are needed and not there, the numbers themselves
    deep: np.ndarray | None = None  # (height, width), the numbers of a deep picture
    format: str | None = None  # where the suffix stands for another
    error: tuple[Kind, DataError] | None = None


@dataclass(frozen=True)
class _Check:
    """The check of one picture: findings, and of its pixels, where it has any, a digest, the size and the depth."""

    item: _Item
    digest: bytes | None
    findings: tuple[Finding, ...] = ()
    size: tuple[int, int] | None = None  # width, height
    depth: Depth | None = None
    format: str | None = None


def picture_findings(manifest: Manifest, rows: Rows, progress: Callable[[int, int], None] | None) -> Iterator[Finding]:
    """Every finding about pictures; `progress` is called with (pictures done, pictures in all)."""
    items: list[_Item] = []
    references: dict[Spectrum, list[str | None]] = {name: manifest.column(name) for name in manifest.spectra}
    for row, crop in enumerate(manifest.column("crop")):
        present: list[Spectrum] = [spectrum for spectrum, column in references.items() if column[row]]
        try:
            boxes = parse_boxes(crop, present, "crop")
        except DataError as error:
            yield rows.finding("box", "error", row, f"column 'crop': {error.found}", error.remedy)
            continue
        items += [_Item(row, spectrum, str(references[spectrum][row]), boxes[spectrum]) for spectrum in present]

    checks = _checks(manifest, rows, items, progress)
    for check in checks:
        yield from check.findings
    yield from _unlike_sizes(rows, checks)
    yield from depth_findings(manifest, rows, [(check.item.row, check.depth) for check in checks if check.depth])
    yield from _other_formats(rows, checks)
    yield from _duplicates(rows, checks)


def _checks(
    manifest: Manifest, rows: Rows, items: Sequence[_Item], progress: Callable[[int, int], None] | None
) -> list[_Check]:
    """The check of each picture, in order of `items`; those of one file are checked together."""

    def check_portion(portion: Sequence[int]) -> list[tuple[int, _Check]]:
        done: list[tuple[int, _Check]] = []
        before: tuple[str, Levels | None] | None = None
        file = _File(None)
        for number in portion:
            item = items[number]
            levels = manifest.levels.get(item.spectrum)
            if (item.reference, levels) != before:
                before, file = (item.reference, levels), _read(manifest, item, levels)
            done.append((number, _check(rows, item, file, levels)))
        return done

    checks: dict[int, _Check] = {}
    pool = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="doctor")
    try:
        for done in pool.map(check_portion, by_frame([item.reference for item in items], _BLOCK)):
            checks |= done
            if progress is not None:
                progress(len(checks), len(items))
    finally:
        pool.shutdown(cancel_futures=True)
    return [checks[number] for number in range(len(items))]


def _read(manifest: Manifest, item: _Item, levels: Levels | None) -> _File:
    """Read and decode one file."""
    kind: Kind = "file"
    try:
        if item.reference.startswith(WORLD_PREFIX):
            return _File(read_picture(manifest.root, item.reference))
        data = read_bytes(manifest.root, item.reference)
        kind, where = "picture", locate(manifest.root, item.reference)
        image = open_bytes(data, where)
        deep = deep_values(image, where)
        lost = deep is not None and levels is None and needs_levels(deep)
        pixels = deep if lost else rgb_pixels(image, where, levels)
        return _File(pixels, deep, suffix_differs(item.reference, data))
    except DataError as error:
        return _File(None, error=(kind, error))


def _check(rows: Rows, item: _Item, file: _File, levels: Levels | None) -> _Check:
    """Check the size and box of one picture of a file."""

    def finding(kind: Kind, severity: Severity, message: str, remedy: str) -> Finding:
        return rows.finding(kind, severity, item.row, f"{item.spectrum} picture {item.reference}: {message}", remedy)

    if file.error is not None or file.pixels is None:
        kind, error = file.error or ("picture", DataError(item.reference, found="no pixels", remedy="Remove the row."))
        expected = f"; expected {error.expected}" if error.expected else ""
        return _Check(item, None, (finding(kind, "error", error.found + expected, error.remedy),))
    pixels, deep = file.pixels, file.deep
    findings = []
    if item.box is not None:
        (height, width), (left, top, right, bottom) = pixels.shape[:2], item.box
        inside = (slice(max(top, 0), max(bottom, 0)), slice(max(left, 0), max(right, 0)))
        pixels, deep = pixels[inside], None if deep is None else deep[inside]
        drawn = f"the box {left} {top} {right} {bottom} on a picture of {width} x {height}"
        if not pixels.size:
            remedy = "Correct the row's column 'crop' (left top right bottom), or empty it."
            return _Check(item, None, (finding("box", "error", f"{drawn} holds no pixel", remedy),))
        if left < 0 or top < 0 or right > width or bottom > height:
            remedy = "What lies outside is cut off; check that the boxes belong to these pictures."
            findings.append(finding("box", "warning", f"{drawn} reaches outside", remedy))
    height, width = pixels.shape[:2]
    if min(height, width) < SMALLEST_SIDE or max(height, width) > LARGEST_ASPECT * min(height, width):
        remedy = "Remove the row, or crop the picture to one object."
        findings.append(finding("size", "warning", f"an odd size for one object, {width} x {height} pixels", remedy))
    digest = hashlib.blake2b(f"{item.spectrum} {pixels.shape}".encode(), digest_size=16)
    digest.update(pixels.tobytes())
    depth = None if deep is None else depth_of(item.spectrum, item.reference, deep, pixels, levels)
    return _Check(item, digest.digest(), tuple(findings), (width, height), depth, file.format)


def _unlike_sizes(rows: Rows, checks: Sequence[_Check]) -> Iterator[Finding]:
    """One finding for all observations whose spectra differ in size, which names the first."""
    sizes: dict[int, dict[Spectrum, tuple[int, int]]] = defaultdict(dict)
    for check in checks:
        if check.size is not None:
            sizes[check.item.row][check.item.spectrum] = check.size
    unlike = [row for row, of_row in sizes.items() if len(set(of_row.values())) > 1]
    if unlike:
        first = ", ".join(f"{spectrum} {width} x {height}" for spectrum, (width, height) in sizes[unlike[0]].items())
        message = f"{len(unlike):,} observations have spectra of different sizes, here {first}"
        remedy = "Each is resized to the network's input; check that they show the same part of the scene."
        yield rows.finding("aligned_size", "warning", unlike[0], message, remedy)


def _other_formats(rows: Rows, checks: Sequence[_Check]) -> Iterator[Finding]:
    """One finding for all files that hold another format than their names say."""
    other = [check for check in checks if check.format is not None]
    if other:
        count = len({check.item.reference for check in other})
        message = f"{count:,} files are of another format than their names say, here {other[0].item.reference}"
        remedy = "Nothing to do here, as files are read by what they hold; other programs may want them renamed."
        yield rows.finding("suffix", "warning", other[0].item.row, f"{message}, which is {other[0].format}", remedy)


def _duplicates(rows: Rows, checks: Sequence[_Check]) -> Iterator[Finding]:
    """One finding per row that repeats an earlier one, or that repeats a training row in the test."""
    same: dict[bytes, list[int]] = defaultdict(list)
    for check in checks:
        if check.digest is not None:
            same[check.digest].append(check.item.row)
    reported: set[tuple[int, int]] = set()  # aligned spectra repeat together; one finding is enough
    for members in same.values():
        train = [row for row in members if rows.split[row] == "train"]
        test = [row for row in members if rows.split[row] in TEST]
        for row in members:
            leaks = bool(train) and row in test
            other = train[0] if leaks else members[0]
            if row == other or (row, other) in reported or _removed_by_protocol(rows, row, other):
                continue
            reported.add((row, other))
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
