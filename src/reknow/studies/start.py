"""``start``: which start, which difficulty, which radius rule: what adaptation needs where first clusters are impure.

Without a run, on both difficulties of the world: how good the shipped weights and their first clusters are. With runs,
on the hard one: cluster contrast as own data get it, and with one thing changed: the radius of training, camera
centering, the steps of an epoch, augmentation, the length of the run, random weights. Every run's final groups are
compared with the truth: at the radius of training, at their own (:mod:`reknow.clustering.final_groups`), and at the
best of a sweep; and with their support.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float, Int

from reknow.clustering.agreement import adjusted_rand_index
from reknow.clustering.final_groups import final_groups
from reknow.clustering.graph import distance_graph
from reknow.clustering.radius import SMALLEST_RADIUS, STEP, radius_in
from reknow.data.formats import open_dataset
from reknow.evaluation.scores import purity
from reknow.methods.cluster_contrast import recipes as cluster_contrast
from reknow.methods.shipped import OWN_DATA_CLUSTERING
from reknow.methods.tcmm import recipes as tcmm
from reknow.recognizer import load
from reknow.recognizer.evaluation import EvaluationSplit
from reknow.studies.sizes import HARD_ROWS, Scale
from reknow.studies.study import Measurement, Study, Variant
from reknow.training.train import Outcome

SWEPT = tuple(round(SMALLEST_RADIUS + STEP * step, 2) for step in range(10))
SEEDS = (0, 1, 2)


def study(scale: Scale) -> Study:
    """The starts without a run, and the runs on the hard world."""
    size = HARD_ROWS[scale]
    base = size.on_world(cluster_contrast.world(), "difficulty=hard")
    return Study(
        name="start",
        question="What does adaptation need where first clusters are impure: which start, which radius, how long?",
        scale=scale,
        base=base,
        variants=(
            Variant("as own data get it"),
            Variant("eps 0.5", {"method.clustering.eps": 0.5}),
            Variant("eps 0.6", {"method.clustering.eps": 0.6}),
            Variant("cameras not centered", {"method.clustering.camera_centered": False}),
            Variant("a pass over the clustered", {"iterations": None}),
            Variant(
                "colors change", {f"augmentation.{name}": 0.3 for name in ("brightness", "contrast", "saturation")}
            ),
            Variant("twice as long", {"epochs": 2 * base.epochs}),
            Variant("random weights", {"weights": "random"}),
            Variant("TCMM as own data get it", {"method": tcmm.world().method}),
        ),
        measurements=(
            Measurement(
                name="difficulty",
                about="The shipped weights before any training, on both difficulties: scores, the first clusters, and "
                "the groups that a user would get.",
                settings=tuple(
                    {"data": size.world(f"difficulty={difficulty}", f"seed={seed}")}
                    for difficulty in ("easy", "hard")
                    for seed in (SEEDS[:1] if scale == "quick" else SEEDS)
                ),
                measure=before_training,
            ),
        ),
        columns=("mAP", "rank1", "start_mAP", "purity", "index_training", "index_final", "index_best", "support"),
        score_run=of_run,
    )


def before_training(data: str) -> dict[str, float]:
    """What the shipped weights make of a data set that has identities: scores, first clusters, groups."""
    manifest, recognizer = open_dataset(data), load(precision="32")
    split = EvaluationSplit.of(manifest)
    assert split is not None, "a world has queries"
    scores = split.score(recognizer.embed_manifest(split.manifest)).scores
    embedded = recognizer.embed_manifest(manifest.split("train"))
    identities, cameras = (embedded.manifest.codes(name) for name in ("identity", "camera"))
    first = OWN_DATA_CLUSTERING(torch.from_numpy(embedded.vectors), cameras)
    return {
        "mAP": 100 * scores.mAP,
        "rank1": 100 * float(scores.cmc[0]),
        "purity": purity(first.labels, identities)["purity"],
        "clusters": float(first.num_clusters),
        **indices(embedded.vectors, identities),
    }


def of_run(outcome: Outcome) -> Mapping[str, float]:
    """The same of the groups of a run's training pictures."""
    return indices(outcome.training.vectors, outcome.training.manifest.codes("identity"))


def indices(vectors: Float[np.ndarray, "rows dim"], identities: Int[np.ndarray, "rows"]) -> dict[str, float]:
    """Adjusted Rand indices of groups with the truth, by three rules for their radius, and the groups' support.

    Args:
        vectors: (N, D) unit rows.
        identities: (N,) the truth.
    """
    graph = distance_graph(vectors, largest=max(SWEPT), min_samples="auto", k1="auto", k2="auto")
    final = final_groups(vectors)
    at = {radius: adjusted_rand_index(graph.labels(radius), identities) or 0.0 for radius in SWEPT}
    return {
        "index_training": adjusted_rand_index(graph.labels(radius_in(graph)), identities) or 0.0,
        "index_final": adjusted_rand_index(final.groups.labels, identities) or 0.0,
        "index_best": max(at.values()),
        "support": final.halves.support if final.halves else 0.0,
        "radius_final": final.groups.eps,
        "radius_best": max(at, key=lambda radius: at[radius]),
    }
