"""Which queries a report shows: the best, the typical and the worst, chosen by rule and not by taste."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from reknow.errors import DataError
from reknow.report.content import KINDS, Kind


def choose_queries(average_precision: Float[np.ndarray, "queries"], count: int = 4) -> dict[Kind, list[int]]:
    """The rows of the best, the typical (nearest to the median) and the worst queries; none stands twice.

    Equal values are frequent (many queries reach 1): among those the rows are taken evenly spread, because
    neighboring rows tend to be one identity. With fewer than three times `count` queries each kind gets a third.

    Args:
        average_precision: (Q,) fractions; NaN, a query without a match, is never chosen.
        count: rows per kind.

    Returns:
        rows by kind, the most extreme (or most typical) first.

    Raises:
        DataError: `count` below 1.

    Example:
        >>> choose_queries(np.array([0.9, 0.1, 0.5, np.nan]), count=1)
        {'best': [0], 'typical': [2], 'worst': [1]}
    """
    if count < 1:
        raise DataError("count of queries", found=str(count), expected="1 or more", remedy="Correct the value.")
    scored = np.flatnonzero(~np.isnan(average_precision))
    if not scored.size:
        return {kind: [] for kind in KINDS}
    values = average_precision[scored]
    share = min(count, -(-scored.size // 3))
    middle = float(np.median(values))
    chosen: dict[Kind, list[int]] = {"best": [], "typical": [], "worst": []}
    free = np.ones(scored.size, dtype=bool)
    costs: dict[Kind, np.ndarray] = {"best": -values, "worst": values, "typical": np.abs(values - middle)}
    for kind, cost in costs.items():
        left = np.flatnonzero(free)
        taken = left[_lowest(cost[left], share)]
        free[taken] = False
        chosen[kind] = [int(row) for row in scored[taken]]
    return chosen


def _lowest(cost: Float[np.ndarray, "rows"], count: int) -> Int[np.ndarray, "chosen"]:
    """Positions of the `count` lowest costs in ascending order, spread evenly over the ties at the border."""
    order = np.argsort(cost, kind="stable")
    if count >= len(order):
        return order
    border = cost[order[count - 1]]
    under = order[cost[order] < border]
    ties = order[cost[order] == border]
    spread = np.linspace(0, len(ties) - 1, count - len(under)).round().astype(int)
    return np.concatenate([under, ties[spread]])
