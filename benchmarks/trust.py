"""Support of groups against the truth: the radius rule for final groups, and how well support tells a true index.

Run: ``python benchmarks/trust.py [--quick] [--write] [--runs FOLDER]``. On the world at both difficulties, groceries
and Omniglot, by the shipped weights; with ``--runs`` also on the training rows of every finished run in that folder.
One line for each: adjusted Rand index with the truth at the radius of training, at that of final groups and at the best
of a sweep, and the support. The last line has the rank correlation of support and index, and the largest loss. With
``--write`` they are kept in docs/measured/trust.json and drawn as docs/pictures/trust.png.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from matplotlib.figure import Figure
from scipy.stats import spearmanr

from measure import keep
from reknow.data.formats import open_dataset
from reknow.recognizer import load
from reknow.studies.figures import INK, SOFT, style
from reknow.studies.start import indices

ROOT = Path(__file__).parent.parent
GROCERIES = "folder:{root}/examples/groceries?identity=subfolder&gallery=train"
LONGEST_LOSS, LEAST_CORRELATION = 0.05, 0.9


def starts(quick: bool) -> list[str]:
    """The data sets that are at hand."""
    worlds = [
        f"world:target?difficulty={difficulty}&seed={seed}&test_identities=0"
        for difficulty in ("easy", "hard")
        for seed in range(1 if quick else 3)
    ]
    return worlds if quick else [*worlds, GROCERIES.format(root=ROOT), f"omniglot:{ROOT}/examples/omniglot"]


def line_of(name: str, data: str, recognizer: str | None) -> dict[str, object]:
    """The numbers of one data set, by the shipped weights or by those of a run."""
    rows = open_dataset(data)
    embedded = load(recognizer, precision="32").embed_manifest(rows.split("train") if rows.has("split") else rows)
    return {"name": name, "rows": len(embedded)} | indices(embedded.vectors, embedded.manifest.codes("identity"))


def drawn(lines: list[dict[str, object]]) -> Figure:
    """True index over support: open marks before training, filled ones after it."""
    with style():
        figure = Figure(figsize=(5, 4.4), layout="constrained", facecolor="white")
        axes = figure.subplots()
        for line in lines:
            face = INK if line["trained"] else "none"
            axes.plot(line["support"], line["index_final"], "o", markeredgecolor=INK, markerfacecolor=face)
        axes.plot([0, 1], [0, 1], color=SOFT, linestyle=":")
        axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="support, known without labels", ylabel="true adjusted Rand index")
        return figure


parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
parser.add_argument("--quick", action="store_true", help="one seed of the world alone")
parser.add_argument("--write", action="store_true", help="keep the lines and the picture in docs")
parser.add_argument("--runs", type=Path, help="a folder of finished runs")
options = parser.parse_args()

wanted = [(data.rpartition("/")[2], data, None) for data in starts(options.quick)]
for summary in sorted(options.runs.glob("*/summary.json")) if options.runs else []:
    wanted.append((summary.parent.name, json.loads(summary.read_text())["dataset"], str(summary.parent)))
lines = []
for name, data, recognizer in wanted:
    lines.append(line_of(name, data, recognizer) | {"trained": recognizer is not None})
    print(json.dumps(lines[-1]), flush=True)
lost = max(float(line["index_best"]) - float(line["index_final"]) for line in lines)
correlation = float(spearmanr([line["support"] for line in lines], [line["index_final"] for line in lines])[0])
passed = options.quick or (lost <= LONGEST_LOSS and correlation >= LEAST_CORRELATION)
summary = {"benchmark": "trust", "rank_correlation": correlation, "largest_loss": lost, "passed": passed}
print(json.dumps(summary))
if options.write:
    keep("trust", [*lines, summary])
    drawn(lines).savefig(ROOT / "docs" / "pictures" / "trust.png", dpi=110)
sys.exit(0 if passed else 1)
