"""What retrieval looks like beyond one number: CMC, average precision per query, similarities of pairs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter

from reknow.report.canvas import ACCENT, BAD, GOOD, INK, MUTED, Plot, draw
from reknow.report.content import PairScores

FALSE_MATCHES = 0.01
"""The share of impostor pairs that the drawn threshold lets pass."""

_STROKES = {"before": (MUTED, "--"), "after": (ACCENT, "-")}


def cmc(curves: Mapping[str, Float[np.ndarray, "_"]]) -> Plot | None:
    """Share of the queries with a match among the first k, before and after."""
    chosen = {name: 100 * np.asarray(curves[name]) for name in _STROKES if name in curves}
    chosen = {name: curve for name, curve in chosen.items() if np.isfinite(curve).all()}
    if not chosen:
        return None

    def paint(axes: Axes) -> None:
        for name, curve in chosen.items():
            color, dash = _STROKES[name]
            axes.plot(np.arange(1, len(curve) + 1), curve, color=color, linestyle=dash, label=name)
        axes.set_xlabel("first k of the ranking")
        axes.set_xlim(1, max(len(curve) for curve in chosen.values()))
        axes.set_ylim(0, 100)
        axes.set_xticks([tick for tick in (1, 5, 10, 20, 30, 40, 50) if tick <= axes.get_xlim()[1]])

    said = " ".join(f"{name.capitalize()}: rank-1 is {curve[0]:.1f} %." for name, curve in chosen.items())
    caption = "Share of the queries that have a match among their first k gallery pictures, in percent."
    return draw("cmc", "CMC", said, paint, caption)


def average_precision(values: Mapping[str, Float[np.ndarray, "_"]]) -> Plot | None:
    """How the queries' average precision is spread, before and after."""
    chosen = {name: 100 * _known(values[name]) for name in _STROKES if name in values}
    chosen = {name: value for name, value in chosen.items() if value.size}
    if not chosen:
        return None

    def paint(axes: Axes) -> None:
        for name, value in chosen.items():
            counts, edges = np.histogram(value, bins=20, range=(0, 100))
            color, dash = _STROKES[name]
            axes.stairs(counts, edges, fill=True, facecolor=color, alpha=0.16)
            axes.stairs(counts, edges, color=color, linestyle=dash, linewidth=2, label=name)
        axes.set_xlabel("average precision of a query, %")
        axes.set_xlim(0, 100)
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))

    said = " ".join(
        f"{name.capitalize()}: half of the queries lie above {np.median(value):.0f} %."
        for name, value in chosen.items()
    )
    return draw("average-precision", "Average precision per query", said, paint, "Number of queries.")


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
        axes.stairs(counts[:middle], edges[: middle + 1], fill=True, facecolor=BAD, alpha=0.55, label="worse")
        axes.stairs(counts[middle:], edges[middle:], fill=True, facecolor=GOOD, alpha=0.55, label="better or equal")
        axes.axvline(0, color=INK, linewidth=1)
        axes.set_xlabel("change of a query's average precision, points")
        axes.set_xlim(-100, 100)
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))

    said = f"{better:,} queries got better, {worse:,} got worse, {moved.size - better - worse:,} did not change."
    return draw("change", "Change per query", said, paint, said)


def similarities(scores: PairScores | None) -> Plot | None:
    """Similarities of matching and other pairs: where a threshold could stand, and what it would cost."""
    if scores is None or not scores.genuine.size or not scores.impostor.size:
        return None
    both = np.concatenate([scores.genuine, scores.impostor])
    threshold = float(np.quantile(scores.impostor, 1 - FALSE_MATCHES))
    found = float((scores.genuine > threshold).mean())

    def paint(axes: Axes) -> None:
        strokes = {
            "different identities": (scores.impostor, MUTED, "--"),
            "one identity": (scores.genuine, ACCENT, "-"),
        }
        for name, (values, color, dash) in strokes.items():
            counts, edges = np.histogram(values, bins=48, range=(float(both.min()), float(both.max())))
            share = counts / len(values)
            axes.stairs(share, edges, fill=True, facecolor=color, alpha=0.16)
            axes.stairs(share, edges, color=color, linestyle=dash, linewidth=2, label=name)
        axes.axvline(threshold, color=INK, linewidth=1.2)
        axes.set_xlabel("cosine similarity of a pair")
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))

    said = (
        f"A threshold of {threshold:.2f} (the upright line) lets {100 * FALSE_MATCHES:.0f} % of the different pairs "
        f"pass and finds {100 * found:.0f} % of the matching ones."
    )
    return draw("similarities", "Similarity of pairs", said, paint, f"Share of the pairs. {said}")


def _known(values: Float[np.ndarray, "_"]) -> np.ndarray:
    return np.asarray(values)[~np.isnan(values)]
