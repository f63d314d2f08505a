"""The demo's promise: adaptation without labels closes at least half of what labels would give at equal budget.

Run: ``python benchmarks/adaptation.py [--quick] [--hard] [--write]``. For each of three seeds: the demo as users run it
(timed, with its peak memory), then the same world, network, pictures and steps with labels. One line per seed; with
``--write`` they are kept in docs/measured/adaptation.json. The lower bounds stand in the same lines: a color
histogram and an untrained network.

With ``--hard`` the world is as hard as real photographs, and cluster contrast and TCMM, as own data get them, take the
demo's place; kept in docs/measured/adaptation_hard.json. That takes over an hour on two cores.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from measure import arguments, keep
from reknow.data.embeddings import Embeddings
from reknow.data.formats import open_dataset
from reknow.data.pictures import read_picture
from reknow.methods.cluster_contrast import recipes as cluster_contrast
from reknow.methods.shipped import SHIPPED_NETWORK, SHIPPED_PREPROCESSING
from reknow.methods.supervised.recipes import world_target
from reknow.methods.tcmm import recipes as tcmm
from reknow.progress import Display
from reknow.recognizer import Card, Recognizer
from reknow.recognizer.evaluation import EvaluationSplit
from reknow.training.train import train

options = arguments(
    __doc__, write="keep the lines in docs/measured/adaptation.json", hard="on the world that is as hard as photographs"
)
SEEDS = (0,) if options.quick else (0, 1, 2)
ADAPTED = ("cluster_contrast", "tcmm")
"""The own-data recipes that the hard world compares."""


def color_histogram(picture: np.ndarray) -> np.ndarray:
    """Square roots of 8 x 8 x 8 color counts in four bands: 2,048 numbers of unit norm."""
    bands = []
    for band in np.array_split(picture // 32, 4, axis=0):
        codes = band.reshape(-1, 3).astype(np.int64) @ np.array([64, 8, 1])
        bands.append(np.sqrt(np.bincount(codes, minlength=512) / len(codes)))
    return np.concatenate(bands).astype(np.float32) / 2


def lower_bounds(data: str) -> dict[str, float]:
    """mAP of a color histogram and of the network before any training."""
    split = EvaluationSplit.of(open_dataset(data))
    assert split is not None
    rows = split.manifest
    histograms = np.stack([color_histogram(read_picture(rows.root, reference)) for reference in rows.column("rgb")])
    untrained = Recognizer(SHIPPED_NETWORK, SHIPPED_NETWORK.build(), SHIPPED_PREPROCESSING, Card(name="untrained"))
    return {
        "histogram": 100 * split.score(Embeddings(histograms, rows)).scores.mAP,
        "untrained": 100 * split.score(untrained.embed_manifest(rows)).scores.mAP,
    }


def with_labels(data: str, seed: int, epochs: int, folder: Path) -> dict[str, Any]:
    """The summary of training with labels, of as many epochs."""
    labelled = replace(world_target(), data=data, epochs=epochs, seed=seed)
    return train(labelled, folder, display=Display(quiet=True)).summary.as_json()


def as_the_demo(seed: int, folder: Path) -> dict[str, Any]:
    """The line of a seed on the easy world."""
    command = [sys.executable, "-m", "reknow.cli", "demo", "--json", "--seed", str(seed), "--out", f"{folder}/demo"]
    shown = subprocess.run(command, check=True, capture_output=True, text=True)
    demo = json.loads(shown.stdout)
    start, adapted = demo["start"]["mAP"], demo["mAP"]
    ceiling = with_labels(demo["dataset"], seed, cluster_contrast.world().epochs, folder / "labels")["mAP"]
    closed = (adapted - start) / (ceiling - start)
    return {
        "benchmark": "adaptation",
        "seed": seed,
        **lower_bounds(demo["dataset"]),
        "before": start,
        "adapted": adapted,
        "with_labels": ceiling,
        "closed": closed,
        "demo_seconds": demo["total_seconds"],
        "demo_peak_memory_gb": demo["peak_memory_gb"],
        "passed": closed >= 0.5 and demo["total_seconds"] < 300 and demo["peak_memory_gb"] < 4,
    }


def where_it_is_hard(seed: int, folder: Path) -> dict[str, Any]:
    """The line of a seed on the hard world."""
    epochs = cluster_contrast.own_data().epochs
    data = f"world:target?difficulty=hard&seed={seed}"
    line: dict[str, Any] = {"benchmark": "adaptation_hard", "epochs": epochs, "seed": seed}
    for recipe in (cluster_contrast.own_data(), tcmm.own_data()):
        outcome = train(replace(recipe, data=data, seed=seed), folder / recipe.name, display=Display(quiet=True))
        summary, name = outcome.summary.as_json(), recipe.name
        line |= {"purity": outcome.run.metrics().epochs[0].diagnostics["purity"], "before": summary["start"]["mAP"]}
        line |= {name: summary["mAP"], f"{name}_rank1": summary["rank1"]}
    labelled = with_labels(data, seed, epochs, folder / "labels")
    line |= {"with_labels": labelled["mAP"], "with_labels_rank1": labelled["rank1"]}
    way = line["with_labels"] - line["before"]
    closed = {f"closed_by_{name}": (line[name] - line["before"]) / way for name in ADAPTED}
    return line | closed | {"closed": max(closed.values()), "passed": max(closed.values()) >= 0.6}


lines = []
for seed in SEEDS:
    with tempfile.TemporaryDirectory() as folder:
        line = (where_it_is_hard if options.hard else as_the_demo)(seed, Path(folder))
    lines.append({name: round(value, 3) if isinstance(value, float) else value for name, value in line.items()})
    print(json.dumps(lines[-1]), flush=True)
if options.hard:
    means = {name: sum(line[f"closed_by_{name}"] for line in lines) / len(lines) for name in ADAPTED}
    summary = {f"mean_closed_by_{name}": round(value, 3) for name, value in means.items()}
    lines.append({"benchmark": "adaptation_hard", **summary, "passed": max(means.values()) >= 0.6})
    print(json.dumps(lines[-1]), flush=True)
if options.write:
    keep(f"adaptation{'_hard' if options.hard else ''}", lines)
sys.exit(0 if all(line["passed"] for line in lines) else 1)
