"""Scores of a recognizer on the query and gallery of a data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np

from reknow.data.embeddings import Embeddings
from reknow.data.formats import open_dataset
from reknow.data.manifest import Manifest, one_spectrum_a_row
from reknow.errors import EvaluationError
from reknow.evaluation.intervals import Interval, bootstrap
from reknow.evaluation.protocols import Protocol, protocol_named, split_queries
from reknow.evaluation.ranking import RankingScores, evaluate
from reknow.evaluation.rerank import k_reciprocal
from reknow.evaluation.trials import trials_of
from reknow.progress import Display
from reknow.recognizer.recognizer import Recognizer


@dataclass(frozen=True)
class EvaluationSplit:
    """The rows that evaluation needs, and how they are used.

    Attributes:
        manifest: queries and gallery.
        query: rows of the manifest.
        gallery: rows of the manifest.
        protocol: which gallery rows are excluded for a query.
        notes: what the numbers cannot say.
    """

    manifest: Manifest
    query: np.ndarray
    gallery: np.ndarray
    protocol: Protocol
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, manifest: Manifest, seed: int = 0, protocol: str | None = None) -> EvaluationSplit | None:
        """The data set's own queries and gallery; without these, queries drawn from its identities; else None.

        None, too, where queries or gallery have no identities.

        Args:
            manifest: the data set.
            seed: of the draw.
            protocol: another one than the data set's own.
        """
        rules = protocol_named(protocol or manifest.protocol)
        if rules.compares_spectra:
            manifest = one_spectrum_a_row(manifest)
        query, gallery = manifest.rows_of("query"), manifest.gallery_rows()
        if len(query) and len(gallery):
            if not all(manifest.select(rows).has("identity") for rows in (query, gallery)):
                return None
            query = query[rules.query.rows(manifest.select(query), f"{rules.name}, query")]
            gallery = gallery[rules.gallery.rows(manifest.select(gallery), f"{rules.name}, gallery")]
            rows, count = np.concatenate([query, gallery]), len(query)
            notes = (
                ("A closed set: the gallery holds the training pictures (gallery=train).",) if manifest.closed else ()
            )
            return cls(manifest.select(rows), np.arange(count), np.arange(count, len(rows)), rules, notes)
        training = manifest.training()
        if not manifest.has("identity") or ((len(query) or len(gallery)) and len(training)):
            return None  # queries or gallery alone beside training rows are ambiguous, so there is no evaluation
        if rules.compares_spectra:
            return cls._of_all(manifest, rules)
        query, gallery = split_queries(manifest, seed=seed)
        if not len(query):
            return None
        drawn = "its training pictures" if len(training) else "its rows"
        note = f"The data have no query and gallery: queries were drawn from {drawn}."
        return cls(manifest, query, gallery, rules, (note,))

    @classmethod
    def _of_all(cls, manifest: Manifest, rules: Protocol) -> EvaluationSplit:
        """Every row of known identity on both sides: where spectra are compared, no picture is ranked for itself."""
        rows = np.flatnonzero(manifest.codes("identity") >= 0)
        labelled = manifest.select(rows)
        query = rows[rules.query.rows(labelled, f"{rules.name}, query")]
        gallery = rows[rules.gallery.rows(labelled, f"{rules.name}, gallery")]
        note = "The data have no query and gallery: every picture is a query, and in the gallery of the other spectra."
        return cls(manifest, query, gallery, rules, (note,))

    def score(self, embeddings: Embeddings) -> EvaluationResult:
        """Score the embeddings of this manifest's rows."""
        query, gallery = embeddings.select(self.query), embeddings.select(self.gallery)
        scores = evaluate(query, gallery, self.protocol)
        return EvaluationResult(scores, query, gallery, self.protocol, _intervals(scores), self.notes)


@dataclass(frozen=True)
class EvaluationResult:
    """Numbers, what they were computed from, and how sure they are.

    Attributes:
        scores: see :class:`RankingScores`.
        query: embedded queries.
        gallery: embedded gallery.
        protocol: which gallery rows are excluded for a query.
        intervals: 95 % over queries, for ``mAP`` and ``rank1``; fractions.
        notes: what the numbers cannot say.
    """

    scores: RankingScores
    query: Embeddings
    gallery: Embeddings
    protocol: Protocol
    intervals: dict[str, Interval]
    notes: tuple[str, ...]

    def in_percent(self) -> PercentScores:
        """The numbers of a summary."""
        return PercentScores.of(self.scores)

    def shown(self) -> EvaluationResult:
        """The same scores over the query and gallery of the first trial, for single rankings and pairs."""
        trials = trials_of(self.query, self.gallery, self.protocol)
        query, gallery = trials.first()
        return replace(self, query=query, gallery=gallery, protocol=trials.protocol)

    def by_spectrum(self) -> dict[str, PercentScores]:
        """The scores of the queries of each spectrum, where the protocol lets each search in the others."""
        if not self.protocol.other_spectrum:
            return {}
        manifest = self.query.manifest
        return {
            spectrum: PercentScores.of(self.scores.of_queries(np.flatnonzero([bool(cell) for cell in cells])))
            for spectrum in manifest.spectra
            if (cells := manifest.column(spectrum))
        }


@dataclass(frozen=True)
class PercentScores:
    """Scores as they are reported; None where no query has a match, since JSON has no NaN.

    Attributes:
        mAP, rank1, rank5, rank10, mINP: percent.
        queries: how many were scored or would have been.
        queries_without_match: of these, those without a match in the gallery, which are not scored.
        protocol: its name.
    """

    mAP: float | None  # noqa: N815 (the field writes it so)
    rank1: float | None
    rank5: float | None
    rank10: float | None
    mINP: float | None  # noqa: N815
    queries: int
    queries_without_match: int
    protocol: str

    @classmethod
    def of(cls, scores: RankingScores) -> PercentScores:
        """In percent."""
        numbers: dict[str, Any] = {
            name: None if isinstance(value, float) and np.isnan(value) else value
            for name, value in scores.as_percent().items()
        }
        return cls(**numbers)

    def as_json(self) -> dict[str, Any]:
        """By name, for JSON."""
        return asdict(self)

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> PercentScores | None:
        """What :meth:`as_json` gave, among other values; None where there are no scores.

        Raises:
            KeyError: some are missing.
        """
        if "protocol" not in values:
            return None
        return cls(**{each.name: values[each.name] for each in fields(cls)})


def _intervals(scores: RankingScores) -> dict[str, Interval]:
    return {name: bootstrap(values) for name, values in per_query(scores).items()}


def in_percent(intervals: Mapping[str, Interval]) -> dict[str, list[float | None]]:
    """Both ends in percent, for JSON; None where no query has a match."""
    return {
        name: [None if np.isnan(end) else 100 * end for end in (interval.low, interval.high)]
        for name, interval in intervals.items()
    }


def per_query(scores: RankingScores) -> dict[str, np.ndarray]:
    """What intervals are drawn from: one value per query, NaN where it has no match."""
    return {"mAP": scores.average_precision, "rank1": scores.hits(1)}


@dataclass(frozen=True)
class RecognizerEvaluation:
    """What ``reknow evaluate`` reports.

    Attributes:
        recognizer: its name.
        dataset: as the user named it.
        result: the scores and what they come from.
        numbers: the same in percent, with intervals and notes, as printed.
    """

    recognizer: str
    dataset: str
    result: EvaluationResult
    numbers: dict[str, Any]


def evaluate_recognizer(
    recognizer: Recognizer, data: str, *, rerank: bool = False, protocol: str | None = None, display: Display
) -> RecognizerEvaluation:
    """Score a recognizer on a data set.

    Args:
        recognizer: what to score, at its own picture size, and in 32 bit unless it was loaded with another precision;
            both are in the numbers.
        data: ``FORMAT:PATH`` of a data set with identities.
        rerank: also score the k-reciprocal re-ranking; takes 4 bytes per query-gallery pair.
        protocol: another one than the data set's own.
        display: what the user sees.

    Raises:
        EvaluationError: no identities, or none that a query could be matched by.
    """
    manifest, recognizer = open_dataset(data), recognizer.for_scores()
    split = evaluation_split(manifest, data, protocol)
    embeddings = recognizer.embed_manifest(split.manifest, display.bar("embedding"), pixels=True)
    result = split.score(embeddings)
    unread = split.manifest.notes_on(recognizer.network.columns)
    numbers = {
        "recognizer": recognizer.card.name,
        "dataset": data,
        **result.in_percent().as_json(),
        "intervals": in_percent(result.intervals),
        **_by_spectrum(result),
        **made_with(recognizer),
        "notes": list(dict.fromkeys((*manifest.notes, *unread, *result.notes, *result.scores.notes))),
    }
    if rerank:
        numbers["reranked"] = _reranked(result)
    return RecognizerEvaluation(recognizer.card.name, data, result, numbers)


def averaged_over_splits(evaluations: Sequence[RecognizerEvaluation]) -> dict[str, Any]:
    """Means over the splits of a data set, each scored with the recognizer that was trained on it.

    One recognizer on several splits would have been trained on individuals that it is tested with.

    Args:
        evaluations: one for each split, at least one.

    Returns:
        As :attr:`RecognizerEvaluation.numbers`: means in percent, queries added up, and the splits' own under
        ``splits``. A number that a split lacks is None.
    """
    each = [evaluation.result.in_percent() for evaluation in evaluations]
    means: dict[str, Any] = {}
    for name in ("mAP", "rank1", "rank5", "rank10", "mINP"):
        values = [getattr(scores, name) for scores in each]
        means[name] = None if None in values else float(np.mean(values))
    return {
        **means,
        "queries": sum(scores.queries for scores in each),
        "queries_without_match": sum(scores.queries_without_match for scores in each),
        "protocol": ", ".join(dict.fromkeys(scores.protocol for scores in each)),
        "splits": [
            {"recognizer": evaluation.recognizer, "dataset": evaluation.dataset, **scores.as_json()}
            for evaluation, scores in zip(evaluations, each, strict=True)
        ],
        "notes": list(dict.fromkeys(note for evaluation in evaluations for note in evaluation.numbers["notes"])),
    }


def made_with(recognizer: Recognizer) -> dict[str, Any]:
    """What scores were made with: precision, and size (height, width) of the pictures."""
    return {"score_precision": recognizer.computes_in, "score_size": list(recognizer.preprocessing.size)}


def evaluation_split(manifest: Manifest, data: str, protocol: str | None = None) -> EvaluationSplit:
    """The rows that ``reknow evaluate`` scores.

    Args:
        manifest: the data set.
        data: as the user named it.
        protocol: another one than the data set's own.

    Raises:
        EvaluationError: no identities, or none that a query could be matched by.
    """
    split = EvaluationSplit.of(manifest, protocol=protocol)
    queries, gallery = len(manifest.rows_of("query")), len(manifest.gallery_rows())
    if split is None and bool(queries) != bool(gallery):
        present, missing = ("query", "gallery") if queries else ("gallery", "query")
        raise EvaluationError(
            data,
            found=f"rows of the split {present} but none of the split {missing}",
            expected="both",
            remedy=f"Give some rows the split {missing}; where the individuals are those of training, add "
            "gallery=train.",
        )
    if split is None:
        raise EvaluationError(
            data,
            found="no identity that has a query and a gallery picture",
            expected="a column 'identity' with two pictures or more of an individual",
            remedy="Add identities (see docs: own data), or inspect groups: reknow embed, then reknow cluster.",
        )
    return split


def _by_spectrum(result: EvaluationResult) -> dict[str, Any]:
    directions = {spectrum: scores.as_json() for spectrum, scores in result.by_spectrum().items()}
    return {"by_query_spectrum": directions} if directions else {}


def _reranked(result: EvaluationResult) -> dict[str, Any]:
    scores = evaluate(result.query, result.gallery, result.protocol, distances=k_reciprocal)
    return {**PercentScores.of(scores).as_json(), "intervals": in_percent(_intervals(scores))}
