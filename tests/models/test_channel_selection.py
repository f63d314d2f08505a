from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from reknow.errors import RecipeError
from reknow.models.attention import Attention, SoftmaxAttention
from reknow.models.channel_selection import (
    ChannelSelection,
    ChannelSelectionBlock,
    SelectiveAttention,
)
from reknow.models.epochs import Remarks, begin_epoch
from reknow.models.inverted_residuals import FBNetV2Config, MobileNetV2Config
from reknow.models.osnet import OSNetConfig
from reknow.models.resnet import ResNetConfig
from reknow.models.straight_through import gumbel_difference, masked_pair, select_channels
from reknow.models.transformer import TransformerConfig
from reknow.values import from_plain, to_plain

TRUNK = TransformerConfig(image_size=(32, 16), width=16, depth=3, heads=2, patch_size=8, stride=8)


def test_a_mask_of_ones_is_plain_attention_to_the_bit():
    torch.manual_seed(0)
    plain = Attention(16, 2)
    sequence = torch.randn(2, 5, 16)
    for masked in ("heads", "input"):
        (selective,) = ChannelSelection(masked=masked).build(16, 2, 1)
        selective.load_state_dict(plain.state_dict(), strict=False)
        torch.nn.init.constant_(selective.mask.bias, 1e9)
        for mode in (True, False):
            one, other = (each.train(mode)(sequence) for each in (selective, plain))
            if masked == "heads":
                assert torch.equal(one, other)
            torch.testing.assert_close(one, other)
            (gradient,), (expected,) = (
                torch.autograd.grad(made.square().sum(), each.proj.weight)
                for made, each in ((one, selective), (other, plain))
            )
            torch.testing.assert_close(gradient, expected)


def test_without_noise_two_passes_are_equal_and_with_noise_they_are_not():
    torch.manual_seed(0)
    trunk = replace(TRUNK, attention=ChannelSelection(bias=0.0)).build()
    images = torch.rand(2, 3, 32, 16)
    trunk.eval()
    assert torch.equal(trunk(images).cls, trunk(images).cls)
    trunk.train()
    assert not torch.equal(trunk(images).cls, trunk(images).cls)


def test_the_fast_gradient_is_that_of_the_relaxed_mask():
    random = torch.Generator().manual_seed(0)
    scores = torch.randn(7, 5, generator=random, dtype=torch.float64, requires_grad=True)
    noise, weight = (torch.randn(7, 5, generator=random, dtype=torch.float64) for _ in range(2))
    for temperature in (0.3, 1.0, 5.0):
        soft = torch.sigmoid((scores + noise) / temperature)
        (expected,) = torch.autograd.grad((soft * weight).sum(), scores)
        mask = select_channels(scores, noise, temperature)
        (found,) = torch.autograd.grad((mask * weight).sum(), scores)
        torch.testing.assert_close(found, expected)
        assert torch.equal(mask, (soft > 0.5).double())


def test_the_masked_pair_is_the_product_with_the_mask_and_its_gradients():
    random = torch.Generator().manual_seed(1)
    parts = [torch.randn(2, 3, 4, 5, generator=random, dtype=torch.float64, requires_grad=True) for _ in range(3)]
    noise, one, two = (torch.randn(2, 3, 4, 5, generator=random, dtype=torch.float64) for _ in range(3))
    query, key, scores = parts
    mask = select_channels(scores, noise, 0.7)
    expected = torch.autograd.grad((query * mask * one + key * mask * two).sum(), parts)
    masked_query, masked_key, share = masked_pair(query, key, scores, noise, 0.7)
    assert torch.equal(masked_query, query * mask) and torch.equal(masked_key, key * mask)
    assert float(share) == pytest.approx(mask.mean().item()) and not share.requires_grad
    made = torch.autograd.grad((masked_query * one + masked_key * two).sum(), parts)
    for gradient, wanted in zip(made, expected, strict=True):
        torch.testing.assert_close(gradient, wanted)


def test_noise_is_the_difference_of_two_gumbel_draws():
    torch.manual_seed(0)
    noise = gumbel_difference(torch.zeros(200_000))
    assert noise.isfinite().all()
    assert abs(float(noise.mean())) < 0.02
    assert float(noise.var()) == pytest.approx(torch.pi**2 / 3, rel=0.02)  # each draw has pi^2 / 6
    assert gumbel_difference(torch.zeros(3, dtype=torch.bfloat16)).dtype == torch.float32


def test_most_channels_are_kept_at_the_start_and_the_share_is_counted():
    torch.manual_seed(0)
    trunk = replace(TRUNK, attention=ChannelSelection()).build().train()
    for _ in range(20):
        trunk(torch.rand(8, 3, 32, 16))
    for block in trunk.blocks:
        assert block.attn.kept() == pytest.approx(0.88, abs=0.02)
        assert block.attn.kept() is None  # counted anew
    trunk.eval()(torch.rand(2, 3, 32, 16))
    assert trunk.blocks[0].attn.kept() is None


def test_blocks_select_with_layers_of_their_own_or_one_and_only_where_the_recipe_says():
    def parameters(attention):
        trunk = replace(TRUNK, attention=attention).build()
        return trunk, sum(parameter.numel() for parameter in trunk.parameters())

    _, plain = parameters(SoftmaxAttention())
    for attention, more in (
        (ChannelSelection(), 3 * (16 * 16 + 16)),
        (ChannelSelection(layer="shared"), 16 * 16 + 16),
        (ChannelSelection(layer="low_rank", rank=2), 3 * (2 * 16 * 2 + 16)),
        (ChannelSelection(blocks=(1,)), 16 * 16 + 16),
    ):
        trunk, count = parameters(attention)
        assert count - plain == more
        selecting = [number for number, block in enumerate(trunk.blocks) if isinstance(block.attn, SelectiveAttention)]
        assert selecting == (list(attention.blocks) or [0, 1, 2])
        assert from_plain(to_plain(attention), "recipe.yaml") == attention
        output = trunk.train()(torch.rand(2, 3, 32, 16)).cls
        output.square().sum().backward()
        for number in selecting:
            assert all(parameter.grad.abs().sum() > 0 for parameter in trunk.blocks[number].attn.mask.parameters())


def test_blocks_that_are_not_there_are_refused():
    with pytest.raises(RecipeError, match="blocks"):
        replace(TRUNK, attention=ChannelSelection(blocks=(3,))).build()


def test_the_temperature_falls_by_epoch_to_its_least():
    falling = ChannelSelection(temperature=5.0, decay=0.956, least_temperature=0.5)
    assert falling.temperature_in(0) == 5.0
    assert falling.temperature_in(10) == pytest.approx(5 * 0.956**10)
    assert falling.temperature_in(1000) == 0.5
    assert ChannelSelection().temperature_in(50) == 1.0
    assert ChannelSelection(temperature=0.2).temperature_in(50) == 0.2


@pytest.mark.parametrize("config", [ResNetConfig(), OSNetConfig(width=0.25), MobileNetV2Config(), FBNetV2Config()])
def test_a_block_behind_a_stage_leaves_the_trunk_as_it_was_and_learns(config):
    torch.manual_seed(0)
    stage = list(config.stages)[-2]
    plain = config.build().eval()
    trunk = replace(config, after=((stage, ChannelSelectionBlock()),)).build().eval()
    assert not trunk.load_state_dict(plain.state_dict(), strict=False).unexpected_keys
    images = torch.rand(2, 3, 64, 32)
    assert torch.equal(trunk(images).cls, plain(images).cls)
    block = trunk.after[stage].train()
    torch.nn.init.ones_(block.norm.weight)
    maps = torch.randn(4, config.stages[stage], 4, 2)
    block(maps).square().sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in block.parameters())


def test_a_block_attends_in_the_selected_channels_alone():
    torch.manual_seed(0)
    block = ChannelSelectionBlock().build(6).eval()
    torch.nn.init.zeros_(block.mask.weight)
    with torch.no_grad():
        block.mask.bias.copy_(torch.tensor([1.0, 1.0, 1.0, -1.0, -1.0, -1.0]))
        block.norm.weight.fill_(1)
        block.depthwise.weight.zero_()[:, :, 1, 1] = 1
    maps = torch.randn(2, 6, 3, 2)
    rows = maps.flatten(2).transpose(1, 2)
    kept = rows[:, :, :3]
    mixed = functional.softmax(kept @ kept.transpose(1, 2) / 6**0.5, dim=-1) @ rows
    expected = maps + block.norm(mixed.transpose(1, 2).reshape(maps.shape))
    torch.testing.assert_close(block(maps), expected)


@pytest.mark.parametrize("masked", ["heads", "input"])
def test_under_autocast_masks_stay_zero_and_one_and_gradients_finite(masked):
    (attention,) = ChannelSelection(masked=masked).build(16, 2, 1)
    sequence = torch.randn(2, 5, 16)
    with torch.autocast("cpu", torch.bfloat16):
        mask = attention.selected(attention.mask(sequence))
        output = attention(sequence)
    assert set(mask.unique().tolist()) <= {0.0, 1.0}
    output.float().square().sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in attention.parameters())


def test_a_network_tells_what_its_attention_kept_and_where_it_selects_nothing():
    torch.manual_seed(0)
    falling = ChannelSelection(temperature=4.0, decay=0.5, least_temperature=0.5)
    trunk = replace(TRUNK, attention=falling).build().train()
    assert begin_epoch(trunk, 0) == Remarks()
    torch.nn.init.constant_(trunk.blocks[1].attn.mask.bias, 50.0)
    torch.nn.init.constant_(trunk.blocks[2].attn.mask.bias, -50.0)
    trunk(torch.rand(8, 3, 32, 16))
    remarks = begin_epoch(trunk, 1)
    assert [block.attn.temperature for block in trunk.blocks] == [2.0, 2.0, 2.0]
    assert remarks.numbers == {
        "kept/blocks.0.attn": pytest.approx(0.88, abs=0.03),
        "kept/blocks.1.attn": 1.0,
        "kept/blocks.2.attn": 0.0,
    }
    assert remarks.notes == (
        "blocks.1.attn keeps all of its channels (1.0000), so its selection does nothing.",
        "blocks.2.attn keeps none of its channels (0.0000), so its selection does nothing.",
    )
    assert begin_epoch(trunk, 2) == Remarks()  # no pass since


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), float("inf")])
def test_a_temperature_without_a_meaning_is_refused(temperature):
    with pytest.raises(RecipeError, match=r"temperature: .*; expected above 0"):
        select_channels(torch.zeros(2), torch.zeros(2), temperature)
