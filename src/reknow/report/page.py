"""The report's page: one HTML file that needs nothing else, not even a network.

:func:`_sections` says what goes in it, from top to bottom. The words are in ``page.html``, the layout in ``page.css``,
the colors in :mod:`reknow.explain.colors`. Pictures and figures lie inside the file, the colors follow the reader's
light or dark setting, and there is no script. Equal content gives equal bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from reknow.report import numbers, plots
from reknow.report.content import RANKED_AT_MOST, Group, Kind, RankRow, RunReport
from reknow.report.images import BUDGET, Thumbnail, legend_thumbnails, marked_pictures, thumbnails
from reknow.report.svg import Plot
from reknow.report.templates import from_template
from reknow.writing import written_whole

DIAGNOSTICS = (12, 400_000, 560)
"""Diagnostic pictures of a page at most, their bytes, and the pixels of the longer side; the run's folder has all."""

_SHEETS: dict[Kind, tuple[str, str]] = {
    "best": ("Best queries", "What the recognizer finds without effort."),
    "typical": ("Typical queries", "Those whose average precision lies nearest to the median: what to expect."),
    "worst": ("Worst queries", "Where it fails: check what the misses share with the query."),
}


@dataclass(frozen=True)
class Section:
    """One section of the page.

    Attributes:
        anchor: its id; ``page.html`` has a part for each.
        heading: its heading.
        has_data: whether the content has something to show; otherwise the section is left out.
        values: what its part of ``page.html`` reads.
    """

    anchor: str
    heading: str
    has_data: bool
    values: dict[str, Any] = field(default_factory=dict)


def _sections(content: RunReport) -> list[Section]:
    """What goes in the report, from top to bottom; a section without data is left out.

    With labels the numbers come first and the groups after the queries; without labels the groups are the evidence and
    come second.
    """
    # Panels and diagnostics take their share of the page's bytes first, rankings and groups share what is left.
    panels, attention = marked_pictures(content.patches), marked_pictures(content.attention)
    diagnostics = _diagnostics(content)
    used = sum(shown.bytes for shown in panels + attention) + sum(len(image.address) for _, image in diagnostics)
    small = iter(thumbnails(_pictures(content), BUDGET - used))
    rank_sheets = _rank_sheets(content, small)
    group_strips = [_group_strip(group, small) for group in content.groups or ()]

    metrics, counts = numbers.metrics_of(content), numbers.counts_of(content)
    labelled = bool(metrics)
    retrieval = [
        plots.cmc(content.cmc),
        plots.average_precision(content.average_precision),
        plots.change(content.average_precision),
        plots.similarities(content.scores),
    ]
    training = [
        plots.losses(content.metrics.steps),
        plots.evaluations(content.metrics.evaluations),
        plots.clusters(content.metrics.epochs),
        plots.outliers_and_purity(content.metrics.epochs),
        plots.learning_rate(content.metrics.steps),
    ]
    groups = Section(
        "groups",
        "Groups",
        bool(group_strips),
        {"strips": group_strips, "sentence": _groups_sentence(content), "trust": content.trust if labelled else None},
    )
    sections = [
        Section(
            "numbers",
            "Numbers" if labelled else "What these data can say",
            bool(labelled or counts or group_strips),
            {
                "metrics": metrics,
                "basis": numbers.basis_of(content),
                "counts": counts,
                "unmeasured": numbers.why_unmeasured(content),
                "grouped": bool(group_strips),
                "trust": content.trust,
            },
        ),
        *([] if labelled else [groups]),
        Section(
            "rankings",
            "Rank sheets",
            bool(rank_sheets),
            {
                "sheets": rank_sheets,
                "spectra": content.rank_sheets[0].spectra if content.rank_sheets else (),
                "cameras": any(result.camera for row in content.rank_sheets for result in row.results),
            },
        ),
        _figures("retrieval", "Retrieval", retrieval),
        *([groups] if labelled else []),
        Section(
            "patches",
            "Patches",
            bool(panels),
            {
                "explanation": content.patches,
                "shares": numbers.shares_of(content.patches),
                "legend": legend_thumbnails(content.patches),
                "pictures": panels,
            },
        ),
        Section(
            "attention",
            "Attention",
            bool(attention),
            {"explanation": content.attention, "pictures": attention},
        ),
        Section(
            "diagnostics",
            "Diagnostics of the method",
            bool(diagnostics),
            {"pictures": diagnostics, "left": len(content.diagnostics) - len(diagnostics)},
        ),
        _figures("training", "Training", training),
        Section("recipe", "Recipe", bool(content.recipe.strip()), {"text": content.recipe}),
        Section("machine", "Machine", bool(content.machine), {"facts": content.machine}),
    ]
    return [section for section in sections if section.has_data]


def write_report(content: RunReport, path: Path) -> Path:
    """Write the report as one HTML file, beside and then renamed, never half.

    Args:
        content: what the page shows.
        path: the file, usually ``report.html`` in the run's folder, which must exist.

    Returns:
        `path`.

    Raises:
        RunError: the file cannot be written.
    """
    path = Path(path)
    text = render(content)
    with written_whole(path) as beside:
        beside.write_text(text, encoding="utf-8")
    return path


def render(content: RunReport) -> str:
    """The report as HTML text."""
    return from_template(
        "page.html",
        title=content.title,
        kind="a run" if content.recipe else "an evaluation",
        facts=numbers.run_facts(content),
        notes=[str(note) for note in content.summary.get("notes") or ()],
        sections=_sections(content),
    )


def _figures(anchor: str, heading: str, figures: list[Plot | None]) -> Section:
    drawn = [plot for plot in figures if plot]
    return Section(anchor, heading, bool(drawn), {"plots": drawn})


def _diagnostics(content: RunReport) -> list[tuple[Any, Thumbnail]]:
    most, bytes_at_most, longest = DIAGNOSTICS
    shown = content.diagnostics[:most]
    images = thumbnails([diagnostic.picture for diagnostic in shown], bytes_at_most, longest=longest)
    return list(zip(shown, images, strict=True))


def _pictures(content: RunReport) -> list[np.ndarray]:
    """Pictures of queries and groups, in the order of :func:`_rank_sheets` and :func:`_group_strip`."""
    pictures = []
    for kind in _SHEETS:
        for row in content.rank_sheets:
            if row.kind == kind:
                pictures += [row.picture, *(result.picture for result in row.results[:RANKED_AT_MOST])]
    for group in content.groups or ():
        pictures += group.pictures
    return pictures


def _rank_sheets(content: RunReport, small: Iterator[Thumbnail]) -> list[dict[str, Any]]:
    sheets = []
    for kind, (title, sentence) in _SHEETS.items():
        rankings = [_ranking(row, small) for row in content.rank_sheets if row.kind == kind]
        if rankings:
            sheets.append({"title": title, "sentence": sentence, "rankings": rankings})
    return sheets


def _ranking(row: RankRow, small: Iterator[Thumbnail]) -> dict[str, Any]:
    query = next(small)
    results = [(result, next(small)) for result in row.results[:RANKED_AT_MOST]]
    return {"row": row, "query": query, "results": results, "wide": query.width > query.height}


def _group_strip(group: Group, small: Iterator[Thumbnail]) -> dict[str, Any]:
    title = "In no group" if group.label == "-1" else f"Group {group.label}"
    impostors = group.impostors or [False] * len(group.pictures)
    return {"title": title, "group": group, "pictures": [(next(small), impostor) for impostor in impostors]}


def _groups_sentence(content: RunReport) -> str:
    groups = content.groups or ()
    sentence = "Images that clustering assigns to one individual: groups of every size, a sample of each."
    if any(group.purity is not None for group in groups):
        sentence += " Purity is the share of a group's images that show its most frequent identity."
    if any(any(group.impostors) for group in groups):
        sentence += " A broken red frame with a cross marks another identity."
    return sentence
