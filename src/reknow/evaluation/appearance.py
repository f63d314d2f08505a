"""Appearance: how far picture size, color and sharpness alone explain groups.

A group should be an individual. If a picture's nearest other picture *by size, color and sharpness*, of which an
individual has nothing, is mostly of the same group, then the groups are ones of cameras, light and distances. No paper
has this number; it is the kappa of a nearest-neighbor classifier:

    (share - chance) / (1 - chance)

``share`` is how many pictures have a nearest other one in their own group, and ``chance`` how many a random other one
would give. So 0 is chance, whatever the sizes of the groups, and 1 is that appearance decides everything. Decided:

- A measure counts by its rank among the grouped pictures, equal values by their mean rank: no picture of an odd size
  decides the scale, and logarithm, unit and any other increasing function change nothing.
- Equally near pictures share one vote. Sizes are often equal; where all are, they explain exactly nothing.
- No other picture is one of the same tracklet, whose frames resemble each other whoever is in them, nor a copy (equal
  in all measures). A picture whose group holds no other one is not asked, as a query without a match is not scored.
- Size, color and sharpness are also asked each alone, since six measures of chance hide one that decides.

High is a warning and no proof: where each individual has a camera of its own, or a coat of its own color, appearance
explains also the true groups.

Cost: 4,000 pictures are compared with all grouped ones, without a matrix: 1.6 s on one core for 30,000 and 16 s for
300,000 (measured).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float64, Int, Int64
from scipy.stats import rankdata

from reknow.compiled import compiled, in_chunks
from reknow.data.picture_measures import PictureMeasures
from reknow.errors import EvaluationError

Measure = Literal["size", "color", "sharpness"]
MEASURES: tuple[Measure, ...] = get_args(Measure)

# The standard error of a share is then at most 0.008.
QUERIES = 4000


@dataclass(frozen=True)
class AppearanceShares:
    """How far appearance explains groups: each number about 0 by chance, and 1 where it decides everything.

    Attributes:
        together: all measures at once.
        alone: each of :data:`MEASURES` alone.
        queries: how many pictures were asked.
    """

    together: float
    alone: Mapping[Measure, float]
    queries: int

    @property
    def largest(self) -> float:
        """The one number: what the measures together explain, or one of them alone where that is more."""
        return max(self.together, *self.alone.values())

    @property
    def strongest(self) -> Measure:
        """The measure that alone explains most."""
        return max(MEASURES, key=lambda measure: self.alone[measure])


def explained_by_appearance(
    labels: Int[np.ndarray, "rows"],
    measures: PictureMeasures | None,
    tracklets: Int[np.ndarray, "rows"] | None = None,
    *,
    seed: int = 0,
) -> AppearanceShares | None:
    """How far picture size, color and sharpness explain groups.

    Args:
        labels: (N,) group of each picture, -1 for none.
        measures: of the N pictures.
        tracklets: (N,) codes, -1 where unknown, as :meth:`~reknow.data.manifest.Manifest.codes` makes them.
        seed: of the choice among more than 4,000 grouped pictures.

    Returns:
        None where nothing can be said: without measures, or with less than two groups of which one holds two pictures
        that are neither copies nor of one tracklet.

    Raises:
        EvaluationError: another number of measures than of labels.
    """
    if measures is None:
        return None
    if len(measures) != len(labels):
        raise EvaluationError(
            "appearance",
            found=f"{len(measures)} measured pictures for {len(labels)} labels",
            expected="one label a picture",
            remedy="Group the embeddings that the measures belong to.",
        )
    grouped = np.flatnonzero(labels >= 0)
    if not len(grouped):
        return None
    measures, groups = measures.select(grouped), labels[grouped].astype(np.int64)
    # Pictures of one tracklet share a code; every other one has its own.
    runs = -1 - np.arange(len(grouped)) if tracklets is None else tracklets[grouped].astype(np.int64)
    runs = np.where(runs >= 0, runs, -1 - np.arange(len(grouped)))
    ranks = {name: _ranks(getattr(measures, name).reshape(len(grouped), -1)) for name in MEASURES}
    together = np.concatenate(list(ranks.values()), axis=1)
    copies = np.unique(together, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)
    queries = np.arange(len(grouped))
    if len(grouped) > QUERIES:
        queries = np.sort(np.random.default_rng(seed).choice(len(grouped), QUERIES, replace=False))
    members = groups, runs, copies
    chances = _per_query(_chance, queries, *members)
    queries, chances = queries[chances > 0], chances[chances > 0]
    if not len(queries) or chances.min() == 1:
        return None

    def explained(by: Float64[np.ndarray, "grouped numbers"]) -> float:
        share, chance = _per_query(_nearest_share, queries, *members, by).mean(), chances.mean()
        return float((share - chance) / (1 - chance))

    return AppearanceShares(explained(together), {name: explained(ranks[name]) for name in MEASURES}, len(queries))


def _ranks(values: np.ndarray) -> Float64[np.ndarray, "rows numbers"]:
    """Twice the mean rank of every value in its column: whole numbers, so that equal distances are exactly equal."""
    return np.ascontiguousarray(2 * rankdata(values, axis=0))


def _per_query(
    kernel: Callable[..., None], queries: Int64[np.ndarray, "queries"], *of_rows: np.ndarray
) -> Float64[np.ndarray, "queries"]:
    """One number a query by a kernel of this module, in threads."""
    numbers = np.zeros(len(queries))
    in_chunks(len(queries), lambda first, last: kernel(numbers[first:last], queries[first:last], *of_rows))
    return numbers


@compiled(nogil=True)
def _chance(shares: np.ndarray, queries: np.ndarray, groups: np.ndarray, runs: np.ndarray, copies: np.ndarray) -> None:
    """Write each query's share of its own group among all other pictures; 0 where it has no other one."""
    for number in range(len(queries)):
        query = queries[number]
        group, run, copy = groups[query], runs[query], copies[query]
        others, same = 0, 0
        for row in range(len(groups)):
            other = (runs[row] != run) & (copies[row] != copy)
            others += other
            same += other & (groups[row] == group)
        if others > 0:
            shares[number] = same / others


@compiled(nogil=True)
def _nearest_share(
    shares: np.ndarray,
    queries: np.ndarray,
    groups: np.ndarray,
    runs: np.ndarray,
    copies: np.ndarray,
    ranks: np.ndarray,
) -> None:
    """Write each query's share of its own group among its nearest other pictures by `ranks`."""
    for number in range(len(queries)):
        query = queries[number]
        group, run, copy, own = groups[query], runs[query], copies[query], ranks[query].copy()
        smallest, nearest, same = np.inf, 0, 0
        for row in range(len(ranks)):
            distance = 0.0
            for column in range(len(own)):
                distance += (ranks[row, column] - own[column]) ** 2
            # Rarely as near, so that the conditions behind it cost nothing.
            if distance <= smallest and runs[row] != run and copies[row] != copy:
                if distance < smallest:
                    smallest, nearest, same = distance, 0, 0
                nearest += 1
                if groups[row] == group:
                    same += 1
        shares[number] = same / nearest
