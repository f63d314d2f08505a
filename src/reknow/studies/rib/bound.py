"""``rib-bound``: what becomes of the information, and of its bound, from epoch to epoch?

Of training pictures and of held-out pictures of the same identities, without the bound in the loss and with it at two
values of beta. Of the exact inequality, IB <= bound + H(X) - H(F), the table has what is left at least: a
number that is never negative.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reknow.studies.figures import INK, SOFT, STROKES, panels, style
from reknow.studies.findings import Findings
from reknow.studies.rib.components import OCCLUDED, base_on
from reknow.studies.sizes import MANY_ROWS, Scale
from reknow.studies.study import Study, Variant
from reknow.training.train import Outcome

HELD_OUT = "held_out/"


def study(scale: Scale) -> Study:
    """No bound, and the bound at two values of beta."""
    return Study(
        name="rib-bound",
        question="What becomes of RIB's information and of its bound while it trains, also on held-out pictures?",
        scale=scale,
        base=base_on(MANY_ROWS[scale], OCCLUDED),
        variants=(
            Variant("no bound"),
            Variant("bound", {"method.eta": 1.0}),
            Variant("no bound, beta 20", {"method.beta": 20.0}),
            Variant("bound, beta 20", {"method.eta": 1.0, "method.beta": 20.0}),
        ),
        columns=("mAP", "bottleneck", "bound", "held_out/bottleneck", "held_out/bound", "left, smallest"),
        score_run=by_epoch,
        plot=plot,
    )


def by_epoch(outcome: Outcome) -> Mapping[str, float]:
    """The three numbers of every epoch, such as ``bound, epoch 3``, and the smallest that was left."""
    numbers: dict[str, float] = {}
    for line in outcome.run.metrics().epochs:
        for prefix in ("", HELD_OUT):
            known = {name: line.diagnostics[prefix + name] for name in ("bottleneck", "bound")}
            known["left"] = left_of(line.diagnostics, prefix)
            numbers |= {f"{prefix}{name}, epoch {line.epoch + 1}": value for name, value in known.items()}
    smallest = min(value for name, value in numbers.items() if "left" in name)
    return {**numbers, "left, smallest": smallest}


def left_of(diagnostics: Mapping[str, float], prefix: str = "") -> float:
    """bound + H(X) - H(F) - IB of an epoch.

    Args:
        diagnostics: of the epoch.
        prefix: empty for training pictures, ``held_out/`` for the others.

    Example:
        >>> left_of({"bound": 0.5, "entropy_inputs": 2.0, "entropy_features": 1.5, "bottleneck": -1.0})
        2.0
    """
    bound, inputs, features, bottleneck = (
        diagnostics[prefix + name] for name in ("bound", "entropy_inputs", "entropy_features", "bottleneck")
    )
    return bound + inputs - features - bottleneck


def plot(findings: Findings) -> Figure:
    """IB and bound over the epochs: left of training pictures, right of held-out ones."""
    with style():
        figure, (left, right) = panels(findings, 1, 2)
        for axes, prefix, title in ((left, "", "training pictures"), (right, HELD_OUT, "held-out pictures")):
            _draw(axes, findings, prefix)
            axes.set_title(title)
            axes.set_xlabel("epoch")
        left.set_ylabel("nats: IB dark, its bound light")
        figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=4)
        return figure


def _draw(axes: Axes, findings: Findings, prefix: str) -> None:
    for (mark, dashes), row in zip(STROKES, findings.rows, strict=True):
        for name, color in (("bottleneck", INK), ("bound", SOFT)):
            epochs = [key for key in row.numbers if key.startswith(f"{prefix}{name}, epoch ")]
            values = [row.mean(key) for key in epochs]
            label = row.variant if name == "bottleneck" else None
            axes.plot(np.arange(len(values)) + 1, values, mark, linestyle=dashes, color=color, label=label)
