"""Final groups: halves that are halves, the radius with the largest support, and features that cannot be halved."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import fft

from reknow.clustering.agreement import adjusted_rand_index
from reknow.clustering.dbscan import pseudo_labels
from reknow.clustering.final_groups import NEARLY, Halves, _taken, final_groups, halves_of
from reknow.errors import RecipeError


def individuals(noise: float, count: int = 40, pictures: int = 10, dim: int = 64, seed: int = 0):
    """Rows around `count` directions, and which each is of."""
    random = np.random.default_rng(seed)
    centers = random.normal(size=(count, dim))
    truth = np.repeat(np.arange(count), pictures)
    return (centers[truth] + noise * random.normal(size=(len(truth), dim))).astype(np.float32), truth


def test_halves_are_an_orthogonal_transform_of_the_rows():
    """Products of rows stay, and the halves lie beside each other."""
    rows = torch.nn.functional.normalize(torch.from_numpy(individuals(1.0)[0]), dim=1)
    random = np.random.default_rng(3)
    signs, order = random.choice(np.array([-1, 1], np.float32), 64), random.permutation(64)
    turned = fft.dct(rows.numpy() * signs, axis=1, norm="ortho")[:, order]
    np.testing.assert_allclose(turned @ turned.T, rows @ rows.T, atol=1e-5)
    first, second = halves_of(rows, 3)
    for half, part in ((first, turned[:, :32]), (second, turned[:, 32:])):
        np.testing.assert_allclose(half.numpy() * np.linalg.norm(part, axis=1, keepdims=True), part, atol=1e-5)


def test_halves_of_an_odd_number_differ_by_one():
    first, second = halves_of(torch.nn.functional.normalize(torch.randn(9, 7), dim=1), 0)
    assert (first.shape[1], second.shape[1]) == (4, 3)


def test_support_falls_with_noise_as_the_true_index_does():
    supports, indices = [], []
    for noise in (0.3, 1.1, 1.3, 1.5, 1.8):
        rows, truth = individuals(noise)
        found = final_groups(rows)
        supports.append(found.halves.support)
        indices.append(adjusted_rand_index(found.groups.labels, truth))
    assert supports[0] == pytest.approx(1.0) == indices[0]
    assert np.all(np.diff(supports) < 0)
    assert np.all(np.diff(indices) < 0)
    assert supports[-1] < 0.3


def halves(*supports: float) -> tuple[Halves, ...]:
    return tuple(Halves(0.7 - 0.05 * step, support, 1.0) for step, support in enumerate(supports))


@pytest.mark.parametrize(
    ("supports", "place"),
    [
        ((0.5, 0.8, 0.7), 1),  # the largest
        ((0.5, 0.8, 0.76, 0.75, 0.74, 0.79), 3),  # and on as long as there is nearly as much
        ((0.8, 0.8, 0.7), 1),
        ((0.8, 0.7, 0.79), 0),  # not across a gap
        ((0.0, 0.0, 0.0), 0),  # nothing to go by
        ((-0.1, 0.0), 0),
        ((0.9,), 0),
    ],
)
def test_smaller_radii_are_taken_as_long_as_they_have_nearly_the_largest_support(supports, place):
    tried = halves(*supports)
    assert _taken(tried) is tried[place]


def test_the_radius_has_nearly_the_largest_support_of_all_that_were_tried():
    rows, truth = individuals(1.3)
    found = final_groups(rows)
    assert found.halves in found.tried
    assert found.halves.support >= NEARLY * max(each.support for each in found.tried)
    radii = [each.radius for each in found.tried]
    assert radii[0] == pseudo_labels(rows, eps="auto", min_samples="auto", k1="auto", k2="auto").eps
    np.testing.assert_allclose(np.diff(radii), -0.05)
    assert 0.3 <= radii[-1] < 0.35
    indices = [
        adjusted_rand_index(pseudo_labels(rows, eps=r, min_samples="auto", k1="auto", k2="auto").labels, truth)
        for r in np.arange(0.3, 0.75, 0.05)
    ]
    assert adjusted_rand_index(found.groups.labels, truth) > max(indices) - 0.05
    assert [each.radius for each in final_groups(rows, lowered=False).tried] == radii[:1]


@pytest.mark.parametrize("noise", [0.5, 0.8, 1.0])
def test_large_groups_beside_small_ones_stay_whole(noise):
    """Sizes by a Pareto law, 2 to 200: parting the largest would make more clusters of like size."""
    random = np.random.default_rng(0)
    sizes = np.clip((2 * (1 + random.pareto(1.0, 60))).astype(int), 2, 200)
    truth = np.repeat(np.arange(60), sizes)
    rows = random.normal(size=(60, 64))[truth] + noise * random.normal(size=(len(truth), 64))
    assert adjusted_rand_index(final_groups(rows.astype(np.float32)).groups.labels, truth) > 0.85


def test_a_radius_of_the_users_is_kept():
    rows, _ = individuals(1.0)
    found = final_groups(rows, eps=0.45)
    assert found.groups.eps == found.halves.radius == 0.45
    assert found.groups.agreement == found.halves.agreement
    np.testing.assert_array_equal(
        found.groups.labels, pseudo_labels(rows, eps=0.45, min_samples="auto", k1="auto", k2="auto").labels
    )


def test_the_same_seed_gives_the_same_groups_and_copies_share_theirs():
    rows, _ = individuals(1.0)
    copied = np.concatenate([rows, rows[:50]])
    found, again = final_groups(copied), final_groups(copied)
    assert found.halves == again.halves
    np.testing.assert_array_equal(found.groups.labels[400:], found.groups.labels[:50])


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (np.ones((30, 1), np.float32), "features of less than 4 numbers cannot be halved"),
        (individuals(0.5, dim=3)[0], "features of less than 4 numbers"),
        (individuals(0.5, count=1, pictures=5)[0], "5 distinct pictures, not enough"),
        (np.ones((30, 16), np.float32), "1 distinct picture, not enough"),
        (np.empty((0, 16), np.float32), "0 distinct pictures, not enough"),
    ],
)
def test_features_that_cannot_be_halved_are_grouped_nevertheless(rows, reason):
    found = final_groups(rows)
    assert reason in found.reason
    assert found.halves is None
    assert len(found.groups.labels) == len(rows)


@pytest.mark.parametrize("rows", [np.eye(64, dtype=np.float32), individuals(0.3, count=1, pictures=12)[0]])
def test_no_group_and_one_group_of_all(rows):
    found = final_groups(rows, eps=0.3 if len(rows) == 64 else 0.9, min_samples=4, k1=10, k2=3)
    assert found.halves is not None
    assert found.halves.agreement is None
    assert found.halves.support == 0
    assert "half the features make no group, or one group of all pictures" in found.reason


def test_a_radius_out_of_range_is_refused():
    with pytest.raises(RecipeError, match="between 0 and 1"):
        final_groups(individuals(1.0)[0], eps=1.5)
