"""How the bottleneck's bound and CLUB grow: seconds over the number of rows n and of classes C.

Run: ``python benchmarks/bound_complexity.py [--quick] [--write]``. Forward of a bound alone, on one thread, given what
an epoch has learned: centroids and Q, or CLUB's network. Both take 256 rows at once, so that no large matrix is made.
Features have 256 numbers, inputs 96. One JSON line for each n from 256 to 16,384, with the 1,041 classes of MSMT17; one
for each C from 128 to 4,096, with 4,096 rows; and a last one with the exponents: slopes of the logarithms from 1,024
rows and 512 classes on, where fixed costs no longer show. Those of the bottleneck's bound must be within 0.15 of 1,
that of CLUB over all pairs within 0.15 of 2. Seconds are the processor's, which other programs do not add to.

With ``--write`` they are kept in docs/measured/bound_complexity.json and drawn as docs/pictures/bound_complexity.png.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from functools import partial
from time import process_time

import numpy as np
import torch
from matplotlib.figure import Figure

from measure import DOCS, alternating_seconds, arguments, keep, on_this_machine
from reknow.losses.bottleneck import bottleneck_bound, class_centroids, class_conditional, soft_assignments
from reknow.losses.club import CLUB, ROWS_AT_ONCE
from reknow.studies.figures import INK, SOFT, STROKES, style

DIM, INPUT_DIM = 256, 96
CLASSES, ROWS = 1_041, 4_096
BOUNDS = {
    "bottleneck": "bottleneck's bound",
    "club_all": "CLUB, all pairs",
    "club_moments": "CLUB, from moments",
    "club_sampled": "CLUB, sampled",
}
"""Names in the lines, and in the legend."""

options = arguments(__doc__, write="keep the lines and the picture in docs")
FEWEST_ROWS, FEWEST_CLASSES = (512, 128) if options.quick else (1_024, 512)
OVER_ROWS = [2**power for power in range(8, 12 if options.quick else 15)]
OVER_CLASSES = [2**power for power in range(7, 10 if options.quick else 13)]


def bottleneck(rows: int, classes: int) -> Callable[[], object]:
    """The bound of all rows as the mean of its parts', inputs included, with the constants of an epoch."""
    random = torch.Generator().manual_seed(0)
    features, inputs = torch.randn(rows, DIM, generator=random), torch.randn(rows, INPUT_DIM, generator=random)
    labels = torch.arange(rows) % classes
    centroids, of_inputs = class_centroids(features, labels, classes), class_centroids(inputs, labels, classes)
    conditional = class_conditional(soft_assignments(features, centroids), labels, classes)
    parts = list(zip(*(whole.split(ROWS_AT_ONCE) for whole in (features, labels, inputs)), strict=True))

    def bound() -> torch.Tensor:
        values = [bottleneck_bound(f, y, centroids, conditional, soft_assignments(x, of_inputs)) for f, y, x in parts]
        return torch.stack(values).mean()

    return bound


def club(rows: int) -> dict[str, Callable[[], object]]:
    """CLUB of as many rows, in its three ways."""
    random = torch.Generator().manual_seed(0)
    features, inputs = torch.randn(rows, DIM, generator=random), torch.randn(rows, INPUT_DIM, generator=random)
    network = CLUB(DIM, INPUT_DIM)
    return {f"club_{pairs}": partial(network, features, inputs, pairs=pairs) for pairs in ("all", "moments", "sampled")}


def milliseconds(works: dict[str, Callable[[], object]], rows: int) -> dict[str, float]:
    """Of the fastest of many rounds, fewer where a round takes long."""
    for work in works.values():
        work()
    seconds = alternating_seconds(*works.values(), times=min(50, max(4, 2**16 // rows)), clock=process_time)
    return {name: round(1000 * taken, 4) for name, taken in zip(works, seconds, strict=True)}


def exponent(lines: list[dict[str, float]], over: str, name: str, fewest: int) -> float:
    """The slope of log seconds over log size."""
    points = [(line[over], line[name]) for line in lines if line[over] >= fewest]
    return round(float(np.polyfit(*np.log(np.array(points)).T, 1)[0]), 3)


def drawn(
    over_rows: list[dict[str, float]], over_classes: list[dict[str, float]], exponents: dict[str, float]
) -> Figure:
    """Milliseconds over rows and over classes, both axes logarithmic."""
    with style():
        figure = Figure(figsize=(10, 4), layout="constrained", facecolor="white")
        left, right = figure.subplots(1, 2, sharey=True)
        for (name, legend), (mark, dashes), color in zip(BOUNDS.items(), STROKES, (INK, INK, SOFT, SOFT), strict=True):
            sizes, taken = [line["rows"] for line in over_rows], [line[name] for line in over_rows]
            left.loglog(sizes, taken, mark + dashes, color=color, label=f"{legend}: n^{exponents[f'{name}_rows']:.2f}")
        sizes, taken = [line["classes"] for line in over_classes], [line["bottleneck"] for line in over_classes]
        legend = f"{BOUNDS['bottleneck']}: C^{exponents['bottleneck_classes']:.2f}"
        right.loglog(sizes, taken, "o-", color=INK, label=legend)
        left.set(xlabel=f"rows n, with {CLASSES:,} classes", ylabel="milliseconds")
        right.set(xlabel=f"classes C, with {ROWS:,} rows")
        for axes, marks in ((left, OVER_ROWS), (right, OVER_CLASSES)):
            axes.set_xticks(marks, [f"{mark:,}" for mark in marks])
            axes.minorticks_off()
            axes.legend()
        return figure


torch.set_num_threads(1)
load = os.getloadavg()[0]
over_rows, over_classes = [], []
with torch.no_grad():
    for rows in OVER_ROWS:
        over_rows.append({"rows": rows} | milliseconds({"bottleneck": bottleneck(rows, CLASSES)} | club(rows), rows))
        print(json.dumps({"benchmark": "bound_complexity", "classes": CLASSES} | over_rows[-1]), flush=True)
    for classes in OVER_CLASSES:
        over_classes.append({"classes": classes} | milliseconds({"bottleneck": bottleneck(ROWS, classes)}, ROWS))
        print(json.dumps({"benchmark": "bound_complexity", "rows": ROWS} | over_classes[-1]), flush=True)

exponents = {f"{name}_rows": exponent(over_rows, "rows", name, FEWEST_ROWS) for name in BOUNDS}
exponents["bottleneck_classes"] = exponent(over_classes, "classes", "bottleneck", FEWEST_CLASSES)
expected = {"bottleneck_rows": 1, "bottleneck_classes": 1, "club_all_rows": 2}
largest = over_rows[-1]
summary = {
    "benchmark": "bound_complexity",
    "exponents": exponents,
    "bottleneck_nanoseconds_per_row_and_class": round(1e6 * largest["bottleneck"] / (largest["rows"] * CLASSES), 3),
    "club_nanoseconds_per_pair": round(1e6 * largest["club_all"] / largest["rows"] ** 2, 3),
    "club_over_bottleneck": round(largest["club_all"] / largest["bottleneck"], 2),
    "passed": options.quick or all(abs(exponents[name] - power) <= 0.15 for name, power in expected.items()),
}
print(json.dumps(summary))
if options.write:
    measured = {"over_rows": over_rows, "over_classes": over_classes, "summary": summary}
    keep("bound_complexity", on_this_machine("bound_complexity", 1, load) | measured)
    drawn(over_rows, over_classes, exponents).savefig(DOCS / "pictures" / "bound_complexity.png", dpi=110)
sys.exit(0 if summary["passed"] else 1)
