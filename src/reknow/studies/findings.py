"""Findings: the results of a study, as numbers, as a table and as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float

from reknow.evaluation.intervals import Interval
from reknow.studies.statistics import spread

HEADS = {
    "mAP": "mAP, %",
    "rank1": "rank-1, %",
    "mINP": "mINP, %",
    "start_mAP": "mAP before, %",
    "precision": "kept patches that are on the object, %",
    "recall": "the object's patches that are kept, %",
    "precision_frequency": "of those that the frequency score selects, on the object, %",
    "recall_by_chance": "patches kept, %",
    "operations": "operations of a picture, millions",
    "seconds": "training, s",
    "images_per_second": "pictures/s",
}
"""Headings of numbers whose own names are too short to be understood."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One variant over all seeds.

    Attributes:
        variant: its name.
        change: the fields that it declares, dotted.
        differs: the fields in which its recipe differs from the base's; the table shows them.
        numbers: per name, one value per seed; NaN where a run has none.
        difference: per name, variant minus first row, paired over seeds; empty in the first row.
        over_queries: the same difference of the first column, with its interval over queries.
    """

    variant: str
    change: Mapping[str, Any]
    differs: Mapping[str, Any]
    numbers: Mapping[str, Float[np.ndarray, "seeds"]]
    difference: Mapping[str, Interval] = field(default_factory=dict)
    over_queries: Interval | None = None

    def mean(self, name: str) -> float:
        """Over seeds; NaN where no run has the number."""
        return float(self.numbers[name].mean()) if name in self.numbers else math.nan

    def spread(self, name: str) -> float:
        """Standard deviation over seeds; NaN of one seed."""
        return spread(self.numbers[name]) if name in self.numbers else math.nan


@dataclass(frozen=True, kw_only=True)
class Findings:
    """The answer to a study's question.

    Attributes:
        study: its name.
        question: what it asks.
        columns: the numbers of the table; the first is the score.
        scale: ``quick``, ``laptop`` or ``gpu``.
        seeds: of the runs.
        base: the base recipe, as plain data.
        rows: one per variant; the first is what the others are compared with.
        measurements: per name, the measurements without a run: settings and numbers of each row.
        about: per measurement, one sentence.
        machines: where the runs took place; one entry unless they were spread over several machines or versions.
    """

    study: str
    question: str
    columns: tuple[str, ...]
    scale: str
    seeds: tuple[int, ...]
    base: Mapping[str, Any]
    rows: tuple[Row, ...]
    measurements: Mapping[str, Sequence[Mapping[str, Any]]]
    about: Mapping[str, str]
    machines: Sequence[Mapping[str, str]]

    @property
    def score(self) -> str:
        """The number that is compared."""
        return self.columns[0]

    def as_json(self) -> dict[str, Any]:
        """Everything, with every run's numbers; what has no value is null, since JSON knows no NaN."""
        return {
            "study": self.study,
            "question": self.question,
            "scale": self.scale,
            "seeds": list(self.seeds),
            "columns": list(self.columns),
            "rows": [_row_as_json(row) for row in self.rows],
            "measurements": {name: [dict(row) for row in rows] for name, rows in self.measurements.items()},
            "machines": [dict(machine) for machine in self.machines],
            "base": self.base,
        }

    def as_markdown(self) -> str:
        """The table, the measurements' tables, and how to read them."""
        lines = [f"# {self.study}", "", self.question, ""]
        if self.rows:
            lines += [*self._table(), "", self._legend(), ""]
        for name, rows in self.measurements.items():
            lines += [f"## {name}", "", self.about[name], "", *_measured(rows), ""]
        for machine in self.machines:
            lines.append("; ".join(f"{name} {value}" for name, value in machine.items()))
        return "\n".join(lines) + "\n"

    def _table(self) -> list[str]:
        head = ["variant", "differs in", *(HEADS.get(name, name) for name in self.columns)]
        head += [f"{self.score}: difference", "over seeds", "over queries"]
        return _aligned([head, *(self._cells(row) for row in self.rows)])

    def _cells(self, row: Row) -> list[str]:
        cells = [row.variant, _fields(row.differs)]
        for name in self.columns:
            around = row.spread(name)
            cells.append(_short(row.mean(name)) + ("" if math.isnan(around) else f" ± {_short(around)}"))
        if self.score not in row.difference:
            return [*cells, "", "", ""]
        seeds, queries = row.difference[self.score], row.over_queries
        return [*cells, f"{seeds.mean:+.1f}", _ends(seeds), "" if queries is None else _ends(queries)]

    def _legend(self) -> str:
        count = len(self.seeds)
        runs = f"Mean ± standard deviation over {count} seeds" if count > 1 else f"One seed ({self.seeds[0]})"
        return (
            f"{runs}, scale '{self.scale}'. Differences are to '{self.rows[0].variant}', paired by seed, with 95 % "
            "intervals: over seeds (t) for another training on another world, over queries (bootstrap) for other "
            "queries of these worlds."
        )


def _row_as_json(row: Row) -> dict[str, Any]:
    return {
        "variant": row.variant,
        "differs": dict(row.differs),
        "mean": {name: _number(row.mean(name)) for name in row.numbers},
        "spread": {name: _number(row.spread(name)) for name in row.numbers},
        "difference_over_seeds": {name: _interval(interval) for name, interval in row.difference.items()},
        "difference_over_queries": None if row.over_queries is None else _interval(row.over_queries),
        "runs": {name: [_number(value) for value in values.tolist()] for name, values in row.numbers.items()},
    }


def _interval(interval: Interval) -> dict[str, float | None]:
    return {"mean": _number(interval.mean), "low": _number(interval.low), "high": _number(interval.high)}


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 4)


def _ends(interval: Interval) -> str:
    return "" if math.isnan(interval.low) else f"[{interval.low:+.1f}, {interval.high:+.1f}]"


def _short(value: float) -> str:
    """Digits by size: 1,234 and 56.7 and 0.891; a dash for NaN."""
    if math.isnan(value):
        return "-"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 1 else f"{value:.3f}"


def _fields(differs: Mapping[str, Any]) -> str:
    """Fields without the part of the recipe that they all lie in, and classes by their own names."""
    words = []
    for path, value in differs.items():
        name = path.removeprefix("method.")
        if name.rpartition(".")[2] == "type":
            name, value = name.rpartition(".")[0] or "method", str(value).rpartition(".")[2].removesuffix("Config")
        words.append(f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}")
    return ", ".join(words)


def _measured(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    head = list(dict.fromkeys(name for row in rows for name in row))
    cells = [[_cell(row.get(name, "")) for name in head] for row in rows]
    return _aligned([[name.replace("_", " ") for name in head], *cells])


def _cell(value: Any) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.3g}" if isinstance(value, float) else str(value)


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """A markdown table that also reads well as plain text."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [f"| {' | '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))} |" for row in rows]
    return [lines[0], f"|{'|'.join('-' * (width + 2) for width in widths)}|", *lines[1:]]
