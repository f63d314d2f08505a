"""Faults of deep pictures: numbers that mean nothing without levels, and levels that leave them flat.

The doctor measures levels that fit: over all deep pictures of a spectrum, the values below and above which lie 0.1 % of
the pixels. Single hot or dead pixels do not count then, and the same values hold for every picture.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from reknow.data.doctor.findings import Finding, Rows
from reknow.data.levels import Levels, written
from reknow.data.manifest import Manifest
from reknow.data.pictures import needs_levels
from reknow.observation import Spectrum

# A 12-bit camera in a 16-bit file fills 17 of the 256 levels that are left: 4,095 / 257 is 16.
FEW_LEVELS = 17

OUTSIDE = 0.1  # percent of the pixels that may lie below black, and as many above white
SAMPLE = 1000  # values that are kept of a picture: 8 MB for 1,000 pictures, and 0.1 % of them are a value each


@dataclass(frozen=True)
class Depth:
    """What the check of one deep picture measured.

    Attributes:
        spectrum: which of the row's pictures it is.
        reference: its file.
        bits: of one value.
        sample: some of its values, sorted.
        gray_levels: how many of 256 its pixels span; 0 where its numbers mean nothing without levels.
    """

    spectrum: Spectrum
    reference: str
    bits: int
    sample: np.ndarray
    gray_levels: int


def depth_of(
    spectrum: Spectrum, reference: str, values: np.ndarray, pixels: np.ndarray, levels: Levels | None
) -> Depth:
    """The measures of a deep picture, from its numbers (height, width) and the pixels that were made of them."""
    finite = np.sort(values[np.isfinite(values)], axis=None)
    places = np.linspace(0, max(len(finite) - 1, 0), min(SAMPLE, len(finite))).round().astype(int)
    lost = levels is None and needs_levels(values)
    # Not from the darkest to the brightest: one dead and one hot pixel would hide that all others are of one gray.
    low, high = np.percentile(pixels, (OUTSIDE, 100 - OUTSIDE))
    span = 0 if lost else int(high) - int(low) + 1
    return Depth(spectrum, reference, 8 * values.itemsize, finite[places].astype(np.float64), span)


def depth_findings(manifest: Manifest, rows: Rows, deep: Sequence[tuple[int, Depth]]) -> Iterator[Finding]:
    """One finding for all pictures that are refused without levels, and one for all that are left flat."""
    samples: dict[Spectrum, list[np.ndarray]] = defaultdict(list)
    for _, depth in deep:
        samples[depth.spectrum].append(depth.sample)
    lost = [(row, depth) for row, depth in deep if depth.gray_levels == 0]
    flat = [(row, depth) for row, depth in deep if 0 < depth.gray_levels <= FEW_LEVELS]
    measured = {spectrum: levels for spectrum, some in samples.items() if (levels := _measured(some)) is not None}
    spread: dict[Spectrum, Levels] = {
        depth.spectrum: measured[depth.spectrum]
        for _, depth in (*lost, *flat)
        if _helps(measured.get(depth.spectrum), depth)
    }
    remedy = _remedy(manifest, spread)
    if lost:
        row, first = lost[0]
        span = f"from {first.sample[0]:.6g} to {first.sample[-1]:.6g}" if first.sample.size else "without a number"
        message = (
            f"{len(lost):,} pictures are refused, as their numbers are floating-point or beyond 16 bits: "
            f"{first.spectrum} picture {first.reference} has {first.bits} bits, {span}"
        )
        yield rows.finding("contrast", "error", row, message, remedy)
    if flat:
        row, first = flat[0]
        levels = manifest.levels.get(first.spectrum)
        rule = f"spread over {levels}" if levels else "divided by 257"
        message = (
            f"{len(flat):,} {first.bits}-bit pictures keep little contrast when {rule}: "
            f"{first.spectrum} picture {first.reference} spans {first.gray_levels} of 256"
        )
        yield rows.finding("contrast", "warning", row, message, remedy)


def _measured(samples: Sequence[np.ndarray]) -> Levels | None:
    """Levels that nearly all values of a spectrum lie between; None where all are one."""
    values = np.concatenate(samples)
    if not values.size:
        return None
    black, white = np.percentile(values, (OUTSIDE, 100 - OUTSIDE))
    whole = bool((values == np.rint(values)).all())
    black, white = (np.floor(black), np.ceil(white)) if whole else (float(f"{black:.6g}"), float(f"{white:.6g}"))
    return Levels(float(black), float(white)) if black < white else None


def _helps(levels: Levels | None, depth: Depth) -> bool:
    """Whether these levels would give a picture :data:`FEW_LEVELS` grays or more."""
    if levels is None or not depth.sample.size:
        return False
    low, high = levels.gray(depth.sample[[0, -1]][None])[0].tolist()
    return high - low >= FEW_LEVELS


def _remedy(manifest: Manifest, spread: Mapping[Spectrum, Levels]) -> str:
    """The option to read the data set with, where other levels would spread the pictures."""
    if not spread:
        return "View these pictures: each is nearly of one gray, and no levels that suit all would spread it."
    alone = len(manifest.spectra) == 1
    option = f"levels={next(iter(spread.values())) if alone else written({**manifest.levels, **spread})}"
    return (
        f"Read the data set with the levels that were measured, folder:PATH?{option} or table:FILE?{option}: "
        "that subtracts the darkest value and spreads the others over all grays, alike in all pictures."
    )
