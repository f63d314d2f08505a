"""Figures of studies: all in one style, on white, with marks and strokes that differ without color.

A filled mark is a mean over seeds, an open one a single run, a bar an interval or a spread that the axis names.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import matplotlib as mpl
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reknow.studies.findings import HEADS, Findings, Row

INK, SOFT, PALE = "#1a1a1a", "#707070", "#d9d9d9"
STROKES: tuple[tuple[str, str], ...] = (("o", "-"), ("s", "--"), ("^", ":"), ("D", "-."))
"""Marks and strokes of up to four lines in one panel."""

# Any: matplotlib's stubs want a literal type that only they know.
_STYLE: dict[Any, Any] = {
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": INK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": PALE,
    "grid.linewidth": 0.6,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 1.4,
    "lines.markersize": 5,
}


def style() -> AbstractContextManager[None]:
    """The common style, for everything that is drawn inside."""
    return mpl.rc_context(_STYLE)


def panels(findings: Findings, rows: int, columns: int, *, height: float = 3.4) -> tuple[Figure, list[Axes]]:
    """A figure under the study's question, with its panels row by row.

    Args:
        findings: whose question it is.
        rows: of panels.
        columns: of panels.
        height: of a panel, in inches; a panel of two is 5 inches wide.
    """
    figure = Figure(figsize=(10, height * rows + 0.5), layout="constrained", facecolor="white")
    figure.suptitle(findings.question, x=0.01, ha="left", fontsize=11, fontweight="bold", wrap=True)
    return figure, list(np.atleast_1d(figure.subplots(rows, columns)).flat)


def label(name: str) -> str:
    """What an axis calls a number."""
    return HEADS.get(name, name)


def comparison(findings: Findings) -> Figure:
    """Left each variant's score, right its difference to the first: bars are 95 % intervals."""
    with style():
        figure, (left, right) = panels(findings, 1, 2, height=0.42 * len(findings.rows) + 1.6)
        for place, row in enumerate(findings.rows):
            runs(left, row.numbers.get(findings.score, np.full(1, np.nan)), place)
            if findings.score in row.difference:
                _difference(right, findings, row, place)
        left.set_yticks(range(len(findings.rows)), [row.variant for row in findings.rows])
        right.set_yticks(range(len(findings.rows)), [""] * len(findings.rows))
        for axes in (left, right):
            axes.set_ylim(len(findings.rows) - 0.5, -0.5)
            axes.grid(axis="y", visible=False)
        left.set_xlabel(f"{label(findings.score)}: open marks are seeds, filled ones their mean")
        right.axvline(0, color=SOFT, linewidth=1)
        right.set_xlabel(f"{findings.score} minus that of '{findings.rows[0].variant}'")
        handles, _ = right.get_legend_handles_labels()
        if handles:
            figure.legend(loc="outside lower right", ncols=2)
        return figure


def runs(axes: Axes, values: Float[np.ndarray, "seeds"], place: int) -> None:
    """The runs of one variant and their mean, on a horizontal line."""
    axes.plot(values, np.full(len(values), place), "o", markerfacecolor="none", markeredgecolor=SOFT, zorder=2)
    axes.plot([values.mean()], [place], "D", color=INK, markersize=6, zorder=3)


def _difference(axes: Axes, findings: Findings, row: Row, place: int) -> None:
    """The two intervals below each other: solid over seeds, dashed over queries."""
    seeds = row.difference[findings.score]
    first = place == 1
    if not np.isnan(seeds.low):
        axes.plot([seeds.low, seeds.high], [place - 0.12] * 2, "-|", color=INK, label="over seeds" if first else None)
    axes.plot([seeds.mean], [place - 0.12], "D", color=INK, markersize=6)
    if row.over_queries is not None and not np.isnan(row.over_queries.low):
        ends = [row.over_queries.low, row.over_queries.high]
        axes.plot(ends, [place + 0.12] * 2, "--|", color=SOFT, label="over queries" if first else None)


def line(axes: Axes, rows: Sequence[Row], name: str, at: Sequence[float], *, stroke: int = 0, legend: str = "") -> None:
    """The means of a number against a setting. Their spread stands in the table: bars of several lines would overlap.

    Args:
        axes: where.
        rows: the variants, in the order of the axis.
        name: the number.
        at: the setting of each.
        stroke: which marks and dashes, 0 to 3.
        legend: what the legend calls the line.
    """
    mark, dashes = STROKES[stroke]
    color = INK if stroke % 2 == 0 else SOFT
    axes.plot(at, [row.mean(name) for row in rows], mark, linestyle=dashes, color=color, label=legend or None)
