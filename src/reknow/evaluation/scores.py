"""The scores of a ranking: one line of numbers per query, and the means that papers print; and the purity of clusters.

All numbers are fractions; :meth:`RankingScores.as_percent` gives percent. A query without a match (its identity is not
in the gallery, or only in rows that its protocol removes) has no average precision. It is then NaN, it is left out of
every mean, and it is counted in :attr:`RankingScores.unmatched`.

Where a protocol has several trials, each against a gallery of its own, every number is the mean of the trials' numbers,
and each trial counts the same: so the data sets' authors define it, and so papers print it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from reknow.errors import EvaluationError

AveragePrecision = Literal["exact", "trapezoid"]
"""How precision is averaged over the recall steps of one query; formulas in :mod:`reknow.evaluation.ranking`."""


@dataclass(frozen=True, eq=False)
class RankingScores:
    """Per-query values of Q queries, and the means over them.

    Attributes:
        average_precision: (Q,) in [0, 1], NaN if a query has no match.
        inverse_negative_penalty: (Q,) number of matches / rank of the last one, NaN if a query has no match.
        first_match: (Q,) rank of the first match, counted from 1; -1 if a query has no match. A protocol that counts
            identities gives the number of different individuals down to it.
        max_rank: length of the CMC.
        protocol: the name of the rules that were applied; empty for :func:`~reknow.evaluation.ranking.score`.
        notes: facts that the numbers do not show (a rule that is off, rows without identity).
        trials: the scores of each trial, where there are several. A query's values are then its means over the trials
            in which it has a match, and `first_match` is that of the first such trial.
    """

    average_precision: Float[np.ndarray, "queries"]
    inverse_negative_penalty: Float[np.ndarray, "queries"]
    first_match: Int[np.ndarray, "queries"]
    max_rank: int = 50
    protocol: str = ""
    notes: tuple[str, ...] = ()
    trials: tuple[RankingScores, ...] = ()

    @classmethod
    def averaged(cls, trials: Sequence[RankingScores], notes: tuple[str, ...] = ()) -> RankingScores:
        """The scores of several trials as one.

        Args:
            trials: T scores of the same Q queries, or of the same number of queries for the same places.
            notes: facts about all of them.

        Raises:
            EvaluationError: no trial, or trials of different numbers of queries.

        Example:
            >>> precision = [np.array([1.0, 0.5]), np.array([0.5, np.nan])]
            >>> parts = [RankingScores(each, each, np.array([1, 2])) for each in precision]
            >>> scores = RankingScores.averaged(parts)
            >>> scores.average_precision.tolist(), scores.mAP
            ([0.75, 0.5], 0.625)
        """
        queries = [len(trial.first_match) for trial in trials]
        if len(set(queries)) != 1:
            raise EvaluationError(
                "trials",
                found=f"{len(queries)} of {sorted(set(queries))} queries" if queries else "none",
                expected="one trial or more, all of the same number of queries",
                remedy="Average scores of the same queries.",
            )
        first = np.stack([trial.first_match for trial in trials])
        earliest = first[(first > 0).argmax(axis=0), np.arange(queries[0])]
        return cls(
            _known_mean(np.stack([trial.average_precision for trial in trials])),
            _known_mean(np.stack([trial.inverse_negative_penalty for trial in trials])),
            earliest,
            trials[0].max_rank,
            trials[0].protocol,
            notes,
            tuple(trials),
        )

    def of_queries(self, rows: Int[np.ndarray, "some"]) -> RankingScores:
        """The scores of some of the queries, in the given order."""
        return replace(
            self,
            average_precision=self.average_precision[rows],
            inverse_negative_penalty=self.inverse_negative_penalty[rows],
            first_match=self.first_match[rows],
            trials=tuple(trial.of_queries(rows) for trial in self.trials),
        )

    @property
    def matched(self) -> np.ndarray:
        """(Q,) bool: whether a query has a match in the gallery."""
        return self.first_match > 0

    @property
    def valid(self) -> int:
        """Number of queries with a match; every mean is over these."""
        return int(self.matched.sum())

    @property
    def unmatched(self) -> int:
        """Number of queries without a match."""
        return len(self.first_match) - self.valid

    def hits(self, rank: int) -> Float[np.ndarray, "queries"]:
        """(Q,) 1 if the first match is at `rank` or before, 0 if it is later, NaN if there is none.

        Of several trials, the share of those in which the query has a match.
        """
        if self.trials:
            return _known_mean(np.stack([trial.hits(rank) for trial in self.trials]))
        return np.where(self.matched, self.first_match <= rank, np.nan)

    @property
    def cmc(self) -> Float[np.ndarray, "ranks"]:
        """(max_rank,) share of the valid queries whose first match stands at rank <= r; NaN without a valid query."""
        if self.trials:
            return _known_mean(np.stack([trial.cmc for trial in self.trials]))
        first = self.first_match[self.matched]
        if not len(first):
            return np.full(self.max_rank, np.nan)
        within = np.bincount(first[first <= self.max_rank], minlength=self.max_rank + 1)[1:]
        return np.cumsum(within) / len(first)

    @property
    def mAP(self) -> float:  # noqa: N802 (the field writes it so)
        """Mean average precision over the valid queries; NaN without one."""
        return _mean(np.array([_mean(trial.average_precision) for trial in self.trials or (self,)]))

    @property
    def mINP(self) -> float:  # noqa: N802
        """Mean inverse negative penalty over the valid queries; NaN without one."""
        return _mean(np.array([_mean(trial.inverse_negative_penalty) for trial in self.trials or (self,)]))

    @property
    def rank1(self) -> float:
        """CMC at rank 1, whatever `max_rank` is."""
        return self._share(1)

    @property
    def rank5(self) -> float:
        """CMC at rank 5."""
        return self._share(5)

    @property
    def rank10(self) -> float:
        """CMC at rank 10."""
        return self._share(10)

    def _share(self, rank: int) -> float:
        return _mean(np.array([_mean(trial.hits(rank)) for trial in self.trials or (self,)]))

    def as_percent(self) -> dict[str, float | int | str]:
        """The numbers of a summary: percent, query counts and the protocol's name.

        Example:
            >>> values = np.array([0.5, np.nan])
            >>> scores = RankingScores(values, values, np.array([2, -1]), protocol="market")
            >>> scores.as_percent()
            {'mAP': 50.0, 'rank1': 0.0, 'rank5': 100.0, 'rank10': 100.0, 'mINP': 50.0,
             'queries': 2, 'queries_without_match': 1, 'protocol': 'market'}
        """
        return {
            "mAP": 100 * self.mAP,
            "rank1": 100 * self.rank1,
            "rank5": 100 * self.rank5,
            "rank10": 100 * self.rank10,
            "mINP": 100 * self.mINP,
            "queries": len(self.first_match),
            "queries_without_match": self.unmatched,
            "protocol": self.protocol,
        }


def purity(labels: Int[np.ndarray, "rows"], identities: Int[np.ndarray, "rows"]) -> dict[str, float]:
    """How clusters agree with identities; empty if no identity is known. No training uses it.

    Returns:
        ``purity``: share of clustered rows whose identity is the most frequent one of their cluster;
        ``identities``: number of identities.
    """
    known = (labels >= 0) & (identities >= 0)
    if not known.any():
        return {}
    pairs, counts = np.unique(np.stack([labels[known], identities[known]]), axis=1, return_counts=True)
    most = np.zeros(labels.max() + 1, dtype=np.int64)
    np.maximum.at(most, pairs[0], counts)
    return {"purity": float(most.sum() / known.sum()), "identities": float(len(np.unique(identities[identities >= 0])))}


def _mean(values: np.ndarray) -> float:
    """Mean of the values that are not NaN; NaN, without a warning, if there are none."""
    valid = values[~np.isnan(values)]
    return float(valid.mean()) if len(valid) else float("nan")


def _known_mean(values: Float[np.ndarray, "trials ..."]) -> Float[np.ndarray, "..."]:
    """Means over the trials, of the values that are not NaN; NaN where there are none."""
    known = ~np.isnan(values)
    counts = known.sum(axis=0)
    return np.divide(
        np.where(known, values, 0).sum(axis=0), counts, out=np.full(counts.shape, np.nan), where=counts > 0
    )
