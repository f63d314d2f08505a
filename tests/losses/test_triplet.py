"""Batch-hard triplets: the laws of distances, and the batches that break careless code."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from reknow.losses.triplet import BatchHardTriplet, euclidean_distances, hardest_distances

MARGINS = pytest.mark.parametrize("margin", [None, 0.3])


def batch(seed: int, rows: int = 9, identities: int = 4) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(rows, 5, generator=generator, dtype=torch.float64)
    return features, torch.randint(identities, (rows,), generator=generator)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_hardest_distances_are_the_ones_a_loop_finds(seed: int) -> None:
    features, labels = batch(seed)
    positive, negative = hardest_distances(features, labels)
    for anchor in range(len(features)):
        distance = [float((features[anchor] - other).norm()) for other in features]
        same = [d for d, label in zip(distance, labels, strict=True) if label == labels[anchor]]
        others = [d for d, label in zip(distance, labels, strict=True) if label != labels[anchor]]
        assert float(positive[anchor]) == pytest.approx(max(*same, 1e-6), abs=1e-6)
        assert float(negative[anchor]) == pytest.approx(min(others, default=float("inf")), abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([None, 0.0, 0.3]))
def test_order_origin_and_names_do_not_matter(seed: int, margin: float | None) -> None:
    features, labels = batch(seed)
    loss = BatchHardTriplet(margin)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    moved = loss(features[order] + 2.0, 10 - labels[order])
    torch.testing.assert_close(moved, loss(features, labels))
    assert moved >= 0


@MARGINS
def test_a_batch_of_one_identity_teaches_nothing_and_has_no_nan(margin: float | None) -> None:
    features = torch.randn(4, 3, requires_grad=True)
    loss = BatchHardTriplet(margin)(features, torch.zeros(4, dtype=torch.long))
    loss.backward()
    assert loss == 0
    assert torch.equal(features.grad, torch.zeros(4, 3))


@MARGINS
def test_pictures_that_are_all_equal_have_a_gradient_of_zero(margin: float | None) -> None:
    features = torch.ones(4, 3, requires_grad=True)
    BatchHardTriplet(margin)(features, torch.tensor([0, 0, 1, 1])).backward()
    assert torch.equal(features.grad, torch.zeros(4, 3))


def test_distance_to_itself_is_the_floor_in_single_precision() -> None:
    distances = euclidean_distances(100 * torch.randn(32, 64))
    assert torch.equal(distances.diagonal(), torch.full((32,), 1e-12).sqrt())


def test_sixteen_bit_features_are_compared_in_thirty_two() -> None:
    features = 10 + torch.randn(16, 64).bfloat16() / 8
    with torch.autocast("cpu", torch.bfloat16):
        distances = euclidean_distances(features)
    assert distances.dtype == torch.float32
    exact = torch.cdist(features.double(), features.double())
    torch.testing.assert_close(distances.double(), exact, rtol=0, atol=5e-3)
