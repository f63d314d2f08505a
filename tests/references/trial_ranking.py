"""The plain reference of protocols with trials: every query's ranking is made one by one, and gone down."""

from __future__ import annotations

import numpy as np

from reknow.data.embeddings import Embeddings
from reknow.evaluation.protocols import Protocol
from reknow.evaluation.scores import RankingScores
from reknow.observation import SPECTRA


def reference_evaluation(
    query: Embeddings, gallery: Embeddings, protocol: Protocol, *, draws: list[np.ndarray] | None = None
) -> RankingScores:
    """Arguments and result as of ``reknow.evaluation.ranking.evaluate``; of exact average precision alone.

    For data whose columns are filled, and where no picture is on both sides.
    """
    queries = [row for row in facts(query) if allowed(row, protocol.query)]
    pool = [row if allowed(row, protocol.gallery) else None for row in facts(gallery)]
    if draws is None and protocol.draw is not None:
        kept = [row for row in pool if row is not None]
        drawn = [[kept[row] for row in rows] for rows in protocol.draw.rows(selected(gallery, pool))]
    elif draws is None:
        drawn = [[row for row in pool if row is not None]]
    else:
        drawn = [[pool[row] for row in rows] for rows in draws]
    trials = []
    for rows in drawn:
        searching, searched = (rows, queries) if protocol.exchanged else (queries, rows)
        values = [ranking_values(row, searched, protocol) for row in searching]
        precision, penalty, first = (np.array(column) for column in zip(*values, strict=True))
        trials.append(RankingScores(precision, penalty, first.astype(np.int64), protocol.max_rank))
    return trials[0] if len(trials) == 1 else RankingScores.averaged(trials)


def selected(embeddings: Embeddings, pool: list) -> object:
    return embeddings.manifest.select(np.array([row is not None for row in pool]))


def facts(embeddings: Embeddings) -> list[dict]:
    """What is known of each row, as a user would write it down."""
    manifest = embeddings.manifest
    spectra = zip(*(manifest.column(name) for name in SPECTRA), strict=True)
    return [
        {"vector": vector, "identity": identity, "camera": camera, "scene": scene, "spectrum": spectrum}
        for vector, identity, camera, scene, spectrum in zip(
            embeddings.vectors,
            manifest.column("identity"),
            manifest.column("camera"),
            manifest.column("scene"),
            (next(name for name, cell in zip(SPECTRA, cells, strict=True) if cell) for cells in spectra),
            strict=True,
        )
    ]


def allowed(row: dict, side) -> bool:
    right_spectrum = side.spectrum in (None, row["spectrum"])
    return right_spectrum and (not side.cameras or int(row["camera"]) in side.cameras)


def is_removed(query: dict, row: dict, protocol: Protocol) -> bool:
    if protocol.other_spectrum and query["spectrum"] == row["spectrum"]:
        return True
    if any(query["camera"] == str(first) and row["camera"] == str(other) for first, other in protocol.skips):
        return True
    same_identity = query["identity"] is not None and query["identity"] == row["identity"]
    group = protocol.group and query[protocol.group]
    return same_identity and group is not None and group == row[protocol.group]


def ranking_values(query: dict, gallery: list[dict], protocol: Protocol) -> tuple[float, float, int]:
    """Average precision, inverse negative penalty and rank of the first match of one query."""
    remaining = [row for row in gallery if not is_removed(query, row, protocol)]
    distances = np.array([-np.float64(query["vector"]) @ np.float64(row["vector"]) for row in remaining])
    ranking = [remaining[place] for place in np.argsort(distances, kind="stable")]
    matches = [query["identity"] is not None and row["identity"] == query["identity"] for row in ranking]
    if not any(matches):
        return np.nan, np.nan, -1
    ranks = np.flatnonzero(matches) + 1
    precision = np.mean(np.arange(1, len(ranks) + 1) / ranks)
    first = int(ranks[0])
    if protocol.counts == "individuals":
        names = [row["identity"] for row in ranking[:first]]
        first = len({name for name in names if name is not None}) + names.count(None)
    return float(precision), len(ranks) / ranks[-1], first
