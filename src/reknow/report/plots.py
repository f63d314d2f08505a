"""Plots of the report: how retrieval works beyond one number, and how a run went.

Retrieval: CMC, average precision per query and its change, similarities of pairs. Training, from the lines of
``metrics.jsonl``: losses, accuracy, clusters, outliers, learning rate. Every curve of training has one axis: epochs
trained. A clustering is made before its epoch and stands at the epoch's number. An evaluation is made after it and
stands one further (the evaluation before training, epoch -1, at zero). Steps, which count anew in each epoch, lie
between.

Each function returns None where there is nothing to draw. A line needs two points, so an evaluation alone gets no
curves of training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter

from reknow.report.content import PairScores
from reknow.report.svg import STAND_IN, Plot, draw
from reknow.training.records import EpochLine, EvaluationLine, StepLine

# A figure is 450 units wide: more points than this do not show and only make the file large.
MOST_POINTS = 240
# Never color alone: each line has its own dashes too.
_STROKES = [
    (STAND_IN.accent, "-"),
    (STAND_IN.warm, "--"),
    (STAND_IN.muted, "-."),
    (STAND_IN.accent, ":"),
    (STAND_IN.warm, "-."),
    (STAND_IN.muted, ":"),
]
_MOMENTS = {"before": (STAND_IN.muted, "--"), "after": (STAND_IN.accent, "-")}

FALSE_MATCHES = 0.01
"""The share of impostor pairs that the drawn threshold lets pass."""


# --- Retrieval --------------------------------------------------------------------------------------------------------


def cmc(curves: Mapping[str, Float[np.ndarray, "_"]]) -> Plot | None:
    """Share of the queries with a match among the first k, before and after."""
    chosen = {name: 100 * np.asarray(curves[name]) for name in _MOMENTS if name in curves}
    chosen = {name: curve for name, curve in chosen.items() if np.isfinite(curve).all()}
    if not chosen:
        return None

    def paint(axes: Axes) -> None:
        for name, curve in chosen.items():
            color, dash = _MOMENTS[name]
            axes.plot(np.arange(1, len(curve) + 1), curve, color=color, linestyle=dash, label=name)
        axes.set_xlabel("first k of the ranking")
        axes.set_xlim(1, max(len(curve) for curve in chosen.values()))
        axes.set_ylim(0, 100)
        axes.set_xticks([tick for tick in (1, 5, 10, 20, 30, 40, 50) if tick <= axes.get_xlim()[1]])

    description = " ".join(f"{name.capitalize()}: rank-1 is {curve[0]:.1f} %." for name, curve in chosen.items())
    caption = "Share of the queries that have a match among their first k gallery pictures, in percent."
    return draw("cmc", "CMC", description, paint, caption)


def average_precision(values: Mapping[str, Float[np.ndarray, "_"]]) -> Plot | None:
    """How the queries' average precision is spread, before and after."""
    chosen = {name: 100 * _known(values[name]) for name in _MOMENTS if name in values}
    chosen = {name: value for name, value in chosen.items() if value.size}
    if not chosen:
        return None

    def paint(axes: Axes) -> None:
        for name, value in chosen.items():
            counts, edges = np.histogram(value, bins=20, range=(0, 100))
            color, dash = _MOMENTS[name]
            axes.stairs(counts, edges, fill=True, facecolor=color, alpha=0.16)
            axes.stairs(counts, edges, color=color, linestyle=dash, linewidth=2, label=name)
        axes.set_xlabel("average precision of a query, %")
        axes.set_xlim(0, 100)
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))

    description = " ".join(
        f"{name.capitalize()}: half of the queries lie above {np.median(value):.0f} %."
        for name, value in chosen.items()
    )
    return draw("average-precision", "Average precision per query", description, paint, "Number of queries.")


def change(values: Mapping[str, Float[np.ndarray, "_"]]) -> Plot | None:
    """Which queries got better and which got worse: the mean hides the second kind."""
    if not {"before", "after"} <= set(values):
        return None
    moved = 100 * _known(values["after"] - values["before"])
    if not moved.size:
        return None
    better, worse = int((moved > 0).sum()), int((moved < 0).sum())

    def paint(axes: Axes) -> None:
        counts, edges = np.histogram(moved, bins=40, range=(-100, 100))
        middle = len(counts) // 2
        axes.stairs(counts[:middle], edges[: middle + 1], fill=True, facecolor=STAND_IN.bad, alpha=0.55, label="worse")
        axes.stairs(
            counts[middle:], edges[middle:], fill=True, facecolor=STAND_IN.good, alpha=0.55, label="better or equal"
        )
        axes.axvline(0, color=STAND_IN.ink, linewidth=1)
        axes.set_xlabel("change of a query's average precision, points")
        axes.set_xlim(-100, 100)
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))

    description = f"{better:,} queries got better, {worse:,} got worse, {moved.size - better - worse:,} did not change."
    return draw("change", "Change per query", description, paint, description)


def similarities(scores: PairScores | None) -> Plot | None:
    """Similarities of matching and other pairs: where a threshold could stand, and what it would cost."""
    if scores is None or not scores.genuine.size or not scores.impostor.size:
        return None
    both = np.concatenate([scores.genuine, scores.impostor])
    threshold = float(np.quantile(scores.impostor, 1 - FALSE_MATCHES))
    recall = float((scores.genuine > threshold).mean())

    def paint(axes: Axes) -> None:
        strokes = {
            "different identities": (scores.impostor, STAND_IN.muted, "--"),
            "one identity": (scores.genuine, STAND_IN.accent, "-"),
        }
        for name, (values, color, dash) in strokes.items():
            counts, edges = np.histogram(values, bins=48, range=(float(both.min()), float(both.max())))
            share = counts / len(values)
            axes.stairs(share, edges, fill=True, facecolor=color, alpha=0.16)
            axes.stairs(share, edges, color=color, linestyle=dash, linewidth=2, label=name)
        axes.axvline(threshold, color=STAND_IN.ink, linewidth=1.2)
        axes.set_xlabel("cosine similarity of a pair")
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))

    description = (
        f"A threshold of {threshold:.2f} (the upright line) lets {100 * FALSE_MATCHES:.0f} % of the different pairs "
        f"pass and finds {100 * recall:.0f} % of the matching ones."
    )
    return draw("similarities", "Similarity of pairs", description, paint, f"Share of the pairs. {description}")


def _known(values: Float[np.ndarray, "_"]) -> np.ndarray:
    return np.asarray(values)[~np.isnan(values)]


# --- Training ---------------------------------------------------------------------------------------------------------


def losses(steps: Sequence[StepLine]) -> Plot | None:
    """The loss by term; the sum too where there are several terms."""
    terms = sorted({name for line in steps for name in line.terms if name.startswith("loss/")})
    names = {"loss": "sum", **{term: term.removeprefix("loss/") for term in terms}}
    if len(terms) == 1:
        del names["loss"]
    if not terms:
        names = {"loss": "loss"}
    series = [(label, *_thinned(steps, [line.terms.get(name) for line in steps])) for name, label in names.items()]
    series = [(label, epoch, value) for label, epoch, value in series if len(epoch) > 1]
    if not series:
        return None

    def paint(axes: Axes) -> None:
        for number, (label, epoch, value) in enumerate(series):
            color, dash = (STAND_IN.ink, "-") if label == "sum" else _STROKES[number % len(_STROKES)]
            axes.plot(epoch, value, color=color, linestyle=dash, label=label)
        _epochs(axes)
        _floor_at_zero(axes)

    label, _, value = series[0]
    only = f" ({label})" if len(series) == 1 and label != "loss" else ""
    bundle = -(-len(steps) // MOST_POINTS)
    caption = f"Each point is the mean of {bundle} lines of the log." if bundle > 1 else ""
    description = f"The loss{only} goes from {value[0]:.2f} to {value[-1]:.2f}."
    return draw("loss", f"Loss{only}", description, paint, caption)


def learning_rate(steps: Sequence[StepLine]) -> Plot | None:
    """The learning rate that the steps took."""
    epoch, rate = _thinned(steps, [line.learning_rate for line in steps])
    if len(epoch) < 2:
        return None

    def paint(axes: Axes) -> None:
        axes.plot(epoch, rate, color=STAND_IN.accent)
        _epochs(axes)
        axes.ticklabel_format(axis="y", style="sci", scilimits=(-2, 3))
        _floor_at_zero(axes)

    description = f"The learning rate starts at {rate[0]:.2g}, peaks at {rate.max():.2g} and ends at {rate[-1]:.2g}."
    return draw("learning-rate", "Learning rate", description, paint)


def clusters(epochs: Sequence[EpochLine]) -> Plot | None:
    """How many clusters each epoch has, and the true number of identities where it is known."""
    epoch, count = _per_epoch(epochs, [line.diagnostics.get("clusters") for line in epochs])
    if len(epoch) < 2:
        return None
    identities = _numbers([line.diagnostics.get("identities") for line in epochs])
    true = identities[~np.isnan(identities)]

    def paint(axes: Axes) -> None:
        axes.plot(epoch, count, "o-", color=STAND_IN.accent, label="clusters")
        if true.size:
            axes.axhline(true[-1], color=STAND_IN.muted, linestyle="--", linewidth=1.5, label="identities in the data")
        _epochs(axes)
        _floor_at_zero(axes)

    description = f"The clusters go from {count[0]:.0f} to {count[-1]:.0f}."
    if true.size:
        description += f" The data have {true[-1]:.0f} identities."
    caption = "The identities are drawn for comparison; training does not see them." if true.size else ""
    return draw("clusters", "Clusters", description, paint, caption)


def outliers_and_purity(epochs: Sequence[EpochLine]) -> Plot | None:
    """Which share of the images stayed outside every cluster, and how pure the clusters are where labels exist."""
    outliers, rows, purity = (
        _numbers([line.diagnostics.get(name) for line in epochs]) for name in ("outliers", "rows", "purity")
    )
    number = np.array([line.epoch for line in epochs])
    share = 100 * outliers / rows
    known, pure = ~np.isnan(share), ~np.isnan(purity)
    if known.sum() < 2:
        return None

    def paint(axes: Axes) -> None:
        axes.plot(number[known], share[known], "s--", color=STAND_IN.warm, label="outliers, % of the images")
        if pure.any():
            axes.plot(number[pure], 100 * purity[pure], "o-", color=STAND_IN.accent, label="purity, %")
        _epochs(axes)
        axes.set_ylim(0, 104)

    first, last = share[known][[0, -1]]
    description = f"The outliers go from {first:.0f} % to {last:.0f} % of the images."
    if not pure.any():
        return draw("outliers", "Outliers", description, paint, "Images in no cluster, in percent; they do not train.")
    description += f" The purity goes from {100 * purity[pure][0]:.0f} % to {100 * purity[pure][-1]:.0f} %."
    caption = "Purity: share of the clustered images that show their cluster's most frequent identity."
    return draw("outliers", "Outliers and purity", description, paint, caption)


def evaluations(lines: Sequence[EvaluationLine]) -> Plot | None:
    """mAP and rank-1 after each epoch that ends with an evaluation."""
    epoch, precision = _per_epoch(lines, [line.scores.get("mAP") for line in lines])
    rank_epoch, first = _per_epoch(lines, [line.scores.get("rank1") for line in lines])
    if len(epoch) < 2:
        return None

    def paint(axes: Axes) -> None:
        if len(rank_epoch):
            axes.plot(rank_epoch + 1, first, "s--", color=STAND_IN.warm, label="rank-1, %")
        axes.plot(epoch + 1, precision, "o-", color=STAND_IN.accent, label="mAP, %")
        _epochs(axes)
        axes.set_ylim(0, 100)

    description = f"The mAP goes from {precision[0]:.1f} % to {precision[-1]:.1f} % in {epoch[-1] + 1:.0f} epochs."
    return draw("evaluations", "Accuracy", description, paint)


def _numbers(values: Sequence[float | None]) -> Float[np.ndarray, "lines"]:
    """NaN where a line lacks the number."""
    return np.array([np.nan if value is None else float(value) for value in values])


def _per_epoch(
    lines: Sequence[EpochLine] | Sequence[EvaluationLine], values: Sequence[float | None]
) -> tuple[np.ndarray, np.ndarray]:
    """Epochs and values of the lines that have the value."""
    epoch, value = np.array([line.epoch for line in lines], float), _numbers(values)
    known = ~np.isnan(value)
    return epoch[known], value[known]


def _thinned(steps: Sequence[StepLine], values: Sequence[float | None]) -> tuple[np.ndarray, np.ndarray]:
    """Epochs and values of the steps, averaged in bundles so that at most MOST_POINTS remain."""
    epoch, step = (np.array([getattr(line, name) for line in steps], float) for name in ("epoch", "step"))
    trained, value = epoch.copy(), _numbers(values)
    for number in np.unique(epoch):
        within = epoch == number
        trained[within] += step[within] / max(1.0, step[within].max())
    known = np.isfinite(trained) & np.isfinite(value)
    trained, value = trained[known], value[known]
    bundles = np.array_split(np.arange(len(trained)), min(len(trained), MOST_POINTS)) if len(trained) else []
    return np.array([trained[rows].mean() for rows in bundles]), np.array([value[rows].mean() for rows in bundles])


def _floor_at_zero(axes: Axes) -> None:
    """Start the axis at zero unless something lies below it, so that a fall is drawn as large as it is."""
    low, high = axes.get_ylim()
    if low > -0.2 * high:
        axes.set_ylim(0, high)


def _epochs(axes: Axes) -> None:
    axes.set_xlabel("epochs trained")
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
