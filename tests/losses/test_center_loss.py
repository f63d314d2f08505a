"""Center loss: against a loop, its gradients, and 32 bit under autocast."""

from __future__ import annotations

import pytest
import torch

from reknow.losses.center_loss import CenterLoss


@pytest.fixture
def loss() -> CenterLoss:
    torch.manual_seed(0)
    return CenterLoss(classes=4, dim=6)


def test_it_is_the_mean_squared_distance_to_the_own_center(loss):
    features, labels = torch.randn(9, 6), torch.tensor([0, 1, 2, 0, 1, 2, 0, 1, 0])
    centers = loss.centers.detach()
    terms = [
        sum(float(difference) ** 2 for difference in feature - centers[label])
        for feature, label in zip(features, labels, strict=True)
    ]
    assert loss(features, labels).item() == pytest.approx(sum(terms) / 9, rel=1e-6)


def test_features_and_centers_move_toward_each_other_and_other_centers_stay(loss):
    features, labels = torch.randn(5, 6, requires_grad=True), torch.tensor([0, 0, 1, 1, 1])
    loss(features, labels).backward()
    difference = features.detach() - loss.centers.detach()[labels]
    torch.testing.assert_close(features.grad, 2 * difference / 5)
    torch.testing.assert_close(loss.centers.grad[0], -2 * difference[:2].sum(0) / 5)
    assert not loss.centers.grad[2:].any()


def test_under_autocast_it_is_computed_in_32_bit(loss):
    features, labels = 30 + torch.randn(8, 6), torch.arange(8) % 4
    exact = loss(features, labels)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(loss(features, labels), exact)


def test_centers_start_standard_normal():
    torch.manual_seed(0)
    centers = CenterLoss(classes=300, dim=100).centers
    assert centers.mean().item() == pytest.approx(0, abs=0.02)
    assert centers.std().item() == pytest.approx(1, abs=0.02)
