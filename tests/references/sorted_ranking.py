"""The plain reference of the ranking metrics: sort, remove rows, go down the list."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from reknow.evaluation.scores import AveragePrecision, RankingScores


def reference_scores(
    distances: Float[np.ndarray, "queries gallery"],
    query_identity: Int[np.ndarray, "queries"],
    gallery_identity: Int[np.ndarray, "gallery"],
    query_group: Int[np.ndarray, "queries"],
    gallery_group: Int[np.ndarray, "gallery"],
    *,
    max_rank: int = 50,
    average_precision: AveragePrecision = "exact",
) -> RankingScores:
    """Arguments and result as of ``reknow.evaluation.ranking.score``; group -1 everywhere removes nothing."""
    values = []
    for row, identity, group in zip(distances, query_identity, query_group, strict=True):
        same = (gallery_identity == identity) & (identity != -1)
        removed = same & (gallery_group == group) & (group != -1)
        order = np.argsort(row, kind="stable")
        match = same[order[~removed[order]]]
        if not match.any():
            values.append((np.nan, np.nan, -1))
            continue
        total, hits, old_precision, area = int(match.sum()), 0, 1.0, 0.0
        for rank, is_match in enumerate(match, start=1):
            hits += int(is_match)
            precision = hits / rank
            if is_match:
                area += (precision if average_precision == "exact" else (old_precision + precision) / 2) / total
            old_precision = precision
        ranks = np.flatnonzero(match) + 1
        values.append((area, total / ranks[-1], ranks[0]))
    area, penalty, first = (np.array(column) for column in zip(*values, strict=True))
    return RankingScores(area, penalty, first.astype(np.int64), max_rank)
