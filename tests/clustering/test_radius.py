"""eps from the k-distance curve finds about the right number of clusters on made data of several kinds."""

from __future__ import annotations

import numpy as np
import pytest

from reknow.clustering.dbscan import pseudo_labels
from reknow.clustering.jaccard import jaccard_distances
from reknow.clustering.radius import LARGEST_RADIUS, auto_radius, k_distances


@pytest.mark.parametrize(
    ("clusters", "size", "noise", "strangers"),
    [(20, 12, 0.4, 0), (20, 12, 0.9, 30), (40, 6, 0.5, 0), (8, 60, 0.9, 0), (15, 15, 0.6, 300)],
)
def test_about_the_right_number_of_clusters(made_rows, clusters, size, noise, strangers):
    rows, _ = made_rows(clusters, size, noise=noise, strangers=strangers, seed=clusters)
    found = pseudo_labels(rows, eps="auto")
    assert 0.5 <= found.eps <= LARGEST_RADIUS
    assert abs(found.num_clusters - clusters) <= 0.15 * clusters + (1 if strangers else 0)


def test_noise_has_no_clusters(made_rows):
    rows, _ = made_rows(0, 0, strangers=800)
    found = pseudo_labels(rows, eps="auto")
    assert found.eps == 0.6
    assert found.num_outliers > 0.9 * 800
    assert found.warning is not None


def test_clusters_larger_than_the_lists_get_a_larger_radius(made_rows):
    small, _ = made_rows(12, 15, noise=0.8)
    large, _ = made_rows(3, 80, noise=0.8)
    radius = [auto_radius(jaccard_distances(rows, radius=LARGEST_RADIUS), 4) for rows in (small, large)]
    assert radius[0] < 0.62 < radius[1]


def test_k_distances_are_those_of_a_full_sort(made_rows):
    rows, _ = made_rows(4, 10, strangers=10)
    distances = jaccard_distances(rows, k1=8, radius=0.7)
    for count in (1, 4, 9):
        expected = [
            np.sort(row.data)[count - 1] if row.nnz >= count or len(row.data) >= count else 1 for row in distances
        ]
        np.testing.assert_array_equal(k_distances(distances, count), np.array(expected, np.float32))
