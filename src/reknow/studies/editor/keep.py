"""``editor-keep``: how many patches should heads and pixels keep?

The paper's own sweeps could not be found. The small trunk has 32 patches and 5 heads, where the
paper's has 128 and 12, so its 2 per head and 10 by pixels are about 1 and 3 here.
"""

from __future__ import annotations

from matplotlib.figure import Figure

from reknow.studies.editor.base import kept_tokens, on_world
from reknow.studies.figures import label, line, panels, style
from reknow.studies.findings import Findings
from reknow.studies.sizes import THREE_SPECTRA_SWEPT, Scale
from reknow.studies.study import Study, Variant

HEADS = (0, 1, 3)
PIXELS = (0, 3, 8)
KEPT = "recall_by_chance"
"""The share of all patches that is kept."""
QUICK_HEADS, QUICK_PIXELS = (0, 1), (0, 3)
BY_HEADS, BY_PIXELS = "network.selection.head_keep", "network.selection.frequency_keep"


def study(scale: Scale) -> Study:
    """The sweep; nothing is kept by neither, and everything beside."""
    heads, pixels = (QUICK_HEADS, QUICK_PIXELS) if scale == "quick" else (HEADS, PIXELS)
    return Study(
        name="editor-keep",
        question="How many patches should heads and pixels keep for EDITOR?",
        scale=scale,
        base=on_world(THREE_SPECTRA_SWEPT[scale]),
        variants=(
            Variant("everything", {"network.selection.rule": "everything"}),
            *(
                Variant(f"{head} per head, {count} by pixels", {BY_HEADS: head, BY_PIXELS: count})
                for head in heads
                for count in pixels
                if head + count
            ),
        ),
        columns=("mAP", "rank1", KEPT, "precision", "recall"),
        score_run=kept_tokens,
        plot=plot,
    )


def plot(findings: Findings) -> Figure:
    """The score and what is kept, over the patches that each head keeps, a line for each count by pixels."""
    with style():
        figure, axes = panels(findings, 1, 2)
        everything, *swept = findings.rows
        for place, name in zip(axes, (findings.score, KEPT), strict=True):
            for stroke, count in enumerate(sorted({row.change[BY_PIXELS] for row in swept})):
                rows = [row for row in swept if row.change[BY_PIXELS] == count]
                line(
                    place,
                    rows,
                    name,
                    [float(row.change[BY_HEADS]) for row in rows],
                    stroke=stroke,
                    legend=f"{count} by pixels",
                )
            place.axhline(everything.mean(name), linestyle=(0, (1, 4)), color="black", label=everything.variant)
            place.set_xlabel("patches that each head keeps")
            place.set_xticks(sorted({row.change[BY_HEADS] for row in swept}))
        axes[0].set_ylabel(label(findings.score))
        axes[1].set_ylabel(label(KEPT))
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
        return figure
