"""What the page says of chosen patches: shares as they are printed, and pictures with their marks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from reknow.evaluation.intervals import Interval
from reknow.explain.run import SHOWN
from reknow.explain.shares import Share
from reknow.explain.sheet import PANEL, panels
from reknow.explain.tokens import Explanation
from reknow.report.thumbnails import Thumbnail, thumbnails

BUDGET = 700_000
"""Bytes of all panels as text: six pictures of three panels take half of it."""

_QUESTIONS = {
    "negatives_on_background": "Patches taken for something else that lie on background",
    "positives_on_person": "Patches taken for the object that lie on the person",
}


@dataclass(frozen=True)
class MarkedPicture:
    """One picture of the section.

    Attributes:
        name: its observation id.
        panels: (title, thumbnail) from left to right.
    """

    name: str
    panels: list[tuple[str, Thumbnail]]

    @property
    def bytes(self) -> int:
        """What it takes of the page's budget."""
        return sum(len(thumbnail.address) for _, thumbnail in self.panels)


def marked_pictures(explanation: Explanation | None) -> list[MarkedPicture]:
    """The first pictures of an explanation; none without one."""
    if explanation is None:
        return []
    rows = [panels(explanation, row) for row in range(min(SHOWN, len(explanation.names)))]
    small = iter(thumbnails([panel for row in rows for panel in row.values()], BUDGET, longest=PANEL))
    return [
        MarkedPicture(name, [(title, next(small)) for title in row])
        for name, row in zip(explanation.names, rows, strict=False)
    ]


def shares_of(explanation: Explanation | None) -> list[dict[str, Any]]:
    """The rows of the table, in percent: question, chance, and before, after and change as (mean, low, high)."""
    return [] if explanation is None else [_row(share) for share in explanation.shares]


def _row(share: Share) -> dict[str, Any]:
    return {
        "question": _QUESTIONS[share.name],
        "chance": 100 * share.chance,
        "before": _percent(share.found.get("before")),
        "after": _percent(share.found["after"]),
        "change": _percent(share.change),
    }


def _percent(interval: Interval | None) -> tuple[float, float, float] | None:
    return None if interval is None else (100 * interval.mean, 100 * interval.low, 100 * interval.high)
