"""Bootstrap intervals over queries: how far a mean would move with other queries of the same kind.

The percentile bootstrap (Efron 1979): draw as many queries with replacement as there are, take the mean, repeat, and
take the quantiles. The interval covers the choice of queries only, not the seed of the training. Queries of one
identity are similar, so the true interval is a little wider. Two systems on the same queries are compared by the
interval of their per-query difference. It is narrower than two overlapping intervals suggest, because hard queries are
hard for both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from reknow.errors import EvaluationError

# Draws at once: 2^21 numbers of 8 bytes keep the resampling of any data set under 40 MB.
_DRAWS = 2**21


@dataclass(frozen=True)
class Interval:
    """An interval for a mean.

    Attributes:
        low: lower end. All three are NaN if no query has a value.
        high: upper end.
        mean: over the given queries.
    """

    low: float
    high: float
    mean: float

    @property
    def excludes_zero(self) -> bool:
        """For a difference: whether one of the two systems is better for any choice of queries, at the interval's
        level."""
        return self.low > 0 or self.high < 0


def bootstrap(
    values: Float[np.ndarray, "queries"], *, level: float = 0.95, repeats: int = 1000, seed: int = 0
) -> Interval:
    """The interval of a mean over queries.

    Args:
        values: (Q,) one number a query, NaN if it has none: ``scores.average_precision`` for mAP,
            ``scores.hits(1)`` for rank-1.
        level: share of the resampled means inside, in (0, 1).
        repeats: number of resamples.
        seed: of the draws; the same values and seed give the same interval.

    Raises:
        EvaluationError: `level` or `repeats` out of range.

    Example:
        >>> bootstrap(np.array([1.0, 1.0, np.nan]))
        Interval(low=1.0, high=1.0, mean=1.0)
    """
    if not 0 < level < 1:
        raise EvaluationError("bootstrap, level", found=str(level), expected="between 0 and 1", remedy="0.95 is usual.")
    if repeats < 1:
        raise EvaluationError("bootstrap, repeats", found=str(repeats), expected="1 or more", remedy="1000 is usual.")
    valid = values[~np.isnan(values)].astype(np.float64)
    if not len(valid):
        return Interval(float("nan"), float("nan"), float("nan"))
    generator = np.random.default_rng(seed)
    at_once = max(1, _DRAWS // len(valid))
    means = np.concatenate(
        [
            valid[generator.integers(len(valid), size=(min(at_once, repeats - done), len(valid)))].mean(axis=1)
            for done in range(0, repeats, at_once)
        ]
    )
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high), float(valid.mean()))


def paired_difference(
    first: Float[np.ndarray, "_"],
    second: Float[np.ndarray, "_"],
    *,
    level: float = 0.95,
    repeats: int = 1000,
    seed: int = 0,
) -> Interval:
    """The interval of ``second - first``, two systems' values on the same queries in the same order.

    Queries that lack a value in either are left out.

    Raises:
        EvaluationError: different numbers of queries.

    Example:
        >>> paired_difference(np.array([0.1, 0.5]), np.array([0.3, 0.7])).excludes_zero
        True
    """
    if first.shape != second.shape:
        raise EvaluationError(
            "paired_difference",
            found=f"{len(first)} and {len(second)} queries",
            expected="the same queries in the same order",
            remedy="Evaluate both systems on one set of queries.",
        )
    return bootstrap(second - first, level=level, repeats=repeats, seed=seed)
