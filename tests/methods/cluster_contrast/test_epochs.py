"""What an epoch trains on where it finds no clusters: the last ones that were found, or each picture by itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from reknow.methods.cluster_contrast.method import ClusterContrastConfig, Clustering
from reknow.methods.tcmm.method import TCMMConfig
from reknow.models.embedder import EmbedderConfig
from reknow.models.transformer import TransformerConfig

ROWS = 12
LAST = "This epoch trains on the last good clusters."
NONE = "No earlier clusters to fall back on: each picture is its own cluster this epoch."


@pytest.fixture
def built(known_set):
    """Makes a method from its config's class, or from a config."""

    def made(config):
        trunk = TransformerConfig(image_size=(32, 16), width=16, depth=1, heads=2, patch=4)
        if isinstance(config, type):
            config = config(clustering=Clustering(eps=0.5, min_samples=2, k1=3, k2=1))
        return config.build(EmbedderConfig(trunk=trunk).build(), known_set(ROWS))

    return made


@pytest.fixture
def epochs(known_set):
    """Carries a method through epochs in which its rows are embedded as given."""

    def made(method, *embeddings):
        return [method.before_epoch(number, known_set(ROWS, found)) for number, found in enumerate(embeddings)]

    return made


def pairs(order):
    """Six pairs of equal rows; which rows are a pair is the order's business."""
    rows = torch.zeros(ROWS, 16)
    for place, row in enumerate(order):
        rows[row, place // 2] = 1.0
    return functional.normalize(rows + 1e-3 * torch.arange(ROWS)[:, None] % 2, dim=1)


GOOD = pairs(range(ROWS))
OTHER = pairs([0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11])
BAD = torch.eye(ROWS, 16)  # nobody is like anybody


def partner_of_first(plan):
    return np.flatnonzero(plan.labels == plan.labels[0]).tolist()


@pytest.mark.parametrize("config", [ClusterContrastConfig, TCMMConfig])
def test_without_clusters_so_far_no_epoch_speaks_of_earlier_ones(config, built, epochs):
    for plan in epochs(built(config), BAD, BAD, BAD):
        assert plan.notes[-1] == NONE
        assert LAST not in plan.notes
        assert plan.labels.tolist() == list(range(ROWS))


@pytest.mark.parametrize("config", [ClusterContrastConfig, TCMMConfig])
def test_after_clusters_the_newest_good_ones_are_kept_however_long(config, built, epochs):
    plans = epochs(built(config), BAD, GOOD, BAD, OTHER, BAD, BAD)
    assert [plan.notes[-1] if plan.notes else "" for plan in plans] == [NONE, "", LAST, "", LAST, LAST]
    assert [partner_of_first(plan) for plan in plans] == [[0], [0, 1], [0, 1], [0, 2], [0, 2], [0, 2]]


def test_a_resumed_run_still_knows_whether_there_were_any(built, epochs, known_set):
    for surveys, note in (((BAD,), NONE), ((GOOD, BAD), LAST)):
        method, resumed = built(ClusterContrastConfig), built(ClusterContrastConfig)
        epochs(method, *surveys)
        resumed.load_state_dict(method.state_dict())
        assert resumed.before_epoch(2, known_set(ROWS, BAD)).notes[-1] == note


def test_sizes_follow_the_pictures_of_an_individual_and_are_logged(built, epochs):
    """Twelve pictures in six pairs: the usual lists of 15 would hold everything."""
    clustering = Clustering(eps="auto", min_samples="auto", k1="auto", k2="auto")
    (plan,) = epochs(built(ClusterContrastConfig(clustering=clustering)), GOOD)
    assert plan.labels.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    chosen = {name: plan.diagnostics[name] for name in ("clusters", "alone", "k1", "k2", "min_samples")}
    assert chosen == {"clusters": 6.0, "alone": 0.0, "k1": 4.0, "k2": 2.0, "min_samples": 2.0}


def test_halves_are_compared_at_the_radius_of_training():
    random = np.random.default_rng(0)
    rows = np.repeat(random.normal(size=(40, 16)), 5, axis=0) + 0.45 * random.normal(size=(200, 16))
    rows = torch.nn.functional.normalize(torch.from_numpy(rows).float(), dim=1)
    unknown = np.full(200, -1)
    for eps in ("auto", 0.55):
        clustering = Clustering(eps=eps, k1=10, k2=3)
        alone, halved = clustering(rows, unknown), clustering(rows, unknown, True)
        assert alone.eps == halved.eps and alone.labels.tolist() == halved.labels.tolist()
        assert alone.agreement is None and 0 < halved.agreement <= 1


def test_rows_that_do_not_fit_on_a_gpu_are_clustered_on_the_cpu(built, epochs, monkeypatch):
    clustering, devices = Clustering.__call__, []

    def full(self, embeddings, cameras, halved):
        devices.append(embeddings.device.type)
        if len(devices) == 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return clustering(self, embeddings, cameras, halved)

    monkeypatch.setattr(Clustering, "__call__", full)
    (plan,) = epochs(built(ClusterContrastConfig), GOOD)
    assert plan.diagnostics["clusters"] == ROWS / 2 and devices == ["cpu", "cpu"]
