"""Settings from the data: sizes find small groups, and eps gives about the right number of clusters."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from reknow.clustering.automatic import (
    LARGEST_RADIUS,
    LISTED,
    USUAL,
    GroupSizes,
    Sizes,
    auto_radius,
    group_sizes,
    k_distances,
)
from reknow.clustering.dbscan import pseudo_labels
from reknow.clustering.jaccard import jaccard_distances
from reknow.clustering.neighbors import nearest_neighbors, unit_rows

AUTO = {"eps": "auto", "min_samples": "auto", "k1": "auto", "k2": "auto"}


def sizes_of(rows: np.ndarray) -> GroupSizes | None:
    return group_sizes(nearest_neighbors(unit_rows(rows), min(LISTED, len(rows))).similarity)


@pytest.mark.parametrize("size", [2, 3, 4, 5, 8, 14])
@pytest.mark.parametrize("noise", [0.3, 0.8])
def test_groups_of_one_size_are_found(made_rows, size, noise):
    rows, _ = made_rows(700 // size, size, noise=noise, dim=128)
    found = sizes_of(rows)
    assert found is not None
    assert 0.9 * size <= found.lower <= size  # with much noise the last companion of some is farther than strangers
    assert size <= found.upper <= 1.5 * size


def test_groups_show_that_no_single_row_shows(made_rows):
    """Noise as large as the differences: a row's drop behind its last companion drowns, the mean over rows does not."""
    rows, truth = made_rows(200, 4, noise=1.1, dim=64)
    similarity = nearest_neighbors(unit_rows(rows), LISTED).similarity[:, 1:]
    order = np.argsort(-(rows @ rows.T), axis=1, kind="stable")
    companions = (truth[order[:, 1:4]] == truth[:, None]).all(1)
    assert companions.mean() < 0.6
    assert (similarity[:, 2] - similarity[:, 3]).min() < 0.01
    found = sizes_of(rows)
    assert found is not None and found.lower in (3, 4)


@pytest.mark.parametrize("rows", [0, 1, 5, 8])
def test_too_few_rows_show_nothing(rows):
    assert sizes_of(np.eye(8, dtype=np.float32)[:rows]) is None


def test_strangers_and_large_groups_show_nothing(made_rows):
    for seed in range(5):
        assert sizes_of(made_rows(0, 0, strangers=500, dim=128, seed=seed)[0]) is None
        assert sizes_of(made_rows(10, 80, noise=0.8, dim=128, seed=seed)[0]) is None


def test_strangers_that_are_all_equally_far():
    pairs = np.repeat(np.eye(60, dtype=np.float32), 2, axis=0) + 0.1 * np.random.default_rng(0).normal(
        size=(120, 60)
    ).astype(np.float32)
    found = sizes_of(pairs)
    assert found is not None and found.lower == 2


def test_copies_count_as_pictures():
    """A group of three rows of which each stands for two pictures has six."""
    similarity = np.full((500, 41), 0.9, np.float32)
    similarity[:, 3:] = 0.4 - 0.05 * np.cumsum(1 / np.arange(1, 39))
    assert group_sizes(similarity) == GroupSizes(3, 3)
    assert group_sizes(similarity, np.full(500, 2)) == GroupSizes(6, 6)


@pytest.mark.parametrize(
    ("lower_and_upper", "expected"),
    [((2, 2), (4, 2, 2)), ((3, 3), (6, 2, 2)), ((4, 5), (10, 3, 3)), ((5, 6), (12, 4, 4)), ((3, 20), (15, 6, 2))],
)
def test_sizes_follow_from_groups(lower_and_upper, expected):
    assert GroupSizes(*lower_and_upper).sizes() == Sizes(*expected)


@pytest.mark.parametrize(("size", "groups"), [(2, 400), (3, 200), (4, 150), (5, 100)])
@pytest.mark.parametrize("seed", [0, 1])
def test_small_groups_come_back(made_rows, size, groups, seed):
    rows, truth = made_rows(groups, size, noise=0.4, dim=64, seed=seed)
    found = pseudo_labels(rows, **AUTO)
    assert adjusted_rand_score(truth, found.labels) > 0.99
    assert adjusted_rand_score(truth, pseudo_labels(rows, eps="auto").labels) < 0.9
    assert any(f"{size} " in note and f"k1 {found.sizes.k1}" in note for note in found.notes)


@pytest.mark.parametrize("groups", [5, 6, 8, 12, 15, 20, 30])
def test_a_small_number_of_small_groups_comes_back(made_rows, groups):
    for seed in range(3):
        rows, truth = made_rows(groups, 2, noise=0.3, dim=64, seed=seed)
        assert adjusted_rand_score(truth, pseudo_labels(rows, **AUTO).labels) > 0.9


@pytest.mark.parametrize(("small", "large"), [((100, 2), (10, 40)), ((60, 3), (10, 30))])
def test_large_groups_are_not_cut_up_for_many_small_ones(made_rows, small, large):
    pairs, pair_truth = made_rows(*small, noise=0.3, seed=1)
    many, many_truth = made_rows(*large, noise=0.3, seed=2)
    rows, truth = np.concatenate([pairs, many]), np.concatenate([pair_truth, 1000 + many_truth])
    found = pseudo_labels(rows, **AUTO)
    assert found.sizes == USUAL
    assert all((found.labels[truth == group] == found.labels[truth == group][0]).all() for group in range(1000, 1010))


def test_usual_groups_keep_the_usual_sizes(made_rows):
    for size in (14, 30):
        rows, truth = made_rows(20, size, noise=0.8, dim=64)
        found = pseudo_labels(rows, **AUTO)
        assert found.sizes == USUAL
        assert not found.notes
        assert adjusted_rand_score(truth, found.labels) > 0.99


def test_bursts_are_not_taken_for_individuals(made_rows):
    """Five bursts of three pictures each: the clear gap lies at three, the individual has fifteen."""
    shots, truth = made_rows(60, 5, noise=1.1, dim=128)
    generator = np.random.default_rng(1)
    rows = np.repeat(shots, 3, axis=0) + 0.013 * generator.normal(size=(900, 128)).astype(np.float32)
    found = pseudo_labels(rows, **AUTO)
    assert found.sizes.k1 == USUAL.k1 and found.sizes.k2 == USUAL.k2
    assert adjusted_rand_score(np.repeat(truth, 3), found.labels) > 0.9


def test_one_size_may_follow_and_the_others_be_given(made_rows):
    rows, _ = made_rows(300, 2, noise=0.4)
    assert pseudo_labels(rows, eps=0.6, k1="auto", k2=3, min_samples=4).sizes == Sizes(4, 3, 4)
    assert pseudo_labels(rows, eps=0.6, k1=10, k2="auto", min_samples="auto").sizes == Sizes(10, 2, 2)


def test_rows_without_a_neighbor_are_told(made_rows):
    rows, _ = made_rows(5, 20, noise=0.4, strangers=100, dim=64)
    found = pseudo_labels(rows, eps=0.3, k1=15)
    assert found.num_alone > 60
    assert any(
        f"{found.num_alone:,} of 200 rows" in note and "no neighbor within eps 0.3:" in note for note in found.notes
    )


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
