"""The queries of a sheet and what was found for them: the best, the typical and the worst, with their pictures."""

from __future__ import annotations

import numpy as np

from reknow.evaluation.ranking import ranked
from reknow.recognizer.evaluation import EvaluationResult
from reknow.report.choice import choose_queries
from reknow.report.content import KINDS, RankedPicture, RankRow
from reknow.report.portrait import panels_of, portrait
from reknow.report.rank_sheet import SHOWN


def rankings(result: EvaluationResult, count: int = 4) -> list[RankRow]:
    """Queries with the ten nearest gallery pictures that the protocol lets them see.

    Args:
        result: scores, and the embeddings that they come from.
        count: queries of each kind, the best first, then the typical, then the worst.

    Raises:
        DataError: `count` below 1, or a picture that cannot be read.
    """
    query, gallery = result.query.manifest, result.gallery.manifest
    panels = panels_of(query, gallery)
    asked, asked_by = query.column("observation"), query.column("camera")
    found, found_by = gallery.column("observation"), gallery.column("camera")
    chosen = choose_queries(result.scores.average_precision, count)
    rows: list[RankRow] = []
    for kind in KINDS:
        wanted = np.asarray(chosen[kind], dtype=np.int64)
        if not len(wanted):
            continue
        head = ranked(result.query.select(wanted), result.gallery, result.protocol, top=SHOWN)
        for row, hits, matches, similarity in zip(wanted, head.rows, head.matches, head.similarity, strict=True):
            results = [
                RankedPicture(
                    portrait(gallery, int(hit), panels),
                    bool(match),
                    float(near),
                    found_by[hit] or "",
                    found[hit],
                )
                for hit, match, near in zip(hits, matches, similarity, strict=True)
                if hit >= 0
            ]
            rows.append(
                RankRow(
                    kind,
                    portrait(query, int(row), panels),
                    asked[row],
                    float(result.scores.average_precision[row]),
                    results,
                    asked_by[row] or "",
                    panels,
                )
            )
    return rows
