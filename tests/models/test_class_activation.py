"""Class activation: a case by hand, an independent computation on a whole network, and its limits."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from reknow.models.channel_selection import ChannelSelectionBlock
from reknow.models.class_activation import class_activation, layer_of
from reknow.models.embedder import EmbedderConfig
from reknow.models.osnet import OSNetConfig
from reknow.models.resnet import ResNetConfig
from reknow.observation import Batch


def test_a_case_by_hand() -> None:
    """Two channels of 1 x 2 positions; the feature is (3 x sum of channel 0, - 4 x sum of channel 1).

    With sums 1 and 1 its length is 5, the gradient of channel 0 is 3 x 3 / 5 = 1.8 at both positions, and of channel 1
    -4 x -4 / 5 = 3.2. So the map is 1.8 A_0 + 3.2 A_1.
    """
    maps = torch.tensor([[[[1.0, 0.0]], [[0.25, 0.75]]]])
    layer, weights = nn.Identity(), torch.tensor([3.0, -4.0])
    made = class_activation(lambda: layer(maps).sum((2, 3)) * weights, layer)
    torch.testing.assert_close(made, torch.tensor([[[1.8 + 3.2 * 0.25, 3.2 * 0.75]]]))


def test_what_speaks_against_the_feature_is_zero_and_pictures_do_not_mix() -> None:
    maps = torch.tensor([[[[2.0, -1.0]]], [[[0.0, 0.0]]], [[[0.5, 0.5]]]])
    layer = nn.Identity()
    made = class_activation(lambda: layer(maps).sum((2, 3)), layer)
    assert made[:, 0].tolist() == [[2.0, 0.0], [0.0, 0.0], [0.5, 0.5]]


@pytest.fixture
def embedder():
    torch.manual_seed(0)
    return EmbedderConfig(trunk=OSNetConfig(), feature="projected").build().eval()


@pytest.mark.parametrize("stage", ["conv2", "conv3", "conv4"])
def test_on_a_network_it_is_the_gradient_of_the_features_length(embedder, stage: str) -> None:
    batch = Batch.of({"rgb": torch.rand(2, 3, 64, 32)})
    layer = layer_of(embedder.trunk, stage)
    for parameter in embedder.parameters():
        parameter.requires_grad_(False)  # as a recognizer in use may be
    with torch.no_grad():
        made = class_activation(lambda: embedder.features(batch)[0].behind, layer)
    caught: list[Tensor] = []
    for parameter in embedder.parameters():
        parameter.requires_grad_(True)
    handle = layer.register_forward_hook(lambda module, inputs, output: caught.append(output))
    length = embedder.features(batch[1:])[0].behind.norm()
    handle.remove()
    (gradient,) = torch.autograd.grad(length, caught[0])
    expected = torch.einsum("c,chw->hw", gradient[0].mean((1, 2)), caught[0][0].detach()).clamp(min=0)
    torch.testing.assert_close(made[1], expected, rtol=1e-3, atol=1e-5)
    assert made.shape[1:] == caught[0].shape[2:]


def test_the_network_is_left_as_it_was(embedder) -> None:
    batch = Batch.of({"rgb": torch.rand(1, 3, 32, 16)})
    before = embedder(batch)
    class_activation(lambda: embedder.features(batch)[0].behind, layer_of(embedder.trunk, "conv4"))
    torch.testing.assert_close(embedder(batch), before)
    assert all(parameter.grad is None for parameter in embedder.parameters())
    assert not layer_of(embedder.trunk, "conv4")._forward_hooks


def test_what_stands_behind_a_stage_belongs_to_it() -> None:
    trunk = ResNetConfig(after=(("layer3", ChannelSelectionBlock()),)).build()
    assert layer_of(trunk, "layer3") is trunk.after["layer3"]
    assert layer_of(trunk, "layer4") is trunk.layer4
    for name in ("layer5", "conv1", "after"):
        with pytest.raises(KeyError, match=name):
            layer_of(trunk, name)


def test_a_layer_that_does_not_run_is_refused() -> None:
    with pytest.raises(ValueError, match="without the layer"):
        class_activation(lambda: torch.ones(1, 2), nn.Identity())
