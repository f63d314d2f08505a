"""Build a report: collect from a run, or from an evaluation alone, what its page shows, and write it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from reknow.clustering.final_groups import final_groups
from reknow.data.formats import open_dataset
from reknow.data.groups import write_groups
from reknow.errors import ReknowError, RunError
from reknow.evaluation.intervals import bootstrap, paired_difference
from reknow.evaluation.ranking import rows_of
from reknow.evaluation.scores import RankingScores
from reknow.evaluation.trust import trust_in
from reknow.explain.attention import attention_in
from reknow.explain.attention_explanation import AttentionExplanation
from reknow.explain.run import explain_run
from reknow.machine import machine
from reknow.recognizer import load
from reknow.recognizer.evaluation import EvaluationResult, RecognizerEvaluation, per_query
from reknow.report.content import GroupCounts, PairScores, RunReport
from reknow.report.examples import groups_shown, rankings
from reknow.report.page import write_report
from reknow.training.train import Outcome
from reknow.writing import write_file

GROUPED_AT_MOST = 50_000
"""Training pictures at most that a report groups; `reknow cluster` groups more."""

PAIRS_SAMPLED = 200_000
"""Query-gallery pairs behind the histogram of similarities: its bars move by less than a pixel with more."""


def report_of(outcome: Outcome) -> Path:
    """Write a run's ``report.html``, and ``groups.csv`` of its training pictures; returns the report's path."""
    folder = outcome.run.folder
    before, after = outcome.before, outcome.after
    moments = {"before": before, "after": None if after is None else after.scores}
    scores = {moment: each for moment, each in moments.items() if each is not None}
    groups = counts = trust = None
    if len(outcome.training) <= GROUPED_AT_MOST:
        final = final_groups(outcome.training.vectors)
        labels, trust = final.groups.labels, trust_in(final, outcome.training)
        if not (folder / "groups.csv").exists():  # a run that was resumed after its end has it
            write_groups(outcome.training.manifest, labels, folder / "groups.csv")
        groups = groups_shown(outcome.training.manifest, labels)
        counts = GroupCounts(len(labels), final.groups.num_clusters, final.groups.num_outliers)
    selects = outcome.recipe.method.selects_patches(outcome.recipe.network)
    content = RunReport(
        title=f"{outcome.recipe.name} on {outcome.recipe.scored_data}",
        summary=outcome.summary.as_json(),
        intervals=_intervals(before, None if after is None else after.scores),
        metrics=outcome.run.metrics(),
        cmc={moment: each.cmc for moment, each in scores.items()},
        average_precision={moment: each.average_precision for moment, each in scores.items()},
        scores=None if after is None else _pair_scores(after),
        rank_sheets=() if after is None else rankings(after),
        groups=groups,
        group_counts=counts,
        trust=trust,
        patches=explain_run(outcome.run) if selects else None,
        attention=_attention(outcome),
        diagnostics=outcome.run.diagnostics(),
        recipe=(folder / "recipe.yaml").read_text(encoding="utf-8"),
        machine=machine(),
    )
    return write_report(content, folder / "report.html")


def _attention(outcome: Outcome) -> AttentionExplanation | None:
    """What the trained network attends to; None where this cannot be shown: the rest of the report does not need it."""
    try:
        return attention_in({"attention": load(outcome.run.folder)}, open_dataset(outcome.recipe.data))
    except ReknowError:
        return None


def evaluation_report(evaluation: RecognizerEvaluation, folder: Path) -> Path:
    """Write ``report.html`` and ``scores.json`` of an evaluation without training into a new folder.

    Returns:
        the report's path.

    Raises:
        RunError: the folder exists and holds something, or it cannot be written.
    """
    folder = Path(folder)
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise RunError(folder, found="already exists and is not empty", remedy="Name another folder with --out.")
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:  # ValueError: a null character in its name
        raise RunError(folder, found=f"cannot be made ({error})", remedy="Name another folder with --out.") from error
    after = evaluation.result
    content = RunReport(
        title=f"{evaluation.recognizer} on {evaluation.dataset}",
        summary=evaluation.numbers,
        intervals=_intervals(None, after.scores) | _reranked_intervals(evaluation.numbers),
        cmc={"after": after.scores.cmc},
        average_precision={"after": after.scores.average_precision},
        scores=_pair_scores(after),
        rank_sheets=rankings(after),
        machine=machine(),
    )
    write_file(folder / "scores.json", json.dumps(evaluation.numbers, indent=2) + "\n")
    return write_report(content, folder / "report.html")


def _intervals(before: RankingScores | None, after: RankingScores | None) -> dict[str, tuple[float, float]]:
    """95 % intervals in percent of the numbers and of their paired change."""
    intervals: dict[str, tuple[float, float]] = {}
    for prefix, scores in (("start.", before), ("", after)):
        for name, values in (per_query(scores) if scores else {}).items():
            interval = bootstrap(values)
            intervals[prefix + name] = (100 * interval.low, 100 * interval.high)
    if before is not None and after is not None:
        earlier, later = per_query(before), per_query(after)
        for name in later:
            change = paired_difference(earlier[name], later[name])
            intervals[f"change.{name}"] = (100 * change.low, 100 * change.high)
    return intervals


def _reranked_intervals(numbers: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    """95 % intervals in percent of the numbers after re-ranking, where there are any."""
    intervals = (numbers.get("reranked") or {}).get("intervals", {})
    return {f"reranked.{name}": (low, high) for name, (low, high) in intervals.items() if low is not None}


def _pair_scores(result: EvaluationResult) -> PairScores | None:
    """Similarities of a fixed random sample of query-gallery pairs; what the protocol removes is in neither half."""
    shown = result.shown()
    query, gallery = shown.query, shown.gallery
    rows = rows_of(query, gallery, shown.protocol)
    sampled = np.random.default_rng(0).permutation(len(query))[: max(1, PAIRS_SAMPLED // len(gallery))]
    sampled = sampled[rows.query_identity[sampled] >= 0]
    similarity = query.vectors[sampled] @ gallery.vectors.T
    genuine = rows.query_identity[sampled][:, None] == rows.gallery_identity[None, :]
    removed = rows.removed(sampled)
    if not (genuine & ~removed).any():
        return None
    return PairScores(similarity[genuine & ~removed], similarity[~genuine & ~removed])
