"""How a run went: losses, learning rate, clusters and accuracy, from the lines of ``metrics.jsonl``.

Every curve has one axis: epochs trained. A clustering is made before its epoch and stands at the epoch's number, an
evaluation is made after it and stands one further (the one before training, epoch -1, at zero), and steps, which
count anew in each epoch, lie between.

Each function returns None where the lines hold nothing to draw. A line needs two points, so an evaluation alone
gets no curves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from reknow.report.canvas import ACCENT, INK, MUTED, WARM, Plot, draw

Lines = Sequence[Mapping[str, Any]]
# A figure is 450 units wide: more points than this cannot be seen and only make the file large.
MOST_POINTS = 240
# Never color alone: each line has its own dashes too.
_STROKES = [(ACCENT, "-"), (WARM, "--"), (MUTED, "-."), (ACCENT, ":"), (WARM, "-."), (MUTED, ":")]


def column(lines: Lines, name: str) -> Float[np.ndarray, "lines"]:
    """One key of every line as numbers, NaN where a line lacks it."""
    values = [line.get(name) for line in lines]
    return np.array([np.nan if value is None else float(value) for value in values])


def losses(lines: Lines) -> Plot | None:
    """The loss by term; the sum too where there are several terms."""
    steps = [line for line in lines if line.get("kind") == "step"]
    terms = sorted({key for line in steps for key in line if key.startswith("loss/")})
    names = {"loss": "sum", **{term: term.removeprefix("loss/") for term in terms}}
    if len(terms) == 1:
        del names["loss"]
    if not terms:
        names = {"loss": "loss"}
    series = [(label, *_thinned(steps, name)) for name, label in names.items()]
    series = [one for one in series if len(one[1]) > 1]
    if not series:
        return None

    def paint(axes: Axes) -> None:
        for number, (label, epoch, value) in enumerate(series):
            color, dash = (INK, "-") if label == "sum" else _STROKES[number % len(_STROKES)]
            axes.plot(epoch, value, color=color, linestyle=dash, label=label)
        _epochs(axes)
        _floor_at_zero(axes)

    label, _, value = series[0]
    only = f" ({label})" if len(series) == 1 and label != "loss" else ""
    bundle = -(-len(steps) // MOST_POINTS)
    caption = f"Each point is the mean of {bundle} lines of the log." if bundle > 1 else ""
    said = f"The loss{only} goes from {value[0]:.2f} to {value[-1]:.2f}."
    return draw("loss", f"Loss{only}", said, paint, caption)


def learning_rate(lines: Lines) -> Plot | None:
    """The learning rate that the steps took."""
    steps = [line for line in lines if line.get("kind") == "step"]
    epoch, rate = _thinned(steps, "learning_rate")
    if len(epoch) < 2:
        return None

    def paint(axes: Axes) -> None:
        axes.plot(epoch, rate, color=ACCENT)
        _epochs(axes)
        axes.ticklabel_format(axis="y", style="sci", scilimits=(-2, 3))
        _floor_at_zero(axes)

    said = f"The learning rate starts at {rate[0]:.2g}, peaks at {rate.max():.2g} and ends at {rate[-1]:.2g}."
    return draw("learning-rate", "Learning rate", said, paint)


def clusters(lines: Lines) -> Plot | None:
    """How many clusters each epoch found, and how many identities there really are where that is known."""
    epoch, found = _per_epoch(lines, "clusters")
    if len(epoch) < 2:
        return None
    identities = column([line for line in lines if line.get("kind") == "epoch"], "identities")
    true = identities[~np.isnan(identities)]

    def paint(axes: Axes) -> None:
        axes.plot(epoch, found, "o-", color=ACCENT, label="clusters")
        if true.size:
            axes.axhline(true[-1], color=MUTED, linestyle="--", linewidth=1.5, label="identities in the data")
        _epochs(axes)
        _floor_at_zero(axes)

    said = f"The clusters go from {found[0]:.0f} to {found[-1]:.0f}."
    if true.size:
        said += f" The data have {true[-1]:.0f} identities."
    caption = "The identities are drawn for comparison; training does not see them." if true.size else ""
    return draw("clusters", "Clusters", said, paint, caption)


def outliers_and_purity(lines: Lines) -> Plot | None:
    """Which share of the images stayed outside every cluster, and how pure the clusters are where labels exist."""
    epochs = [line for line in lines if line.get("kind") == "epoch"]
    outliers, rows, purity = (column(epochs, name) for name in ("outliers", "rows", "purity"))
    number = column(epochs, "epoch")
    share = 100 * outliers / rows
    seen, pure = ~np.isnan(share), ~np.isnan(purity)
    if seen.sum() < 2:
        return None

    def paint(axes: Axes) -> None:
        axes.plot(number[seen], share[seen], "s--", color=WARM, label="outliers, % of the images")
        if pure.any():
            axes.plot(number[pure], 100 * purity[pure], "o-", color=ACCENT, label="purity, %")
        _epochs(axes)
        axes.set_ylim(0, 104)

    first, last = share[seen][[0, -1]]
    said = f"The outliers go from {first:.0f} % to {last:.0f} % of the images."
    if not pure.any():
        return draw("outliers", "Outliers", said, paint, "Images in no cluster, in percent; they do not train.")
    said += f" The purity goes from {100 * purity[pure][0]:.0f} % to {100 * purity[pure][-1]:.0f} %."
    caption = "Purity: share of the clustered images that show their cluster's most frequent identity."
    return draw("outliers", "Outliers and purity", said, paint, caption)


def evaluations(lines: Lines) -> Plot | None:
    """Accuracy after each evaluated epoch."""
    epoch, precision = _per_epoch(lines, "mAP", "evaluation")
    rank_epoch, first = _per_epoch(lines, "rank1", "evaluation")
    if len(epoch) < 2:
        return None

    def paint(axes: Axes) -> None:
        if len(rank_epoch):
            axes.plot(rank_epoch + 1, first, "s--", color=WARM, label="rank-1, %")
        axes.plot(epoch + 1, precision, "o-", color=ACCENT, label="mAP, %")
        _epochs(axes)
        axes.set_ylim(0, 100)

    said = f"The mAP goes from {precision[0]:.1f} % to {precision[-1]:.1f} % in {epoch[-1] + 1:.0f} epochs."
    return draw("evaluations", "Accuracy", said, paint)


def _per_epoch(lines: Lines, name: str, kind: str = "epoch") -> tuple[np.ndarray, np.ndarray]:
    chosen = [line for line in lines if line.get("kind") == kind]
    epoch, value = column(chosen, "epoch"), column(chosen, name)
    known = ~np.isnan(epoch) & ~np.isnan(value)
    return epoch[known], value[known]


def _thinned(steps: Lines, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Epochs and values of one key, averaged in bundles so that at most MOST_POINTS remain."""
    epoch, step, value = (column(steps, key) for key in ("epoch", "step", name))
    trained = epoch.copy()
    for number in np.unique(epoch):
        within = epoch == number
        trained[within] += step[within] / max(1.0, step[within].max())
    known = np.isfinite(trained) & np.isfinite(value)
    trained, value = trained[known], value[known]
    bundles = np.array_split(np.arange(len(trained)), min(len(trained), MOST_POINTS)) if len(trained) else []
    return np.array([trained[rows].mean() for rows in bundles]), np.array([value[rows].mean() for rows in bundles])


def _floor_at_zero(axes: Axes) -> None:
    """Start the axis at zero unless something lies below it, so that a fall looks as large as it is."""
    low, high = axes.get_ylim()
    if low > -0.2 * high:
        axes.set_ylim(0, high)


def _epochs(axes: Axes) -> None:
    axes.set_xlabel("epochs trained")
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
