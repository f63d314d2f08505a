"""Ranking metrics: CMC, mAP (exact and trapezoid, by name), mINP; from distances, or blocked from embeddings.

For one query let the gallery be ordered by distance, equal distances in gallery order, without the rows that its
protocol removes. With matches at ranks r_1 < ... < r_m:

- ``exact``:     AP = (1/m) sum_h h / r_h                                  (fast-reid, torchreid, TransReID)
- ``trapezoid``: AP = (1/m) sum_h (p_h + h / r_h) / 2,  p_h = (h-1)/(r_h-1), and 1 if r_h = 1
  (the area under the precision-recall curve of the first Oxford and Market-1501 evaluation code; it lies 0.5 to 3
  points below the exact one, so two mAP compare only if both are of one kind)
- INP = m / r_m;  CMC(k) = share of the queries with r_1 <= k. Where a protocol counts individuals, r_1 in the CMC is
  the number of different individuals among the first r_1 rows; AP and INP stay as they are.

Scikit-learn's average precision equals the exact one without ties. With ties it gives every row of a tie the
precision at the tie's *end*, which is another number; here ties are ordered by a stable sort. Golden cases:
ranking_metrics, vi_evaluation.

Where queries skip a part of the gallery, they are ranked against the rest alone: what they skip costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from jaxtyping import Bool, Float, Int

from reknow.data.embeddings import Embeddings
from reknow.errors import EvaluationError, nearest
from reknow.evaluation.match_ranks import nearest_rows, rank_individuals, rank_matches, share_out
from reknow.evaluation.protocols import EvaluationRows, Protocol, without_themselves
from reknow.evaluation.scores import AveragePrecision, RankingScores
from reknow.evaluation.trials import Trials, trials_of

Distances = Callable[[Float[np.ndarray, "queries dim"], Float[np.ndarray, "gallery dim"]], Float[np.ndarray, "_ _"]]
"""Unit vectors of both sides to a (Q, G) matrix of distances, such as :func:`reknow.evaluation.rerank.k_reciprocal`."""

# 2^23 float32 similarities are 32 MB: 527 queries against 15,913; the blocked product is then as fast as the whole one.
# Blocks of less than 64 queries would read the gallery too often, so against millions of rows a block grows instead.
_BLOCK_ENTRIES, _FEWEST_ROWS = 2**23, 64

TIES_SAMPLED, TIED = 32, 1e-6
"""Queries and gallery rows whose similarities are compared first, and the spread below which these are equal."""


def score(
    distances: Float[np.ndarray, "queries gallery"],
    query_identity: Int[np.ndarray, "queries"],
    gallery_identity: Int[np.ndarray, "gallery"],
    query_group: Int[np.ndarray, "queries"] | None = None,
    gallery_group: Int[np.ndarray, "gallery"] | None = None,
    *,
    max_rank: int = 50,
    average_precision: AveragePrecision = "exact",
) -> RankingScores:
    """Score a matrix of distances; smaller is nearer.

    Args:
        distances: (Q, G), without NaN.
        query_identity, gallery_identity: codes; -1 is unknown and matches nothing.
        query_group, gallery_group: codes of camera or scene. A gallery row of the query's identity and group is
            removed; -1 is unknown and removes nothing. Without groups nothing is removed.
        max_rank: length of the CMC; beyond the gallery's size it keeps its last value.
        average_precision: ``exact`` or ``trapezoid``, see the module.

    Returns:
        Fractions. If no query has a match, every mean is NaN and ``valid`` is 0.

    Raises:
        EvaluationError: sizes that do not fit together, an empty side, one group without the other, NaN distances.

    Example:
        >>> scores = score(np.array([[0.1, 0.2, 0.3]]), np.array([7]), np.array([7, 5, 7]))
        >>> round(scores.mAP, 4), scores.first_match.tolist()
        (0.8333, [1])
    """
    sizes = {"query_identity": (query_identity, 0), "gallery_identity": (gallery_identity, 1)}
    if (query_group is None) != (gallery_group is None):
        raise EvaluationError(
            "score", found="groups on one side only", remedy="Give both query_group and gallery_group, or neither."
        )
    if query_group is not None and gallery_group is not None:
        sizes |= {"query_group": (query_group, 0), "gallery_group": (gallery_group, 1)}
    if distances.ndim != 2 or not distances.size:
        raise EvaluationError(
            "distances",
            found=f"shape {distances.shape}",
            expected="(Q, G), both at least 1",
            remedy="Pass one row a query.",
        )
    for name, (codes, axis) in sizes.items():
        if codes.shape != (distances.shape[axis],):
            raise EvaluationError(
                name,
                found=f"shape {codes.shape}",
                expected=f"({distances.shape[axis]},), as the distances have",
                remedy="Pass one code for each row of distances (query) and each column (gallery).",
            )
    rows = EvaluationRows(
        query_identity.astype(np.int64),
        gallery_identity.astype(np.int64),
        np.full(distances.shape[0], -1) if query_group is None else query_group.astype(np.int64),
        np.full(distances.shape[1], -1) if gallery_group is None else gallery_group.astype(np.int64),
    )
    return _score(_given_blocks(distances), rows, Measure(max_rank, average_precision))


@dataclass(frozen=True)
class Measure:
    """What is computed of every ranking; see the module.

    Attributes:
        max_rank: length of the CMC.
        average_precision: ``exact`` or ``trapezoid``.
        counts: what the CMC counts.

    Raises:
        EvaluationError: a length below 1, or another kind of average precision.
    """

    max_rank: int = 50
    average_precision: AveragePrecision = "exact"
    counts: Literal["pictures", "individuals"] = "pictures"

    def __post_init__(self) -> None:
        if self.max_rank < 1:
            raise EvaluationError("max_rank", found=str(self.max_rank), expected="1 or more", remedy="50 is usual.")
        kind, kinds = self.average_precision, get_args(AveragePrecision)
        if kind not in kinds:
            raise EvaluationError("average_precision", found=f"'{kind}'", remedy=nearest(kind, kinds))


def evaluate(
    query: Embeddings,
    gallery: Embeddings,
    protocol: Protocol,
    *,
    draws: Sequence[Int[np.ndarray, "_"]] | None = None,
    max_rank: int | None = None,
    average_precision: AveragePrecision | None = None,
    distances: Distances | None = None,
) -> RankingScores:
    """Rank the gallery for every query by cosine similarity, and score that.

    Similarities are float32 and are held a block at a time: 3,368 x 15,913 x 768 needs 40 MB beyond the inputs.
    A distance of 1 - s or sqrt(2 - 2s) gives the same order. Equal similarities keep gallery order.

    Args:
        query, gallery: unit vectors of one recognizer, with their manifest rows. Rows that the protocol does not have
            as queries or in its gallery are left out, with a note; the scores are then those of the others, in order.
        protocol: which rows it has, how trials draw galleries, and what it removes from a query's ranking.
        draws: for each trial the rows of `gallery`, in place of the protocol's own draws.
        max_rank, average_precision: by default the protocol's.
        distances: ranks by these in place of the cosine; it is called once a trial and gets its whole gallery.

    Returns:
        Scores of the Q queries; of several trials the means, and each trial's own scores beside them. Where the
        protocol exchanges the sides, the queries are the drawn pictures, in the order of each draw.

    Raises:
        EvaluationError: empty sides, no identities, vectors of different recognizers or sizes, or not finite; a
            spectrum, camera or trial that the data lack; draws that name rows that are not there.

    Example:
        >>> from pathlib import Path
        >>> from reknow.data.manifest import Manifest
        >>> from reknow.evaluation.protocols import protocol_named
        >>> sides = [
        ...     Manifest.from_columns({column: ["a", "b"], "identity": ["1", "2"]}, root=Path(), name="some")
        ...     for column in ("rgb", "tir")
        ... ]
        >>> query, gallery = (Embeddings(np.eye(2, dtype=np.float32), side) for side in sides)
        >>> evaluate(query, gallery, protocol_named("regdb_v2t")).mAP
        1.0
    """
    trials = trials_of(query, gallery, protocol, draws)
    rows = rows_of(trials.query, trials.gallery, protocol)
    kind = average_precision or protocol.average_precision
    notes = (*trials.notes, *rows.notes)
    if kind != protocol.average_precision:
        notes += (f"Average precision is '{kind}', not the protocol's '{protocol.average_precision}'.",)
    measure = Measure(protocol.max_rank if max_rank is None else max_rank, kind, protocol.counts)
    scored = _scored_trials(trials, rows, measure, distances)
    scores = scored[0] if len(scored) == 1 else RankingScores.averaged(scored)
    name = trials.name + rows.protocol.removeprefix(protocol.name)
    notes += (*_unmatched_notes(scores, rows, protocol, trials), *_notes_on_trials(scores, trials))
    if distances is None:
        notes += tuple(_notes_on_ties(trials, rows))
    return replace(scores, protocol=name, notes=notes)


def rows_of(query: Embeddings, gallery: Embeddings, protocol: Protocol) -> EvaluationRows:
    """The protocol's codes for these rows, such that no query finds its own picture."""
    return without_themselves(protocol.for_rows(query.manifest, gallery.manifest), query, gallery)


def _unmatched_notes(scores: RankingScores, rows: EvaluationRows, protocol: Protocol, trials: Trials) -> Iterator[str]:
    """Sentences on queries whose matches the protocol removed, and on a gallery without any match."""
    query, without = trials.query, protocol.without_group()
    if protocol.group is not None and not trials.exchanged:
        _, first, last = _same_identity(rows)
        # If the rule is off, or a query's own camera is not known, it removed nothing.
        groups = query.manifest.column(protocol.group) if rows.protocol == protocol.name else [None] * len(query)
        has_group = np.array([name is not None for name in groups], dtype=bool)
        lost = (last > first) & ~scores.matched & has_group
        remedy = "" if scores.valid or without is None else f" To score without that rule: --protocol {without.name}."
        if lost.all() and len(set(groups)) == 1:
            yield (
                f"All queries are of one {protocol.group} ('{groups[0]}'), and so are all gallery pictures of their "
                f"individuals. '{protocol.name}' removes these, so nothing is left to find.{remedy}"
            )
        elif lost.any():
            yield (
                f"{int(lost.sum())} of {len(lost)} queries have matches only from their own {protocol.group}, which "
                f"'{protocol.name}' removes; they are not scored.{remedy}"
            )
    if not scores.valid:
        yield "No query has a match in the gallery: there is nothing to average."


def _notes_on_ties(trials: Trials, rows: EvaluationRows) -> Iterator[str]:
    """A sentence where similarities tell nothing: all that a query may find is equally similar to it."""
    query, gallery = trials.query.vectors, trials.gallery.vectors
    for queries, visible in rows.views():
        searched = np.flatnonzero(visible)
        if len(searched) < 2 or not len(queries):
            continue
        # A sample is enough to see that similarities differ; where it shows none, all of the gallery decides.
        some = query[queries[:: max(1, len(queries) // TIES_SAMPLED)]]
        sampled = searched[:: max(1, len(searched) // TIES_SAMPLED)]
        if all(float(np.ptp(some @ gallery[rows].T, axis=1).max()) < TIED for rows in (sampled, searched)):
            yield (
                "All gallery pictures are equally similar to a query, so the order of rows decides and the scores say "
                "nothing. Vectors of different spectra may share no numbers, as EDITOR's do not."
            )
            return


def _notes_on_trials(scores: RankingScores, trials: Trials) -> Iterator[str]:
    """Sentences on how far trials are apart, and on queries that have a match in some of them only."""
    if not scores.trials:
        return
    if scores.valid:
        least, most = (100 * float(end([trial.rank1 for trial in scores.trials])) for end in (np.nanmin, np.nanmax))
        yield f"Means of {len(scores.trials)} trials, whose rank-1 is {least:.1f} to {most:.1f}."
    for number, trial in enumerate(scores.trials):
        lost = np.flatnonzero(scores.matched & ~trial.matched)
        if lost.size and not trials.exchanged:
            identity = trials.query.manifest.column("identity")[lost[0]]
            yield (
                f"Trial {number}, counted from 0, has no gallery picture that {len(lost)} of its queries could find "
                f"(for example of the identity {identity}); they are not scored in it."
            )


@dataclass(frozen=True, eq=False)
class RankedRows:
    """The head of every query's ranking, without the rows that the protocol removes.

    Attributes:
        rows: (Q, top) gallery rows, nearest first; -1 if not enough rows remain.
        matches: (Q, top) whether the row has the query's identity.
        similarity: (Q, top) cosine; NaN if not enough rows remain.
    """

    rows: Int[np.ndarray, "queries top"]
    matches: Bool[np.ndarray, "queries top"]
    similarity: Float[np.ndarray, "queries top"]


def ranked(query: Embeddings, gallery: Embeddings, protocol: Protocol, top: int = 10) -> RankedRows:
    """The `top` nearest gallery rows of every query, for rank sheets; in blocks, as :func:`evaluate`.

    Raises:
        EvaluationError: as :func:`evaluate`, or `top` below 1.
    """
    if top < 1:
        raise EvaluationError("ranked, top", found=str(top), expected="1 or more", remedy="Ask for at least one row.")
    rows = rows_of(query, gallery, protocol)
    query_vectors, gallery_vectors = _vectors(query, gallery)
    gallery_rows = np.full((len(query), top), -1, dtype=np.int64)
    distance = np.full((len(query), top), np.inf, dtype=np.float32)
    for queries, visible in rows.views():
        kept = np.flatnonzero(visible)
        part = rows.select(queries, kept)
        same_identity, first, last = _same_identity(part)
        nearest_kept, of_view = np.full((len(queries), top), -1, dtype=np.int64), distance[queries]
        for block, distances in _product_blocks(_rows(query_vectors, queries), _rows(gallery_vectors, kept), _Buffer()):
            share_out(
                nearest_rows,
                (distances, first[block], last[block], part.query_group[block], nearest_kept[block], of_view[block]),
                (same_identity, part.gallery_group),
            )
        gallery_rows[queries] = np.where(nearest_kept >= 0, np.append(kept, -1)[nearest_kept], -1)
        distance[queries] = of_view
    comparable = (rows.query_identity >= 0)[:, None] & (gallery_rows >= 0)
    matches = comparable & (rows.gallery_identity[gallery_rows] == rows.query_identity[:, None])
    return RankedRows(gallery_rows, matches, np.where(gallery_rows >= 0, -distance, np.float32(np.nan)))


@dataclass(frozen=True)
class _View:
    """Queries that rank the same gallery rows.

    Attributes:
        queries: their rows.
        visible: (G,) which gallery rows they rank.
        vectors: (n, D) theirs.
        negated: whether the vectors are negated already.
    """

    queries: np.ndarray
    visible: np.ndarray
    vectors: np.ndarray
    negated: bool = False


def _scored_trials(
    trials: Trials, rows: EvaluationRows, measure: Measure, distances: Distances | None
) -> list[RankingScores]:
    """The scores of each trial."""
    query, gallery = _vectors(trials.query, trials.gallery)
    whole = np.arange(len(gallery))
    if trials.exchanged and trials.draws is not None:
        return [
            _scored(query[drawn], gallery, rows.select(drawn, whole), [None], measure, distances)[0]
            for drawn in trials.draws
        ]
    return _scored(query, gallery, rows, trials.draws or [None], measure, distances)


def _scored(
    query: np.ndarray,
    gallery: np.ndarray,
    rows: EvaluationRows,
    draws: Sequence[np.ndarray | None],
    measure: Measure,
    distances: Distances | None,
) -> list[RankingScores]:
    """The scores of the same queries against each drawn gallery; None is the whole one."""
    views = [_View(queries, visible, _rows(query, queries)) for queries, visible in rows.views()]
    if len(draws) > 1:  # once for all trials, instead of in every block
        views = [replace(view, vectors=-view.vectors, negated=True) for view in views]
    scored, buffer = [], _Buffer()
    for drawn in draws:
        searched = np.arange(len(gallery)) if drawn is None else drawn
        matrix = None if distances is None else distances(query, _rows(gallery, searched))
        parts = []
        for view in views:
            kept = np.flatnonzero(view.visible[searched])
            ranked_rows = searched[kept]
            if not len(ranked_rows):
                continue
            if matrix is not None:
                blocks = _given_blocks(matrix[np.ix_(view.queries, kept)] if len(views) > 1 else matrix)
            else:
                blocks = _product_blocks(view.vectors, _rows(gallery, ranked_rows), buffer, negated=view.negated)
            parts.append((view.queries, _score(blocks, rows.select(view.queries, ranked_rows), measure)))
        scored.append(_joined(parts, len(query), rows.protocol, measure))
    return scored


def _joined(
    parts: Sequence[tuple[np.ndarray, RankingScores]], queries: int, protocol: str, measure: Measure
) -> RankingScores:
    """The scores of all queries from those of each view; queries that rank nothing have no match."""
    precision, penalty = np.full(queries, np.nan), np.full(queries, np.nan)
    first_match = np.full(queries, -1, dtype=np.int64)
    for rows, scores in parts:
        precision[rows], penalty[rows] = scores.average_precision, scores.inverse_negative_penalty
        first_match[rows] = scores.first_match
    return RankingScores(precision, penalty, first_match, measure.max_rank, protocol)


def _rows(vectors: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Some rows of an array, in ascending order or as drawn; the array itself where they are all of it, in order."""
    return vectors if len(rows) == len(vectors) and bool((np.diff(rows) > 0).all()) else vectors[rows]


def _score(blocks: Iterator[tuple[slice, np.ndarray]], rows: EvaluationRows, measure: Measure) -> RankingScores:
    """Per-query values, a block of queries at a time."""
    queries = len(rows.query_identity)
    same_identity, first, last = _same_identity(rows)
    precision, penalty = np.full(queries, np.nan), np.full(queries, np.nan)
    first_match = np.full(queries, -1, dtype=np.int64)
    runs = _runs_of_individuals(rows.gallery_identity) if measure.counts == "individuals" else ()
    for block, distances in blocks:
        candidates = last[block] - first[block]
        starts = np.cumsum(candidates) - candidates
        ranks = np.zeros(int(candidates.sum()), dtype=np.int64)  # 0 remains if the protocol removed the row
        share_out(
            rank_matches,
            (distances, first[block], last[block], rows.query_group[block], starts),
            (same_identity, rows.gallery_group, ranks),
        )
        owner = np.repeat(np.arange(len(candidates)), candidates)[ranks > 0]
        _fill(precision[block], penalty[block], first_match[block], owner, ranks[ranks > 0], measure.average_precision)
        if runs:
            share_out(
                rank_individuals,
                (distances, first[block], last[block], rows.query_group[block], first_match[block]),
                (same_identity, rows.gallery_group, *runs),
            )
    return RankingScores(precision, penalty, first_match, measure.max_rank, rows.protocol)


def _fill(
    precision: np.ndarray,
    penalty: np.ndarray,
    first_match: np.ndarray,
    owner: np.ndarray,
    ranks: np.ndarray,
    kind: AveragePrecision,
) -> None:
    """The formulas of the module's docstring, over the concatenated ascending ranks of one block of queries."""
    matches = np.bincount(owner, minlength=len(precision))
    valid = matches > 0
    begin = (np.cumsum(matches) - matches)[valid]
    hits = np.arange(len(ranks)) - np.repeat(begin, matches[valid]) + 1
    gain = hits / ranks
    if kind == "trapezoid":
        before = np.divide(hits - 1, ranks - 1, out=np.ones(len(ranks)), where=ranks > 1)
        gain = (before + gain) / 2
    precision[valid] = np.bincount(owner, gain, minlength=len(precision))[valid] / matches[valid]
    first_match[valid] = ranks[begin]
    penalty[valid] = matches[valid] / ranks[begin + matches[valid] - 1]


def _runs_of_individuals(identity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where runs of rows of one individual begin, with their number at the end, and the code of each run's individual.

    Codes go from 0 on; a row of unknown identity is an individual of its own.
    """
    codes = np.where(identity < 0, -1 - np.arange(len(identity)), identity)
    starts = np.flatnonzero(np.diff(codes, prepend=codes[0] - 1))
    individuals = np.unique(codes[starts], return_inverse=True)[1]
    return np.append(starts, len(codes)), individuals.astype(np.int64)


def _same_identity(rows: EvaluationRows) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gallery rows in order of identity, and where each query's own rows begin and end: only these can match."""
    order = np.argsort(rows.gallery_identity, kind="stable")
    ordered = rows.gallery_identity[order]
    first = np.searchsorted(ordered, rows.query_identity, side="left")
    last = np.searchsorted(ordered, rows.query_identity, side="right")
    return order, first, np.where(rows.query_identity == -1, first, last)


def _slices(queries: int, gallery: int) -> Iterator[slice]:
    rows = max(_FEWEST_ROWS, _BLOCK_ENTRIES // gallery)
    for start in range(0, queries, rows):
        yield slice(start, min(start + rows, queries))


def _given_blocks(distances: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Blocks of a given matrix, in a form that the kernel takes."""
    kind = np.float64 if distances.dtype == np.float64 else np.float32
    for block in _slices(*distances.shape):
        part = np.ascontiguousarray(distances[block], dtype=kind)
        unknown = np.isnan(part).any(axis=1)
        if unknown.any():
            raise EvaluationError(
                f"distances, row {block.start + int(unknown.argmax())}",
                found="NaN",
                expected="numbers (infinity is one)",
                remedy="Find the picture whose embedding is not finite.",
            )
        yield block, part


class _Buffer:
    """Memory for one block of similarities at a time: pages that exist already are written faster than new ones."""

    def __init__(self) -> None:
        self.numbers = np.empty(0, dtype=np.float32)

    def of(self, rows: int, columns: int) -> np.ndarray:
        """(rows, columns) float32 with anything in it, until the next call."""
        if self.numbers.size < rows * columns:
            self.numbers = np.empty(rows * columns, dtype=np.float32)
        return self.numbers[: rows * columns].reshape(rows, columns)


def _product_blocks(
    query: np.ndarray, gallery: np.ndarray, buffer: _Buffer, *, negated: bool = False
) -> Iterator[tuple[slice, np.ndarray]]:
    """Blocks of negated similarities, so that smaller is nearer.

    Args:
        query: (Q, D) vectors.
        gallery: (G, D) vectors.
        buffer: holds the block, until the next one.
        negated: whether the queries' are negated already.
    """
    for block in _slices(len(query), len(gallery)):
        part = buffer.of(block.stop - block.start, len(gallery))
        # Negating the query is exact and touches D numbers a row instead of G.
        np.matmul(query[block] if negated else -query[block], gallery.T, out=part)
        yield block, part


def _vectors(query: Embeddings, gallery: Embeddings) -> tuple[np.ndarray, np.ndarray]:
    """Both sides' vectors; refuses those whose product would be meaningless."""
    if query.recognizer and gallery.recognizer and query.recognizer != gallery.recognizer:
        raise EvaluationError(
            f"{query.manifest.name} against {gallery.manifest.name}",
            found=f"vectors of two recognizers, {query.recognizer} and {gallery.recognizer}",
            remedy="Embed both with the same recognizer.",
        )
    if query.vectors.shape[1] != gallery.vectors.shape[1]:
        raise EvaluationError(
            f"{query.manifest.name} against {gallery.manifest.name}",
            found=f"vectors of {query.vectors.shape[1]} and {gallery.vectors.shape[1]} numbers",
            remedy="Embed both with the same recognizer.",
        )
    for side, embeddings in (("query", query), ("gallery", gallery)):
        finite = np.isfinite(embeddings.vectors).all(axis=1)
        if not finite.all():
            row = int(finite.argmin())
            raise EvaluationError(
                f"{embeddings.manifest.name}, {side} row {row} ('{embeddings.manifest.column('observation')[row]}')",
                found="a vector that is not finite",
                remedy="Embed this picture again, or leave it out.",
            )
    return np.asarray(query.vectors, dtype=np.float32), np.asarray(gallery.vectors, dtype=np.float32)
