"""RIB on convolutional networks: the baseline's recipes with modules and the bound, and what of them learns."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from torch import nn

from reknow.methods.method import Moment
from reknow.methods.recipe import Recipe
from reknow.methods.rib import recipes as rib
from reknow.methods.rib.method import RIB
from reknow.methods.supervised import recipes as supervised
from reknow.methods.supervised.method import Supervised
from reknow.models.channel_attention import ConvolutionalBlockAttention, SqueezeExcitation
from reknow.models.channel_selection import ChannelSelectionBlock
from reknow.observation import Batch

LABELS = np.repeat(np.arange(3), 4)
IMAGES = torch.randn(12, 3, 64, 32, generator=torch.Generator().manual_seed(0))
BATCH = replace(Batch.of({"rgb": IMAGES}), label=torch.from_numpy(LABELS))
LAST = Moment(epoch=9, epochs=10, step=0, steps=1)


def shared(recipe: Recipe) -> dict[str, object]:
    """All but the name, the method and the network."""
    differing = ("name", "method", "network")
    return {each.name: getattr(recipe, each.name) for each in fields(recipe) if each.name not in differing}


@pytest.mark.parametrize(
    ("with_bound", "without"),
    [
        (rib.se_resnet50_market1501(), supervised.market1501()),
        (rib.cbam_resnet50_market1501(), supervised.market1501()),
        (rib.dcs_fb_mgn_market1501(), supervised.mgn_market1501()),
        (rib.dcs_fb_mobilenetv2_market1501(), supervised.mobilenetv2_market1501()),
        (rib.dcs_fb_fbnetv2_market1501(), supervised.fbnetv2_market1501()),
    ],
)
def test_a_pair_differs_by_the_modules_and_the_bound(with_bound: Recipe, without: Recipe) -> None:
    assert shared(with_bound) == shared(without)
    assert with_bound.method.eta == 1
    for field in fields(without.method):
        assert getattr(with_bound.method, field.name) == getattr(without.method, field.name)
    trunk = with_bound.network.trunk
    assert trunk != without.network.trunk and trunk.plain() == without.network.trunk
    assert replace(with_bound.network, trunk=without.network.trunk) == without.network


def test_modules_stand_where_the_method_has_them() -> None:
    for recipe, module in (
        (rib.se_resnet50_market1501(), SqueezeExcitation(reduction=16)),
        (rib.se_osnet(), SqueezeExcitation(reduction=16)),
        (rib.cbam_resnet50_market1501(), ConvolutionalBlockAttention(reduction=16, kernel=7)),
        (rib.cbam_osnet(), ConvolutionalBlockAttention(reduction=16, kernel=7)),
    ):
        assert recipe.network.trunk.within == module
    for recipe, stages in (
        (rib.dcs_fb_mgn_market1501(), ("layer1", "layer2", "layer3", "layer4")),
        (rib.dcs_fb_mobilenetv2_market1501(), ("stage2", "stage3", "stage5", "stage7")),
        (rib.dcs_fb_fbnetv2_market1501(), ("stage2", "stage3", "stage4", "stage5")),
    ):
        assert recipe.network.trunk.after == tuple((stage, ChannelSelectionBlock()) for stage in stages)


@pytest.mark.parametrize(
    "recipe", [rib.se_osnet(), rib.cbam_osnet(), rib.dcs_fb_mobilenetv2_market1501(), rib.dcs_fb_mgn_market1501()]
)
def test_the_bound_reaches_every_module_in_the_trunk(recipe: Recipe) -> None:
    torch.manual_seed(0)
    method = RIB(recipe.network.build(), LABELS, recipe.method).eval()
    method.planned(method.network.features(BATCH)[0].before.detach())
    for module in method.network.trunk.after.children() if recipe.network.trunk.after else ():
        nn.init.ones_(module.norm.weight)  # which begins at 0, and hides the mask from the loss
    method.train().losses(BATCH, LAST)["bottleneck"].backward()
    parameters = method.network.trunk.named_parameters()
    put_in = {name: parameter.grad for name, parameter in parameters if "within" in name or "after" in name}
    assert len(put_in) >= 4 * 4
    assert [name for name, gradient in put_in.items() if gradient is None or not gradient.isfinite().all()] == []
    modules = {name.partition(".within.")[0] if "within" in name else name[: len("after.layer1")] for name in put_in}
    for module in modules:
        assert any(gradient.any() for name, gradient in put_in.items() if name.startswith(module)), module


def test_without_the_bound_it_is_the_baseline_to_the_bit(moment: Moment) -> None:
    recipe = rib.se_osnet()
    terms = []
    for method, config in ((RIB, replace(recipe.method, eta=0.0)), (Supervised, supervised.own_data().method)):
        torch.manual_seed(0)
        terms.append(method(recipe.network.build(), LABELS, config).train().losses(BATCH, moment))
    assert terms[0] == terms[1] and terms[0].keys() == {"identity", "triplet"}
