"""What the page says of selected patches: shares as they are printed, and observations with their marks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from reknow.evaluation.intervals import Interval
from reknow.explain.explanation import Explanation
from reknow.explain.measures import Share
from reknow.explain.run import SHOWN
from reknow.report.thumbnails import Thumbnail, thumbnails

BUDGET = 700_000
"""Bytes of all panels as text: six pictures of three panels take half of it."""

PANELS_AT_MOST = 90
"""Panels of a page: four observations in three spectra of seven panels; with more, the section buries the others."""


@dataclass(frozen=True)
class MarkedPicture:
    """One observation of the section.

    Attributes:
        name: its id.
        lines: (title, panels) from top to bottom, each panel (title, thumbnail) from left to right.
    """

    name: str
    lines: list[tuple[str, list[tuple[str, Thumbnail]]]]

    @property
    def bytes(self) -> int:
        """What it takes of the page's budget."""
        return sum(len(thumbnail.address) for _, panels in self.lines for _, thumbnail in panels)


def marked_pictures(explanation: Explanation | None) -> list[MarkedPicture]:
    """The first observations of an explanation; none without one."""
    if explanation is None:
        return []
    first = explanation.panels(0)
    count = max(1, min(SHOWN, len(explanation.names), PANELS_AT_MOST // sum(map(len, first.values()))))
    rows = [first, *(explanation.panels(row) for row in range(1, count))]
    panels = [panel for row in rows for line in row.values() for panel in line.values()]
    small = iter(thumbnails(panels, BUDGET, longest=max(panels[0].shape)))
    return [
        MarkedPicture(name, [(line, [(title, next(small)) for title in titles]) for line, titles in row.items()])
        for name, row in zip(explanation.names, rows, strict=False)
    ]


def legend_of(explanation: Explanation | None) -> list[tuple[Thumbnail, str]]:
    """A sample of each mark, and what it means."""
    if explanation is None:
        return []
    samples = thumbnails([np.asarray(mark.sample()) for mark, _ in explanation.legend])
    return list(zip(samples, [meaning for _, meaning in explanation.legend], strict=True))


def shares_of(explanation: Explanation | None) -> list[dict[str, Any]]:
    """The rows of the table, in percent: question, chance, and before, after and change as (mean, low, high)."""
    return [] if explanation is None else [_row(share) for share in explanation.leading]


def _row(share: Share) -> dict[str, Any]:
    chance = {moment: f"{100 * value:.1f}" for moment, value in share.chance.items()}
    earlier = chance.get("before")
    return {
        "question": share.question,
        "chance": chance["after"],
        "chance_before": earlier if earlier != chance["after"] else None,
        "before": _percent(share.found.get("before")),
        "after": _percent(share.found["after"]),
        "change": _percent(share.change),
    }


def _percent(interval: Interval | None) -> tuple[float, float, float] | None:
    return None if interval is None else (100 * interval.mean, 100 * interval.low, 100 * interval.high)
