"""Inverted residuals: torchvision's MobileNetV2 is the witness; FBNetV2's sizes are those of the table."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from reknow.models.channel_attention import SqueezeExcitation
from reknow.models.inverted_residuals import FBNetV2Config, InvertedResiduals, MobileNetV2Config

IMAGES = torch.randn(2, 3, 64, 32, generator=torch.Generator().manual_seed(0))


def sizes_behind(trunk: InvertedResiduals) -> list[tuple[int, ...]]:
    """Channels, rows and columns of the maps that leave first convolution, stages and last convolution."""
    sizes: list[tuple[int, ...]] = []
    for name in ("stem", *trunk.config.stages, "head"):
        trunk.get_submodule(name).register_forward_hook(lambda _, given, maps: sizes.append(tuple(maps.shape[1:])))
    with torch.inference_mode():
        trunk(IMAGES)
    return sizes


def test_mobilenet_has_the_sizes_of_the_paper_and_keeps_the_last_resolution() -> None:
    fine, coarse = (sizes_behind(MobileNetV2Config(last_stride=stride).build().eval()) for stride in (1, 2))
    assert fine[:6] == coarse[:6] == [(32, 32, 16), (16, 32, 16), (24, 16, 8), (32, 8, 4), (64, 4, 2), (96, 4, 2)]
    assert fine[6:] == [(160, 4, 2), (320, 4, 2), (1280, 4, 2)]
    assert coarse[6:] == [(160, 2, 1), (320, 2, 1), (1280, 2, 1)]


def test_fbnet_has_the_sizes_of_its_table() -> None:
    trunk = FBNetV2Config().build().eval()
    assert [len(trunk.get_submodule(name)) for name in trunk.config.stages] == [1, 3, 12, 21, 12]
    assert sizes_behind(trunk) == [
        (16, 32, 16), (16, 32, 16), (28, 16, 8), (40, 8, 4), (128, 4, 2), (216, 4, 2), (1984, 4, 2),
    ]  # fmt: skip
    # Every block of a stage but the first widens its channels six times, filters each alone, and narrows them.
    inside = [module for module in trunk.stage5[1].modules() if isinstance(module, nn.Conv2d)]
    assert [tuple(module.weight.shape) for module in inside] == [
        (1296, 216, 1, 1), (1296, 1, 3, 3), (216, 1296, 1, 1),
    ]  # fmt: skip


@pytest.mark.parametrize(("number", "added"), [(0, False), (1, True)])
def test_a_module_stands_before_the_addition_and_where_there_is_none_at_the_end(number: int, added: bool) -> None:
    torch.manual_seed(0)
    block = MobileNetV2Config(within=SqueezeExcitation()).build().eval().stage3[number]
    maps = torch.randn(2, 24 if number == 0 else 32, 8, 4)
    with torch.inference_mode():
        wanted = block.within(block.conv(maps)) + (maps if added else 0)
        torch.testing.assert_close(block(maps), wanted)
        assert not torch.allclose(wanted, block.conv(maps) + (maps if added else 0))


def test_cls_is_the_mean_of_the_patches() -> None:
    tokens = MobileNetV2Config().build().eval()(IMAGES)
    assert tokens.extra.shape == (2, 0, 1280)
    torch.testing.assert_close(tokens.cls, tokens.patches.mean(1))
