"""How sure a study is: spread over seeds, and paired differences with two intervals that answer two questions.

- Over seeds (Student's t on the per-seed differences): what another seed, which is another training and another world,
  would change. Three seeds give two degrees of freedom and a factor of 4.3 / sqrt(3), so it is wide.
  One seed gives no interval.
- Over queries (percentile bootstrap of the per-query differences, all seeds' queries together): what other queries of
  the same worlds would change, with these trained networks as they are. It exists with one seed too, and does not
  contain run-to-run noise. Seeds have equal weight because their worlds have equally many people; queries are not
  resampled by seed, which makes it a little wider where seeds differ.

Both are 95 %. Differences are paired: the variants of one seed share its world, its queries and its random numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import nan, sqrt

import numpy as np
from jaxtyping import Float
from scipy.stats import t as student

from reknow.evaluation.intervals import Interval, paired_difference


def spread(values: Float[np.ndarray, "seeds"]) -> float:
    """Standard deviation over seeds, with n - 1 below; NaN of one seed.

    Example:
        >>> spread(np.array([1.0, 2.0, 3.0]))
        1.0
    """
    return float(np.std(values, ddof=1)) if len(values) > 1 else nan


def over_seeds(
    base: Float[np.ndarray, "seeds"], variant: Float[np.ndarray, "seeds"], *, level: float = 0.95
) -> Interval:
    """The mean of ``variant - base`` with its t interval; the ends are NaN with one seed.

    Example:
        >>> found = over_seeds(np.array([50.0, 60.0, 70.0]), np.array([51.0, 62.0, 73.0]))
        >>> round(found.low, 2), found.mean, round(found.high, 2)  # 2 -+ 4.30 x 1 / sqrt(3)
        (-0.48, 2.0, 4.48)
    """
    difference = variant - base
    mean = float(difference.mean())
    if len(difference) < 2:
        return Interval(nan, nan, mean)
    half = float(student.ppf((1 + level) / 2, len(difference) - 1)) * spread(difference) / sqrt(len(difference))
    return Interval(mean - half, mean + half, mean)


def over_queries(
    base: Sequence[Float[np.ndarray, "_"]], variant: Sequence[Float[np.ndarray, "_"]], *, level: float = 0.95
) -> Interval:
    """The mean of ``variant - base`` over all seeds' queries with its bootstrap interval.

    Args:
        base: per seed, one value per query, NaN where it has none.
        variant: the same queries in the same order.
        level: share of the resampled means inside.
    """
    return paired_difference(np.concatenate(base), np.concatenate(variant), level=level)
