"""Pictures of matched clusters, one group a row: by which a person judges the matching."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Int, UInt8

from reknow.methods.diagnostic import Diagnostic
from reknow.methods.training_set import TrainingSet
from reknow.observation import Spectrum

GROUPS = 12
PICTURES = 5
GAP = 4
BETWEEN = 16
WHITE = 255


def matched_pictures(
    training_set: TrainingSet,
    groups: Int[np.ndarray, "rows"],
    rows: Mapping[Spectrum, Int[np.ndarray, "_"]],
) -> Sequence[Diagnostic]:
    """A picture with up to 12 groups that hold clusters of several spectra, those with most pictures first.

    Args:
        training_set: N rows.
        groups: (N,) matched group of each row, -1 for none.
        rows: the rows of each spectrum.

    Returns:
        One diagnostic, or none where nothing is matched.
    """
    members = {spectrum: groups[of_it] for spectrum, of_it in rows.items()}
    numbers, counts = np.unique(groups[groups >= 0], return_counts=True)
    several = np.array([sum((of_it == number).any() for of_it in members.values()) > 1 for number in numbers], bool)
    if not several.any():
        return ()
    largest = numbers[several][np.argsort(-counts[several], kind="stable")]
    # Evenly from the largest to the smallest: the largest alone are where clusters are merged wrongly.
    shown = largest[np.unique(np.linspace(0, len(largest) - 1, min(GROUPS, len(largest))).round().astype(int))]
    strips = [
        np.concatenate(
            [
                part
                for spectrum, of_it in rows.items()
                for part in _strip(training_set, of_it[members[spectrum] == number], spectrum)
            ][:-1],
            axis=1,
        )
        for number in shown
    ]
    gap = np.full((GAP, strips[0].shape[1], 3), WHITE, np.uint8)
    picture = np.concatenate([part for strip in strips for part in (strip, gap)][:-1])
    names = ", ".join(rows)
    return (
        Diagnostic(
            title="Matched clusters",
            caption=f"{len(shown)} of {len(largest)} groups of clusters that were matched in the last epoch, from the "
            f"one with most pictures to the one with least; from left to right up to {PICTURES} pictures each of "
            f"{names}. A row that shows different individuals is a wrong match, or a cluster of several.",
            picture=picture,
        ),
    )


def _strip(
    training_set: TrainingSet, rows: Int[np.ndarray, "_"], spectrum: Spectrum
) -> list[UInt8[np.ndarray, "height width 3"]]:
    """Up to five pictures side by side, blank where there are fewer, and a gap behind."""
    chosen = rows[np.unique(np.linspace(0, len(rows) - 1, min(PICTURES, len(rows))).round().astype(int))]
    pictures = training_set.pixels(chosen, spectrum)
    height, width = pictures.shape[1:3]
    blank = np.full((height, width, 3), WHITE, np.uint8)
    gap, between = np.full((height, GAP, 3), WHITE, np.uint8), np.full((height, BETWEEN, 3), WHITE, np.uint8)
    places = [*pictures, *[blank] * (PICTURES - len(pictures))]
    return [np.concatenate([part for place in places for part in (place, gap)], axis=1), between]
