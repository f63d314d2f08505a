"""Sizes of neighborhoods from the data, against the usual ones, over individuals with 2 to 80 pictures.

Run: ``python benchmarks/group_sizes.py [--quick]``. The figure is the adjusted Rand index with the true individuals,
rows in no group counting as groups of one; eps is auto throughout. Made rows, and the shipped network on the world's
target, whole and cut to two or four pictures a person. No case may lose more than a hundredth to the usual sizes, but
bursts.
"""

from __future__ import annotations

import json
import sys

import numpy as np
import torch
from sklearn.metrics import adjusted_rand_score

import reknow
from measure import arguments
from reknow.clustering.automatic import USUAL
from reknow.clustering.dbscan import pseudo_labels
from reknow.data.formats import open_dataset
from reknow.methods.clustered import without_camera_means

LOSS_ALLOWED = 0.01

options = arguments(__doc__)


def made(sizes: list[int], noise: float, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Rows of 128 numbers around unit centers; `noise` is the length of what is added."""
    generator = np.random.default_rng(seed)
    truth = np.repeat(np.arange(len(sizes)), sizes)
    centers = generator.normal(size=(len(sizes), 128))
    centers /= np.linalg.norm(centers, axis=1, keepdims=True)
    return centers[truth] + noise * generator.normal(size=(len(truth), 128)) / np.sqrt(128), truth


def bursts(noise: float) -> tuple[np.ndarray, np.ndarray]:
    """Individuals of five moments, each of three frames that are nearly the same."""
    rows, truth = made([5] * 60, noise, seed=2)
    frames = np.repeat(rows, 3, axis=0)
    return frames + 0.15 * np.random.default_rng(5).normal(size=frames.shape) / np.sqrt(128), np.repeat(truth, 3)


def world(seed: int, pictures: int | None) -> tuple[np.ndarray, np.ndarray]:
    """The shipped network on people that it was not trained on, camera means subtracted as the recipes do."""
    people = "&train_identities=40" if options.quick else ""
    rows = open_dataset(f"world:target?seed={seed}{people}").training()
    truth = rows.codes("identity")
    if pictures is not None:
        generator = np.random.default_rng(0)
        kept = [generator.permutation(np.flatnonzero(truth == person))[:pictures] for person in np.unique(truth)]
        rows, truth = rows.select(np.concatenate(kept)), truth[np.concatenate(kept)]
    vectors = torch.from_numpy(reknow.load(precision="32").embed_manifest(rows).vectors)
    return without_camera_means(vectors, torch.from_numpy(rows.codes("camera"))).numpy(), truth


def index(rows: np.ndarray, truth: np.ndarray, **sizes: int | str) -> tuple[float, list[int]]:
    """The adjusted Rand index, and the sizes that were used."""
    clusters = pseudo_labels(rows.astype(np.float32), eps="auto", **sizes)
    alone = clusters.labels < 0
    labels = np.where(alone, len(truth) + np.arange(len(truth)), clusters.labels)
    return float(adjusted_rand_score(truth, labels)), [clusters.sizes.k1, clusters.sizes.k2, clusters.sizes.min_samples]


generator = np.random.default_rng(5)
sizes = (2, 5, 14) if options.quick else (2, 3, 4, 5, 6, 8, 14, 30, 80)
cases = {f"made {size}, noise {noise}": made([size] * (800 // size), noise) for size in sizes for noise in (0.4, 1.1)}
cases["made 1 to 3"] = made(generator.integers(1, 4, 400).tolist(), 0.4)
cases["made 2 to 20"] = made(generator.integers(2, 21, 80).tolist(), 0.4)
cases["bursts of 3, five each"] = bursts(1.1)
for seed in range(1 if options.quick else 3):
    for pictures in (2, 4, None):
        cases[f"world {seed}, {pictures or 'all'} pictures"] = world(seed, pictures)

usual = {"k1": USUAL.k1, "k2": USUAL.k2, "min_samples": USUAL.min_samples}
auto = {"k1": "auto", "k2": "auto", "min_samples": "auto"}
rows = {}
for name, (vectors, truth) in cases.items():
    ours, chosen = index(vectors, truth, **auto)
    rows[name] = {"auto": round(ours, 3), "usual": round(index(vectors, truth, **usual)[0], 3), "sizes": chosen}
loss = max(row["usual"] - row["auto"] for name, row in rows.items() if "bursts" not in name)
print(json.dumps({"benchmark": "group_sizes", "largest_loss": round(loss, 3), "allowed": LOSS_ALLOWED, "cases": rows}))
sys.exit(0 if loss <= LOSS_ALLOWED else 1)
