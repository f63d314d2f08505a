"""Pseudo-labels: known clusters come back, and results that nobody can learn from come with a sentence."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.cluster import DBSCAN
from sklearn.metrics import adjusted_rand_score

from dense_jaccard import reference_jaccard
from reknow.clustering.automatic import LARGEST_RADIUS, auto_radius
from reknow.clustering.dbscan import pseudo_labels
from reknow.clustering.density import density_clusters
from reknow.clustering.jaccard import jaccard_distances
from reknow.errors import DataError, RecipeError


def test_known_clusters_come_back(made_rows):
    rows, truth = made_rows(12, 15, strangers=10)
    found = pseudo_labels(rows, eps=0.6, k1=20)
    assert found.num_clusters == found.labels.max() + 1 == 12
    assert found.num_outliers == (found.labels == -1).sum()
    assert adjusted_rand_score(truth[truth >= 0], found.labels[truth >= 0]) > 0.99
    assert found.labels.dtype == np.int64
    assert found.eps == 0.6
    assert found.warning is None


@pytest.mark.parametrize("eps", [0.4, 0.55, 0.7])
def test_the_sparse_graph_gives_the_labels_of_the_full_matrix(made_rows, eps):
    rows, _ = made_rows(8, 20, noise=1.3, strangers=30)
    full = np.maximum(reference_jaccard(rows), 0)
    expected = DBSCAN(eps=eps, min_samples=4, metric="precomputed").fit(full).labels_
    np.testing.assert_array_equal(pseudo_labels(rows, eps=eps).labels, expected)
    # A graph with more than eps needs gives the same.
    np.testing.assert_array_equal(density_clusters(jaccard_distances(rows), eps, 4), expected)


@pytest.mark.parametrize("eps", [0.4, 0.55, 0.7])
def test_a_row_counts_as_often_as_it_represents_others(made_rows, eps):
    rows, _ = made_rows(8, 20, noise=1.5, strangers=40)
    graph, weights = jaccard_distances(rows, k1=12), np.random.default_rng(0).integers(1, 4, len(rows))
    expected = DBSCAN(eps=eps, min_samples=6, metric="precomputed").fit(graph, sample_weight=weights).labels_
    np.testing.assert_array_equal(density_clusters(graph, eps, 6, weights), expected)
    assert (expected >= 0).any() and (expected < 0).any()


def test_clusters_are_numbered_by_their_first_row(made_rows):
    rows, _ = made_rows(10, 12, noise=0.3)
    labels = pseudo_labels(rows, eps=0.5, k1=12).labels
    firsts = [int(np.flatnonzero(labels == label)[0]) for label in range(labels.max() + 1)]
    assert firsts == sorted(firsts)


def test_tensors_work(made_rows):
    rows, _ = made_rows(5, 12)
    np.testing.assert_array_equal(
        pseudo_labels(torch.from_numpy(rows), eps=0.6).labels, pseudo_labels(rows, eps=0.6).labels
    )


@pytest.mark.parametrize("rows", [0, 1, 2, 3])
@pytest.mark.parametrize("eps", [0.6, "auto"])
def test_too_few_rows_for_any_cluster(rows, eps):
    found = pseudo_labels(np.eye(4, dtype=np.float32)[:rows], eps=eps)
    assert found.labels.tolist() == [-1] * rows
    assert (found.num_clusters, found.num_outliers) == (0, rows)
    assert found.warning is not None
    assert f"{rows} rows cannot form a cluster" in found.warning


@pytest.mark.parametrize("rows", [4, 29, 30, 31, 100, 300])
@pytest.mark.parametrize("eps", [0.6, "auto"])
def test_all_pictures_the_same(rows, eps):
    one = np.random.default_rng(0).normal(size=(1, 16)).astype(np.float32)
    found = pseudo_labels(np.repeat(one, rows, axis=0), eps=eps)
    assert found.labels.tolist() == [0] * rows
    assert found.warning is not None
    assert "One cluster holds" in found.warning
    assert "alike" in found.warning


def test_nothing_near_enough(made_rows):
    rows, _ = made_rows(0, 0, strangers=60)
    found = pseudo_labels(rows, eps=0.05)
    assert found.num_clusters == 0
    assert found.warning is not None
    assert "No clusters among 60 rows" in found.warning
    assert "Raise eps" in found.warning


def test_mostly_outliers(made_rows):
    rows, _ = made_rows(3, 8, noise=0.1, strangers=200, dim=128)
    found = pseudo_labels(rows, eps=0.3, k1=8)
    assert found.num_clusters >= 1
    assert found.num_outliers > 0.8 * 224
    assert found.warning is not None
    assert f"{found.num_outliers} of 224 rows" in found.warning


def test_fewer_rows_than_k1(made_rows):
    # Lists of all 20 rows merge the four clusters; lists of half of them keep them apart.
    rows, truth = made_rows(4, 5, noise=0.8, seed=1)
    assert density_clusters(jaccard_distances(rows, k1=30), 0.5, 4).max() < 3
    found = pseudo_labels(rows, eps=0.5, k1=30)
    assert adjusted_rand_score(truth, found.labels) == 1


def test_auto_does_not_merge_strangers(made_rows):
    # Two pictures each: no row has three neighbors of its own, and the curve alone says 0.75, one cluster of 600.
    rows, _ = made_rows(300, 2, noise=0.4, seed=2)
    assert auto_radius(jaccard_distances(rows, radius=LARGEST_RADIUS), 4) > 0.7
    found = pseudo_labels(rows, eps="auto")
    assert found.eps < 0.65
    assert found.num_clusters > 20


def test_diverged_networks_are_named():
    rows = np.eye(10, dtype=np.float32)
    rows[3] = np.nan
    with pytest.raises(DataError, match="rows 3;"):
        pseudo_labels(rows, eps=0.6)


@pytest.mark.parametrize("eps", [0.0, 1.0, 1.5, -1.0, float("nan")])
def test_eps_is_a_distance(eps):
    with pytest.raises(RecipeError, match="eps"):
        pseudo_labels(np.eye(5, dtype=np.float32), eps=eps)


@pytest.mark.parametrize("setting", ["min_samples", "k1", "k2"])
def test_sizes_are_positive(setting):
    with pytest.raises(RecipeError, match=setting):
        pseudo_labels(np.eye(5, dtype=np.float32), eps=0.6, **{setting: 0})


def test_auto_does_not_let_weak_embeddings_merge():
    """60 individuals of 10, noise stronger than the differences: the distances' middle alone gives 5 clusters."""
    rng = np.random.default_rng(0)
    noisy = np.repeat(rng.standard_normal((60, 32)), 10, axis=0) + 1.2 * rng.standard_normal((600, 32))
    found = pseudo_labels(noisy.astype(np.float32), eps="auto", k1=20)
    assert found.num_clusters >= 40
    assert np.bincount(found.labels[found.labels >= 0]).max() <= 40
    assert 0.5 <= found.eps <= 0.65
