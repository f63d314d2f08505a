from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reknow.errors import RecipeError
from reknow.losses.bottleneck import Bottleneck
from reknow.losses.sampled_bottleneck import SampledBottleneck


def made(classes: int, each: int = 4, dim: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(classes)
    labels = torch.arange(classes).repeat_interleave(each)[torch.randperm(classes * each, generator=random)]
    shared = torch.randn(classes, dim, generator=random)[labels]
    return shared + 0.5 * torch.randn(classes * each, dim, generator=random), labels


@pytest.mark.parametrize("beta", [1.0, 5.0])
def test_with_all_clusters_it_is_the_full_sum(beta):
    features, labels = made(30)
    features.requires_grad_()
    whole, sampled = Bottleneck(8, beta), SampledBottleneck(8, samples=26, beta=beta)
    for each in (whole, sampled):
        each.rebuild(features.detach(), labels, classes=30)
    batch = torch.isin(labels, torch.tensor([2, 7, 11, 29]))
    one, other = (each(features[batch], labels[batch]) for each in (whole, sampled))
    torch.testing.assert_close(other, one)
    gradients = [torch.autograd.grad(each, features, retain_graph=True)[0] for each in (one, other)]
    torch.testing.assert_close(gradients[1], gradients[0], atol=1e-7, rtol=1e-4)


def test_the_estimate_comes_near_and_nearer_with_more_samples():
    features, labels = made(2000, each=3)
    whole = Bottleneck(8)
    whole.rebuild(features, labels, classes=2000)
    batch = labels < 16
    expected = whole(features[batch], labels[batch])
    errors = []
    for samples in (50, 800):
        sampled = SampledBottleneck(8, samples=samples)
        sampled.rebuild(features, labels, classes=2000)
        torch.manual_seed(0)
        estimates = torch.stack([sampled(features[batch], labels[batch]) for _ in range(20)])
        errors.append(float((estimates - expected).abs().mean() / expected))
    assert errors[1] < errors[0] / 2 and errors[1] < 2e-3


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 49), min_size=1, max_size=30, unique=True), st.integers(1, 60))
def test_other_clusters_are_never_the_batch_s_own(own, samples):
    sampled = SampledBottleneck(2, samples=samples)
    sampled.rebuild(torch.randn(100, 2), torch.arange(50).repeat(2), classes=50)
    others, weight = sampled._others(torch.tensor(sorted(own)))
    assert not set(others.tolist()) & set(own)
    assert int(others.min()) >= 0 and int(others.max()) < 50
    assert weight * len(others) == pytest.approx(50 - len(own))


def test_every_other_cluster_is_drawn_alike():
    torch.manual_seed(0)
    sampled = SampledBottleneck(2, samples=3)
    sampled.rebuild(torch.randn(8, 2), torch.arange(8), classes=8)
    drawn = torch.cat([sampled._others(torch.tensor([1, 4]))[0] for _ in range(4000)])
    shares = drawn.bincount(minlength=8) / len(drawn)
    assert shares[[1, 4]].tolist() == [0, 0]
    torch.testing.assert_close(shares[[0, 2, 3, 5, 6, 7]], torch.full((6,), 1 / 6), atol=0.02, rtol=0)


def test_a_class_without_rows_in_the_epoch_is_no_reason_to_stop():
    features, labels = made(10)
    sampled = SampledBottleneck(8, samples=4)
    sampled.rebuild(features, labels, classes=12)
    assert sampled(features[:2].requires_grad_(), torch.tensor([10, 11])).isfinite()


def test_what_makes_no_sense_is_refused():
    with pytest.raises(RecipeError, match="samples"):
        SampledBottleneck(8, samples=0)
    with pytest.raises(RecipeError, match="beta"):
        SampledBottleneck(8, beta=-1.0)
