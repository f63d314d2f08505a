"""ResNet-50: torchvision's network to the number, but for the last stride and the pooling."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchvision.models import resnet50

from reknow.models.resnet import GeneralizedMean, ResNet50, ResNetConfig


def test_with_mean_pooling_cls_is_the_mean_of_the_patches_and_nothing_is_learned() -> None:
    torch.manual_seed(0)
    trunk = ResNetConfig(pooling="mean").build().eval()
    assert not [name for name, _ in trunk.named_parameters() if name.startswith("pool")]
    with torch.inference_mode():
        tokens = trunk(torch.randn(2, 3, 64, 32))
    torch.testing.assert_close(tokens.cls, tokens.patches.mean(1))


def test_with_maximum_pooling_cls_is_the_largest_of_the_patches() -> None:
    torch.manual_seed(0)
    with torch.inference_mode():
        tokens = ResNetConfig(pooling="maximum").build().eval()(torch.randn(2, 3, 64, 32))
    assert torch.equal(tokens.cls, tokens.patches.amax(1))


@pytest.fixture(scope="module")
def trunk() -> ResNet50:
    torch.manual_seed(0)
    return ResNetConfig(last_stride=2).build().eval()


def test_takes_torchvision_weights_and_computes_what_it_computes(trunk: ResNet50) -> None:
    torch.manual_seed(1)
    whole = resnet50(weights=None).eval()
    missing, unexpected = trunk.load_state_dict(whole.state_dict(), strict=False)
    assert missing == ["pool.p"]
    assert sorted(unexpected) == ["fc.bias", "fc.weight"]
    whole.fc = torch.nn.Identity()
    images = torch.randn(2, 3, 64, 32)
    with torch.inference_mode():
        patches = trunk(images).patches
        torch.testing.assert_close(patches.mean(1), whole(images))


def test_last_stride_one_keeps_the_resolution(trunk: ResNet50) -> None:
    fine = ResNetConfig().build().eval()
    fine.load_state_dict(trunk.state_dict())
    images = torch.randn(1, 3, 64, 32)
    before_last = []
    fine.layer3.register_forward_hook(lambda stage, maps, output: before_last.append(tuple(output.shape[2:])))
    with torch.inference_mode():
        assert fine(images).grid == (4, 2)
        assert trunk(images).grid == (2, 1)
    assert before_last == [(4, 2)]  # the stages before it reduce as they always did


def test_cls_is_the_generalized_mean_of_the_patches(trunk: ResNet50) -> None:
    with torch.inference_mode():
        tokens = trunk(torch.randn(2, 3, 64, 32))
    torch.testing.assert_close(tokens.cls, tokens.patches.clamp(min=1e-6).pow(3).mean(1).pow(1 / 3))


@given(st.floats(1.0, 8.0), st.integers(0, 1000))
def test_generalized_mean_lies_between_mean_and_maximum(power: float, seed: int) -> None:
    maps = torch.rand(2, 3, 4, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + 0.1
    pooled = GeneralizedMean(power).double()(maps)
    assert (pooled >= maps.mean((2, 3)) - 1e-6).all()
    assert (pooled <= maps.amax((2, 3)) + 1e-6).all()


def test_dead_channels_have_a_finite_gradient() -> None:
    pool = GeneralizedMean()
    maps = torch.zeros(1, 2, 3, 3, requires_grad=True)
    pool(maps).sum().backward()
    assert torch.isfinite(maps.grad).all()
    assert torch.isfinite(pool.p.grad).all()
