"""``rib-occlusion``: how do the four rows fall with the share that is hidden, if training hid next to nothing?

``rib`` trains where half of the crops are occluded. Here training sees what the plain world, or a data set, has, and
the queries lose 20 to 80 % of their object: on the world behind something that stands before it, on photographs behind
the same things, pasted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from matplotlib.figure import Figure

from reknow.studies.figures import INK, SOFT, STROKES, label, panels, style
from reknow.studies.findings import Findings, Row
from reknow.studies.rib.components import HIDDEN, components
from reknow.studies.sizes import MANY_ROWS, Scale
from reknow.studies.study import Study

QUESTION = "How do TransReID and RIB fall with the share of an object that is hidden, if training hid next to nothing?"


def study(scale: Scale) -> Study:
    """The four rows on the easy world as it is."""
    return replace(components("rib-occlusion", QUESTION, scale, MANY_ROWS[scale]), plot=plot)


def plot(findings: Findings) -> Figure:
    """Left mAP over the share that is hidden, right what each part adds to the first row at each share."""
    shares = [0.0, *HIDDEN.values()]
    base = _curve(findings.rows[0], findings.score)
    with style():
        figure, (left, right) = panels(findings, 1, 2)
        for stroke, row in enumerate(findings.rows):
            mark, dashes = STROKES[stroke]
            color = INK if stroke % 2 == 0 else SOFT
            curve = _curve(row, findings.score)
            left.plot(shares, curve, mark, linestyle=dashes, color=color, label=row.variant)
            if stroke:
                added = [mean - before for mean, before in zip(curve, base, strict=True)]
                right.plot(shares, added, mark, linestyle=dashes, color=color)
        left.set_ylabel(label(findings.score))
        right.set_ylabel(f"{findings.score} minus that of '{findings.rows[0].variant}'")
        right.axhline(0, color=SOFT, linewidth=1)
        for axes in (left, right):
            axes.set_xlabel("share of each query that is hidden")
            axes.set_xticks(shares)
        figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=4)
        return figure


def _curve(row: Row, score: str) -> Sequence[float]:
    return [row.mean(name) for name in (score, *HIDDEN)]
