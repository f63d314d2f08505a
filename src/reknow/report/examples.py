"""Examples: which queries and which groups a report shows, chosen by rule and not by taste, with their images.

Queries are the best, the typical and the worst. The largest groups alone would flatter: groups of every size are shown,
from the largest to the smallest, and last the images that fell into none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from reknow.data.manifest import Manifest
from reknow.errors import DataError
from reknow.evaluation.ranking import ranked
from reknow.recognizer.evaluation import EvaluationResult
from reknow.report.content import KINDS, RANKED_AT_MOST, Group, Kind, RankedPicture, RankRow
from reknow.report.images import observation_image, spectra_shown


def rankings(result: EvaluationResult, count: int = 4) -> list[RankRow]:
    """Queries with the ten nearest gallery pictures that the protocol does not exclude; of several trials, the first's.

    Args:
        result: scores, and the embeddings that they come from.
        count: queries of each kind, the best first, then the typical, then the worst.

    Raises:
        DataError: `count` below 1, or a picture that cannot be read.
    """
    shown = result.shown()
    query, gallery = shown.query.manifest, shown.gallery.manifest
    spectra = spectra_shown(query, gallery)
    query_names, query_cameras = query.column("observation"), query.column("camera")
    gallery_names, gallery_cameras = gallery.column("observation"), gallery.column("camera")
    chosen = choose_queries(result.scores.average_precision, count)
    ranking: list[RankRow] = []
    for kind in KINDS:
        rows = np.asarray(chosen[kind], dtype=np.int64)
        if not len(rows):
            continue
        head = ranked(shown.query.select(rows), shown.gallery, shown.protocol, top=RANKED_AT_MOST)
        for row, hits, matches, similarities in zip(rows, head.rows, head.matches, head.similarity, strict=True):
            results = [
                RankedPicture(
                    observation_image(gallery, int(hit), spectra),
                    bool(match),
                    float(similarity),
                    gallery_cameras[hit] or "",
                    gallery_names[hit],
                )
                for hit, match, similarity in zip(hits, matches, similarities, strict=True)
                if hit >= 0
            ]
            ranking.append(
                RankRow(
                    kind,
                    observation_image(query, int(row), spectra),
                    query_names[row],
                    float(result.scores.average_precision[row]),
                    results,
                    query_cameras[row] or "",
                    spectra,
                )
            )
    return ranking


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


def groups_shown(manifest: Manifest, labels: Int[np.ndarray, "rows"]) -> list[Group]:
    """Groups of every size with a sample of their images; see :func:`choose_groups`."""
    identities = manifest.codes("identity") if manifest.has("identity") else None
    spectra = spectra_shown(manifest)
    return [
        Group(
            str(chosen.label),
            chosen.size,
            [observation_image(manifest, int(row), spectra) for row in chosen.rows],
            chosen.purity,
            chosen.impostors,
        )
        for chosen in choose_groups(labels, identities)
    ]


@dataclass(frozen=True)
class ChosenGroup:
    """A group to show.

    Attributes:
        label: its pseudo-label; -1 for the outliers.
        size: how many images it has.
        rows: (n,) the images to show.
        purity: share of its labelled images that show its most frequent identity; None without labels, and for
            the outliers, which are not one identity.
        impostors: (n,) for each shown image, whether it shows another identity; empty where purity is None.
    """

    label: int
    size: int
    rows: Int[np.ndarray, "shown"]
    purity: float | None
    impostors: tuple[bool, ...]


def choose_groups(
    labels: Int[np.ndarray, "rows"],
    identities: Int[np.ndarray, "rows"] | None = None,
    *,
    count: int = 12,
    samples: int = 10,
) -> list[ChosenGroup]:
    """Groups of every size, the largest first; outliers, where there are any, last.

    Args:
        labels: (N,) pseudo-labels, -1 = outlier.
        identities: (N,) true identities, -1 where unknown; None without labels.
        count: groups to choose, beside the outliers.
        samples: images of each, evenly spread over its rows.

    Example:
        >>> groups = choose_groups(np.array([0, 0, 1, 1, 1, -1]))
        >>> [(group.label, group.size, group.rows.tolist()) for group in groups]
        [(1, 3, [2, 3, 4]), (0, 2, [0, 1]), (-1, 1, [5])]
    """
    groups, sizes = np.unique(labels[labels >= 0], return_counts=True)
    by_size = np.argsort(-sizes, kind="stable")
    spread = np.linspace(0, len(groups) - 1, min(count, len(groups))).round().astype(int)
    chosen = [int(groups[position]) for position in by_size[spread]]
    if (labels < 0).any():
        chosen.append(-1)
    return [_group(label, np.flatnonzero(labels == label), identities, samples) for label in chosen]


def _group(label: int, rows: Int[np.ndarray, "members"], identities: np.ndarray | None, samples: int) -> ChosenGroup:
    shown = rows[np.linspace(0, len(rows) - 1, min(samples, len(rows))).round().astype(int)]
    known = np.array([], dtype=np.int64) if identities is None else identities[rows][identities[rows] >= 0]
    if label < 0 or identities is None or not known.size:
        return ChosenGroup(label, len(rows), shown, None, ())
    names, counts = np.unique(known, return_counts=True)
    own = names[counts.argmax()]
    impostors = tuple(bool(identity not in (own, -1)) for identity in identities[shown])
    return ChosenGroup(label, len(rows), shown, float(counts.max() / known.size), impostors)
