"""The numbers of a page as it prints them: metrics, counts, facts of the run, shares of selected patches.

Percentages of metrics have one decimal, and a difference is that of the printed numbers, so that a reader who subtracts
them gets the same.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reknow.evaluation.intervals import Interval
from reknow.explain.explanation import Explanation
from reknow.explain.precision_recall import Share
from reknow.report.content import METRICS, RunReport

Range = tuple[float, float]
"""Both ends of an interval, in percent."""


@dataclass(frozen=True)
class Metric:
    """One metric before and after.

    Attributes:
        name: as the field writes it.
        after: percent, one decimal.
        before: percent, one decimal; None without a start.
        interval: 95 %, of `after`.
        interval_before: 95 %, of `before`.
        interval_change: 95 %, of the change, queries paired.
        reranked: percent after k-reciprocal re-ranking, one decimal; None without re-ranking.
        interval_reranked: 95 %, of `reranked`.
    """

    name: str
    after: float
    before: float | None
    interval: Range | None
    interval_before: Range | None
    interval_change: Range | None
    reranked: float | None = None
    interval_reranked: Range | None = None

    @property
    def change(self) -> float | None:
        """Percentage points, from the printed numbers."""
        return None if self.before is None else round(self.after - self.before, 1)


def metrics_of(content: RunReport) -> list[Metric]:
    """Every metric that the summary has, in the order of the page."""
    start: Mapping[str, Any] = content.summary.get("start") or {}
    reranked: Mapping[str, Any] = content.summary.get("reranked") or {}
    return [
        Metric(
            name=name,
            after=round(float(content.summary[key]), 1),
            before=round(float(start[key]), 1) if _is_number(start.get(key)) else None,
            interval=_interval(content, key),
            interval_before=_interval(content, f"start.{key}"),
            interval_change=_interval(content, f"change.{key}"),
            reranked=round(float(reranked[key]), 1) if _is_number(reranked.get(key)) else None,
            interval_reranked=_interval(content, f"reranked.{key}"),
        )
        for key, name in METRICS.items()
        if _is_number(content.summary.get(key))
    ]


def basis_of(content: RunReport) -> str:
    """One sentence on how the metrics were computed: protocol, queries, and those that could not be scored."""
    summary = content.summary
    parts = []
    if summary.get("protocol"):
        parts.append(f"Protocol {summary['protocol']}")
    if summary.get("queries") is not None:
        parts.append(f"{int(summary['queries']):,} queries")
    if summary.get("queries_without_match"):
        parts.append(f"{int(summary['queries_without_match']):,} of them without a match and not scored")
    if content.intervals:
        parts.append("95 % intervals over queries")
    if summary.get("score_precision"):
        precision, (height, width) = summary["score_precision"], summary["score_size"]
        bits = "32 bit" if precision == "32" else precision
        parts.append(f"scores made in {bits} from pictures of {height} x {width}")
    return ", ".join(parts) + "." if parts else ""


def why_unmeasured(content: RunReport) -> str:
    """Why a report has no metrics, in one sentence."""
    if content.summary.get("queries"):
        return (
            f"None of the {int(content.summary['queries']):,} queries has a match in the gallery, so there is nothing "
            "to score: there is no mAP and no rank-1 here."
        )
    if any(group.purity is not None for group in content.groups or ()):
        return "These data have no query and gallery rows, so there is no mAP and no rank-1 here."
    return (
        "These images carry no identities, so it cannot be computed how often a match is right: there is no mAP, no "
        "rank-1 and no purity here."
    )


def counts_of(content: RunReport) -> list[tuple[str, str]]:
    """What can be counted without labels: (value, what it counts).

    From the groups that the page shows; of a run too large to be grouped by its report, from its last epoch.
    """
    if content.group_counts is not None:
        counted = content.group_counts
        share = 100 * counted.in_none / max(1, counted.images)
        return [
            (f"{counted.images:,}", "images"),
            (f"{counted.groups:,}", "groups"),
            (f"{share:.1f} %", "of the images in no group"),
        ]
    epochs = content.metrics.epochs
    last: Mapping[str, float] = epochs[-1].diagnostics if epochs else {}
    images = content.summary.get("images", last.get("rows"))
    facts = []
    if images is not None:
        facts.append((f"{int(images):,}", "images"))
    if last.get("clusters") is not None:
        facts.append((f"{int(last['clusters']):,}", "groups in the last epoch"))
    if last.get("outliers") is not None and last.get("rows"):
        facts.append((f"{100 * last['outliers'] / last['rows']:.1f} %", "of the images in no group"))
    return facts


def run_facts(content: RunReport) -> list[tuple[str, str]]:
    """What the run was and what it took: (name, value)."""
    summary = content.summary
    facts = [(key, str(summary[key])) for key in ("method", "dataset", "seed") if summary.get(key) is not None]
    if summary.get("seconds") is not None:
        facts.append(("time", duration(float(summary["seconds"]))))
    if summary.get("images_per_second") is not None:
        facts.append(("speed", f"{float(summary['images_per_second']):,.0f} images/s"))
    if summary.get("peak_memory_gb") is not None:
        facts.append(("peak memory", f"{float(summary['peak_memory_gb']):.1f} GB"))
    return facts


def shares_of(explanation: Explanation | None) -> list[dict[str, Any]]:
    """The rows of the table, in percent: title, chance, and before, after and change as (mean, low, high)."""
    return [] if explanation is None else [_share_row(share) for share in explanation.leading]


def _share_row(share: Share) -> dict[str, Any]:
    chance = {moment: f"{100 * value:.1f}" for moment, value in share.chance.items()}
    earlier = chance.get("before")
    return {
        "title": share.title,
        "chance": chance["after"],
        "chance_before": earlier if earlier != chance["after"] else None,
        "before": _percent(share.value.get("before")),
        "after": _percent(share.value["after"]),
        "change": _percent(share.change),
    }


def _percent(interval: Interval | None) -> tuple[float, float, float] | None:
    return None if interval is None else (100 * interval.mean, 100 * interval.low, 100 * interval.high)


def _interval(content: RunReport, key: str) -> Range | None:
    interval = content.intervals.get(key)
    return interval if interval is not None and all(map(_is_number, interval)) else None


def _is_number(value: Any) -> bool:
    """Present and finite: where no query has a match, a mean over queries is NaN."""
    return value is not None and math.isfinite(float(value))


def duration(seconds: float) -> str:
    """Seconds in words.

    Example:
        >>> duration(42.4), duration(200.0), duration(7500.0)
        ('42 s', '3 min 20 s', '2 h 5 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
