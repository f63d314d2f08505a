"""The report: one HTML file that needs nothing else, not even a network.

Pictures and figures lie inside the file, the style follows the reader's light or dark setting, and there is no script.
Equal content gives equal bytes. The words and their order are in ``page.html``, the look in ``page.css``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2

from reknow.report import curves, headline, retrieval
from reknow.report.content import Group, Kind, RankRow, RunReport
from reknow.report.patches import legend_of, marked_pictures, shares_of
from reknow.report.rank_sheet import SHOWN
from reknow.report.thumbnails import BUDGET, Thumbnail, thumbnails
from reknow.writing import written_whole

DIAGNOSTICS = (12, 400_000, 560)
"""Diagnostic pictures of a page at most, their bytes, and the pixels of the longer side; the run's folder has all."""

_SHEETS: dict[Kind, tuple[str, str]] = {
    "best": ("Best queries", "What the recognizer finds without effort."),
    "typical": ("Typical queries", "Those whose average precision lies nearest to the median: what to expect."),
    "worst": ("Worst queries", "Where it fails: look for what the misses share with the query."),
}


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
    folder = Path(__file__).parent
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html").render(_values(content))


def _values(content: RunReport) -> dict[str, Any]:
    """What the template reads."""
    marked = marked_pictures(content.patches)
    most, bytes_at_most, longest = DIAGNOSTICS
    shown = content.diagnostics[:most]
    diagnostics = list(
        zip(shown, thumbnails([one.picture for one in shown], bytes_at_most, longest=longest), strict=True)
    )
    taken = sum(picture.bytes for picture in marked) + sum(len(picture.address) for _, picture in diagnostics)
    small = iter(thumbnails(_pictures(content), BUDGET - taken))
    lines = content.metrics
    retrieval_plots = [
        retrieval.cmc(content.cmc),
        retrieval.average_precision(content.average_precision),
        retrieval.change(content.average_precision),
        retrieval.similarities(content.scores),
    ]
    training_plots = [
        curves.losses(lines),
        curves.evaluations(lines),
        curves.clusters(lines),
        curves.outliers_and_purity(lines),
        curves.learning_rate(lines),
    ]
    values: dict[str, Any] = {
        "content": content,
        "run_facts": headline.run_facts(content),
        "notes": [str(note) for note in content.summary.get("notes") or ()],
        "metrics": headline.metrics_of(content),
        "basis": headline.basis_of(content),
        "counts": headline.counts_of(content),
        "unmeasured": headline.why_unmeasured(content),
        "cameras": any(result.camera for row in content.rank_sheets for result in row.results),
        "sheets": _sheets(content, small),
        "groups": [_strip(group, small) for group in content.groups or ()],
        "groups_sentence": _groups_sentence(content),
        "marked": marked,
        "legend": legend_of(content.patches),
        "shares": shares_of(content.patches),
        "diagnostics": diagnostics,
        "diagnostics_left": len(content.diagnostics) - len(diagnostics),
        "retrieval": [plot for plot in retrieval_plots if plot],
        "training": [plot for plot in training_plots if plot],
    }
    return {**values, "sections": _sections(content, values)}


def _pictures(content: RunReport) -> list[Any]:
    """Every picture of the page, in the order in which :func:`_sheets` and :func:`_strip` take their thumbnails."""
    found = []
    for kind in _SHEETS:
        for row in content.rank_sheets:
            if row.kind == kind:
                found += [row.picture, *(result.picture for result in row.results[:SHOWN])]
    for group in content.groups or ():
        found += group.pictures
    return found


def _sheets(content: RunReport, small: Iterator[Thumbnail]) -> list[dict[str, Any]]:
    sheets = []
    for kind, (title, sentence) in _SHEETS.items():
        rankings = [_ranking(row, small) for row in content.rank_sheets if row.kind == kind]
        if rankings:
            sheets.append({"title": title, "sentence": sentence, "rankings": rankings})
    return sheets


def _ranking(row: RankRow, small: Iterator[Thumbnail]) -> dict[str, Any]:
    query = next(small)
    results = [(result, next(small)) for result in row.results[:SHOWN]]
    return {"row": row, "query": query, "results": results, "wide": query.width > query.height}


def _strip(group: Group, small: Iterator[Thumbnail]) -> dict[str, Any]:
    title = "In no group" if group.label == "-1" else f"Group {group.label}"
    strangers = group.strangers or [False] * len(group.pictures)
    return {"title": title, "group": group, "pictures": [(next(small), stranger) for stranger in strangers]}


def _groups_sentence(content: RunReport) -> str:
    groups = content.groups or ()
    sentence = "What the recognizer takes for one individual: groups of every size, a sample of each."
    if any(group.purity is not None for group in groups):
        sentence += " Purity is the share of a group's images that show its most frequent identity."
    if any(any(group.strangers) for group in groups):
        sentence += " A broken red frame with a cross marks another identity."
    return sentence


def _sections(content: RunReport, values: dict[str, Any]) -> list[tuple[str, str]]:
    """(anchor, heading) of the sections that have something to say, in the order of the page."""
    labelled = bool(values["metrics"])
    unlabelled_run = not labelled and bool(values["counts"] or values["groups"])
    groups = [("groups", "Groups")] if values["groups"] else []
    sections = []
    if labelled or unlabelled_run:
        sections.append(("numbers", "Numbers" if labelled else "What these data can say"))
    if not labelled:
        sections += groups
    if values["sheets"]:
        sections.append(("rankings", "Rank sheets"))
    if values["retrieval"]:
        sections.append(("retrieval", "Retrieval"))
    if labelled:
        sections += groups
    if values["marked"]:
        sections.append(("patches", "Patches"))
    if values["diagnostics"]:
        sections.append(("diagnostics", "Diagnostics of the method"))
    if values["training"]:
        sections.append(("training", "Training"))
    if content.recipe.strip():
        sections.append(("recipe", "Recipe"))
    if content.machine:
        sections.append(("machine", "Machine"))
    return sections
