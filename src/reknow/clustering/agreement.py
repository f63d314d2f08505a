"""Agreement of two groupings: the adjusted Rand index (Hubert and Arabie, Journal of Classification 1985).

Of all pairs of rows, those that both groupings put together, corrected for chance: 1 where the groupings are equal, 0
where they agree as two random ones of these sizes would. A row in no group is a group of its own, since nothing is
claimed about it. (Taken for one group, a thousand outliers would be a claim that a thousand pictures show one
individual.)

Counting the occupied cells of the table is O(N log N); the table itself, clusters x clusters, is never made.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Int


def adjusted_rand_index(first: Int[np.ndarray, "rows"], second: Int[np.ndarray, "rows"]) -> float | None:
    """How far two groupings of the same rows agree.

    Args:
        first: (N,) group of each row, negative = in no group.
        second: the same of another grouping, or the true identities.

    Returns:
        At most 1, about 0 by chance. None where it is undefined: neither grouping puts two rows together, or both put
        all rows together.

    Example:
        >>> print(f"{adjusted_rand_index(np.array([0, 0, 1, 1]), np.array([5, 5, 7, -1])):.3f}")
        0.571
    """
    first, second = _apart(first), _apart(second)
    both = first * (int(second.max(initial=-1)) + 1) + second
    pairs, of_first, of_second = (_pairs(groups) for groups in (both, first, second))
    every = len(first) * (len(first) - 1) / 2
    expected = of_first * of_second / max(every, 1)
    largest = (of_first + of_second) / 2
    return None if largest == expected else (pairs - expected) / (largest - expected)


def _apart(groups: Int[np.ndarray, "rows"]) -> Int[np.ndarray, "rows"]:
    """Groups numbered from 0, and each row in no group a group of its own."""
    known = groups >= 0
    numbered = np.unique(groups[known], return_inverse=True)[1]
    apart = np.empty(len(groups), np.int64)
    apart[known] = numbered
    apart[~known] = numbered.max(initial=-1) + 1 + np.arange((~known).sum())
    return apart


def _pairs(groups: Int[np.ndarray, "rows"]) -> float:
    """How many pairs of rows stand in one group."""
    sizes = np.unique(groups, return_counts=True)[1].astype(np.float64)
    return float((sizes * (sizes - 1)).sum() / 2)
