"""MGN: torchvision's stages, cut and pooled by hand, are the witness of its features."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import resnet50

from reknow.errors import DataError, RecipeError
from reknow.models.channel_attention import SqueezeExcitation
from reknow.models.channel_selection import ChannelSelectionBlock
from reknow.models.multiple_granularities import (
    BRANCHES,
    REDUCTIONS,
    MultipleGranularities,
    MultipleGranularitiesConfig,
)
from reknow.models.osnet import OSNetConfig
from reknow.models.resnet import ResNetConfig
from reknow.models.weights import fill_network, read_weights
from reknow.observation import Batch

IMAGES = torch.randn(2, 3, 96, 32, generator=torch.Generator().manual_seed(0))
BATCH = Batch.of({"rgb": IMAGES})


@pytest.fixture(scope="module")
def whole() -> nn.Module:
    torch.manual_seed(0)
    return resnet50(weights=None).eval()


@pytest.fixture(scope="module")
def network(whole, tmp_path_factory) -> MultipleGranularities:
    """Filled with torchvision's file, as a run is."""
    path = tmp_path_factory.mktemp("weights") / "resnet50.pth"
    torch.save(whole.state_dict(), path)
    torch.manual_seed(1)
    network = MultipleGranularitiesConfig().build().eval()
    report = fill_network(network, read_weights(path))
    assert report.left == () and f"the {BRANCHES} begin as the trunk's last stages" in report.notes
    assert {name.split(".")[0] for name in report.fresh} == {"reductions"}
    return network


def maxima_of(whole: nn.Module) -> list[Tensor]:
    """The eight vectors of 2048 numbers, by the description of the paper."""
    maps = whole.maxpool(whole.relu(whole.bn1(whole.conv1(IMAGES))))
    maps = whole.layer3[0](whole.layer2(whole.layer1(maps)))
    rest = whole.layer3[1:]
    fine = copy.deepcopy(whole.layer4)
    fine[0].conv2.stride = fine[0].downsample[0].stride = (1, 1)
    coarse_maps, fine_maps = whole.layer4(rest(maps)), fine(rest(maps))
    assert coarse_maps.shape[2:] == (3, 1) and fine_maps.shape[2:] == (6, 2)
    maxima = [coarse_maps.amax((2, 3))]
    for rows in (3, 2):
        maxima += [fine_maps.amax((2, 3)), *(stripe.amax((2, 3)) for stripe in fine_maps.split(rows, dim=2))]
    return maxima


def test_features_are_the_reduced_maxima_of_three_branches(whole, network) -> None:
    with torch.inference_mode():
        maxima, features = maxima_of(whole), network.features(BATCH)
        assert len(maxima) == len(features) == 8 and network.dims == (256,) * 8
        for maximum, feature, reduction in zip(maxima, features, network.reductions, strict=True):
            linear, norm, _ = reduction
            wanted = norm(maximum @ linear.weight.T).clamp(min=0)
            torch.testing.assert_close(feature.behind, wanted, rtol=1e-4, atol=1e-4 * float(wanted.max()))
            assert torch.equal(feature.before, feature.behind) and wanted.max() > 0
        vectors = network(BATCH)
    joined = torch.cat([feature.behind for feature in features], dim=1)
    torch.testing.assert_close(vectors, joined / joined.norm(dim=1, keepdim=True))
    assert vectors.shape == (2, network.dim) == (2, 2048)


def test_all_features_are_classified_and_stripes_are_in_no_triplet(network) -> None:
    assert network.shares.identity == (1 / 8,) * 8
    assert network.shares.triplet == (1 / 3, 1 / 3, 0, 0, 1 / 3, 0, 0, 0)


def test_every_parameter_learns_and_branches_part() -> None:
    torch.manual_seed(0)
    trunk = ResNetConfig(
        last_stride=2,
        pooling="maximum",
        within=SqueezeExcitation(),
        after=(("layer2", ChannelSelectionBlock()), ("layer4", ChannelSelectionBlock())),
    )
    network = MultipleGranularitiesConfig(trunk=trunk, reduced=8).build().train()
    for name, module in network.named_modules():
        if name.rpartition(".")[0].endswith(("after", "branches.0", "branches.1")) and hasattr(module, "norm"):
            nn.init.ones_(module.norm.weight)  # a block begins as the identity, and its mask without a gradient
    of_layer4 = [network.trunk.after["layer4"], *(branch.after_layer4 for branch in network.branches)]
    assert len({id(block) for block in of_layer4}) == 3  # a block of its own for each branch
    joined = torch.cat([feature.behind for feature in network.features(BATCH)], dim=1)
    (joined * torch.randn_like(joined)).sum().backward()
    parameters = dict(network.named_parameters())
    assert [name for name, value in parameters.items() if value.grad is None] == []
    first, second = (parameters[f"branches.{number}.layer4.2.conv3.weight"] for number in (0, 1))
    assert torch.equal(first, second) and not torch.equal(first.grad, second.grad)


def test_weights_of_the_branches_are_kept(network) -> None:
    assert network.fillable().keys() == {"trunk", BRANCHES, REDUCTIONS}
    assert network.after_filling(("trunk", BRANCHES)) == {}


def test_another_trunk_keeps_stride_and_pooling_and_must_be_a_resnet() -> None:
    config = MultipleGranularitiesConfig()
    within = ResNetConfig(within=SqueezeExcitation())
    assert config.around(within, "cls").trunk == replace(config.trunk, within=SqueezeExcitation())
    with pytest.raises(RecipeError, match="a OSNet; expected a ResNet-50"):
        config.around(OSNetConfig(), "cls")


def test_an_observation_without_the_spectrum_is_refused(network) -> None:
    with pytest.raises(DataError, match="spectrum 'rgb'"):
        network(Batch.of({"nir": IMAGES}))
