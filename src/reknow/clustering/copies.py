"""Copies: rows that are equal but for rounding, such as one file under two names or the still frames of a video.

Neighbor lists hold a fixed number of rows. A row with more copies than that lists nothing else, which of its copies it
lists is left to the search, and the copies fall into groups by chance (512 identical rows made two); besides, all
their pairs are near, so that a sparse graph becomes dense. So clustering looks at one row of each, with a weight.

Two rows are copies if |x - y| <= 1e-5. A network in float32 gives one picture vectors that differ by about 1e-6 where
it stands in batches of different sizes; pictures that differ in anything that can be seen are a thousand times farther.

The search is exact and takes O(N D + N log N): a projection on one direction never lengthens a difference, so a row's
copies lie within 1e-5 of it there, which among a million rows of 768 numbers leaves about a hundred to compare.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Int, Int64

from reknow.compiled import compiled

TOLERANCE = 1e-5


def first_copies(unit: Float32[np.ndarray, "rows dim"]) -> Int64[np.ndarray, "rows"]:
    """For every row the row that stands for it: itself, or the one that it is a copy of.

    Args:
        unit: (N, D) rows of length 1.

    Returns:
        (N,) row numbers: of each set of copies, the first. It stands for itself.

    Example:
        >>> first_copies(np.eye(3, dtype=np.float32)[[0, 1, 0, 2, 1]]).tolist()
        [0, 1, 0, 3, 1]
    """
    if len(unit) < 2:
        return np.arange(len(unit))
    direction = np.random.default_rng(0).standard_normal(unit.shape[1])
    # In float32 the projection of a unit row is off by some 1e-7, far less than the tolerance.
    place = unit @ (direction / np.linalg.norm(direction)).astype(np.float32)
    leader = _leaders(unit, place, np.argsort(place), np.float32(TOLERANCE))
    earliest = np.full(len(unit), len(unit))
    np.minimum.at(earliest, leader, np.arange(len(unit)))
    return earliest[leader]


def with_copies(
    lists: Int[np.ndarray, "rows neighbors"], weights: Int[np.ndarray, "rows"]
) -> Int[np.ndarray, "rows neighbors"]:
    """The lists as they would be with copies in them: each entry as often as its row counts, no longer than before.

    Args:
        lists: (N, k) every row's nearest, itself first.
        weights: (N,) how many rows each stands for, itself included.

    Example:
        >>> with_copies(np.array([[0, 1, 2], [1, 2, 0], [2, 1, 0]]), np.array([2, 1, 1])).tolist()
        [[0, 0, 1], [1, 2, 0], [2, 1, 0]]
    """
    until = np.cumsum(weights[lists], axis=1)
    entry = np.zeros(lists.shape, np.int64)
    for place in range(lists.shape[1] - 1):
        entry += until[:, place : place + 1] <= np.arange(lists.shape[1])
    return np.take_along_axis(lists, entry, 1)


@compiled(nogil=True)
def _leaders(unit: np.ndarray, place: np.ndarray, order: np.ndarray, tolerance: np.float32) -> np.ndarray:
    """For every row the one of its copies whose projection is smallest."""
    total, dim = unit.shape
    leader = np.full(total, -1, np.int64)
    for position in range(total):
        row = order[position]
        if leader[row] >= 0:
            continue  # a copy stands for nobody: of N equal rows one looks at the others, not all at all
        leader[row] = row
        # A little farther than the tolerance, for what rounding did to the projections.
        for later in range(position + 1, total):
            other = order[later]
            if place[other] - place[row] > 2 * tolerance:
                break
            if leader[other] >= 0:
                continue
            square = np.float32(0)
            for index in range(dim):
                difference = unit[row, index] - unit[other, index]
                square += difference * difference
                if square > tolerance * tolerance:
                    break
            if square <= tolerance * tolerance:
                leader[other] = row
    return leader
