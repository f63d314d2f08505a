"""The radius: clusters apart, clusters that had merged, and data in which nothing lies apart."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reknow.clustering.automatic import auto_radius
from reknow.clustering.graph import distance_graph
from reknow.clustering.radius import FACTOR, NOTHING_APART, STEP, clusters_apart, radius_in


def graph_of(noise: float, count: int = 40, pictures: int = 10, seed: int = 0):
    random = np.random.default_rng(seed)
    centers = random.normal(size=(count, 64))
    rows = np.repeat(centers, pictures, axis=0) + noise * random.normal(size=(count * pictures, 64))
    return distance_graph(rows.astype(np.float32), largest=0.75, min_samples=4, k1=15, k2=6)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=20), st.integers(0, 30))
def test_clusters_apart_are_their_number_where_all_rows_are_in_one_of_equal_sizes(sizes, outliers):
    labels = np.repeat(np.arange(len(sizes)), sizes)
    apart = clusters_apart(labels)
    assert 1 - 1e-9 <= apart <= len(sizes) + 1e-9
    assert (apart == pytest.approx(len(sizes))) == (len(set(sizes)) == 1)
    beside = clusters_apart(np.concatenate([labels, np.full(outliers, -1)]))
    assert beside == pytest.approx(apart * len(labels) / (len(labels) + outliers))


def test_without_clusters_none_is_apart():
    assert clusters_apart(np.full(5, -1)) == clusters_apart(np.empty(0, np.int64)) == 0


def test_clear_clusters_keep_the_radius_of_the_curve():
    graph = graph_of(0.3)
    assert radius_in(graph) == auto_radius(graph.distances, 4, graph.weights)


def test_the_radius_shrinks_until_a_step_parts_no_clusters():
    graph = graph_of(1.5)
    start = auto_radius(graph.distances, graph.sizes.min_samples, graph.weights)
    taken = radius_in(graph)
    steps = round((start - taken) / STEP)
    assert steps > 0 and taken == pytest.approx(start - steps * STEP)
    counts = [clusters_apart(graph.clusters(start - step * STEP)) for step in range(steps + 3)]
    for step in range(steps + 1):
        if counts[step] < NOTHING_APART:
            assert step < steps  # smaller radii part clusters here
            continue
        one, two = counts[step + 1] / counts[step], counts[step + 2] / counts[step]
        assert (one >= FACTOR or two >= FACTOR**2) == (step < steps)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_handful_of_individuals_is_not_cut_to_pieces(count):
    graph = graph_of(0.5, count=count, pictures=60)
    assert radius_in(graph) > 0.45
    assert graph.labels(radius_in(graph)).max() + 1 == count


def test_where_nothing_is_clustered_the_radius_of_the_curve_stays():
    graph = distance_graph(np.eye(40, dtype=np.float32), largest=0.75, min_samples=4, k1=15, k2=6)
    assert radius_in(graph) == auto_radius(graph.distances, 4, graph.weights)
