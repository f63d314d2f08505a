"""How the transformer trunk bends: observed, injected into, cut short, branched, resized, with other attention."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from reknow.errors import RecipeError
from reknow.models.attention import Attention
from reknow.models.transformer import SIZES, SizeName, TransformerConfig, VisionTransformer, resized_positions
from reknow.values import from_plain, to_plain


def config(**changes: object) -> TransformerConfig:
    return TransformerConfig(
        **{"image_size": (32, 16), "width": 16, "depth": 3, "heads": 2, "patch_size": 8, "stride": 8, **changes}
    )


@pytest.fixture
def trunk() -> VisionTransformer:
    torch.manual_seed(0)
    return config(extra_tokens=2).build().eval()


@pytest.fixture
def sequence(trunk: VisionTransformer) -> Tensor:
    return trunk.tokenize(torch.randn(2, 3, 32, 16))


def test_observing_shows_every_block_in_order_and_changes_nothing(trunk: VisionTransformer, sequence: Tensor) -> None:
    seen: list[tuple[int, Tensor]] = []
    observed = trunk.encode(sequence, observe=lambda number, probabilities: seen.append((number, probabilities())))
    assert [number for number, _ in seen] == [0, 1, 2]
    for _, probabilities in seen:
        assert probabilities.shape == (2, 2, 11, 11)
        torch.testing.assert_close(probabilities.sum(-1), torch.ones(2, 2, 11))
    torch.testing.assert_close(observed, trunk.encode(sequence), rtol=1e-4, atol=1e-5)


def test_observed_probabilities_are_the_ones_that_mix_the_values(trunk: VisionTransformer, sequence: Tensor) -> None:
    attention = trunk.blocks[0].attn
    observed: list[Tensor] = []
    attention(sequence, lambda probabilities: observed.append(probabilities()))
    value = attention.qkv(sequence)[..., 32:].unflatten(-1, (2, 8)).transpose(1, 2)
    mixed = attention.proj((observed[0] @ value).transpose(1, 2).flatten(2))
    torch.testing.assert_close(mixed, attention(sequence), rtol=1e-4, atol=1e-5)


def test_injection_changes_what_leaves_a_block(trunk: VisionTransformer, sequence: Tensor) -> None:
    def doubled(sequence: Tensor) -> Tensor:
        return 2 * sequence

    expected = trunk.norm(trunk.blocks[2](trunk.blocks[1](doubled(trunk.blocks[0](sequence)))))
    torch.testing.assert_close(trunk.encode(sequence, inject={0: doubled}), expected)
    last = trunk.encode(sequence, inject={2: torch.zeros_like})
    torch.testing.assert_close(last, torch.zeros_like(last))  # the norm, whose bias starts at zero, comes after it


def test_injection_beyond_the_run_is_an_error(trunk: VisionTransformer, sequence: Tensor) -> None:
    with pytest.raises(ValueError, match=r"after blocks \[2\], but blocks 0 to 1 run"):
        trunk.encode(sequence, inject={2: torch.neg}, depth=2)


def test_branch_continues_where_a_shorter_run_stops(trunk: VisionTransformer, sequence: Tensor) -> None:
    branch = trunk.branch()
    torch.testing.assert_close(branch(trunk.encode(sequence, depth=2)), trunk.encode(sequence))
    before = trunk.encode(sequence)
    with torch.no_grad():
        for parameter in branch.parameters():
            parameter.zero_()
    assert torch.equal(trunk.encode(sequence), before)


def test_patches_of_another_stem_run_through_the_same_trunk(trunk: VisionTransformer) -> None:
    images = torch.randn(2, 3, 32, 16)
    own = trunk.sequence(trunk.patch_embed(images))
    assert torch.equal(own, trunk.tokenize(images))
    other = trunk.encode(trunk.sequence(torch.zeros(2, 8, 16)))
    assert trunk.split(other).patches.shape == (2, 8, 16)


def test_camera_vector_is_added_to_every_token_with_its_weight() -> None:
    trunk = config(cameras=3, camera_weight=2.5).build()
    images = torch.randn(5, 3, 32, 16)
    table = trunk.sie_embed[:, 0]
    bare = trunk.patch_embed(images)
    bare = torch.cat([trunk.cls_token.expand(5, -1, -1), bare], dim=1) + trunk.pos_embed
    added = trunk.tokenize(images, torch.tensor([0, 2, -1, 7, 1])) - bare
    mean = table.mean(0)
    expected = 2.5 * torch.stack([table[0], table[2], mean, mean, table[1]])  # 7: a camera that was not trained with
    torch.testing.assert_close(added, expected[:, None].expand_as(added), rtol=1e-4, atol=1e-5)


def test_stochastic_depth_grows_linearly_and_acts_in_training_alone() -> None:
    trunk = config(drop_path=0.4).build()
    rates = [getattr(block.drop_path, "drop_prob", 0.0) for block in trunk.blocks]
    assert rates == pytest.approx([0.0, 0.2, 0.4])
    torch.manual_seed(0)
    sequence = trunk.tokenize(torch.randn(16, 3, 32, 16))
    trunk.train()
    assert not torch.equal(trunk.encode(sequence), trunk.encode(sequence))
    trunk.eval()
    assert torch.equal(trunk.encode(sequence), trunk.encode(sequence))


def test_resized_trunk_takes_other_images_and_keeps_its_weights(trunk: VisionTransformer) -> None:
    larger = trunk.resized((64, 48))
    assert larger.grid == (8, 6)
    assert larger.config.image_size == (64, 48)
    assert larger(torch.randn(1, 3, 64, 48)).patches.shape == (1, 48, 16)
    assert torch.equal(larger.pos_embed[:, :3], trunk.pos_embed[:, :3])
    assert torch.equal(larger.blocks[0].attn.qkv.weight, trunk.blocks[0].attn.qkv.weight)
    assert trunk.grid == (4, 2)
    larger.config.build().load_state_dict(larger.state_dict())


def test_resized_to_the_same_size_is_a_copy(trunk: VisionTransformer) -> None:
    copy = trunk.resized((32, 16))
    with torch.no_grad():
        copy.pos_embed.zero_()
    assert trunk.pos_embed.abs().max() > 0


def test_positions_are_resized_bilinearly_with_rows_first() -> None:
    grid = torch.arange(8.0).view(1, 8, 1).expand(1, 8, 3)
    table = torch.cat([torch.full((1, 1, 3), 99.0), grid], dim=1)
    resized = resized_positions(table, 1, (4, 2), (2, 4))
    wanted = functional.interpolate(torch.arange(8.0).view(1, 1, 4, 2), size=(2, 4), mode="bilinear")
    assert resized[0, 0, 0] == 99
    torch.testing.assert_close(resized[0, 1:, 0], wanted.flatten())


def test_images_of_another_size_name_both_sizes(trunk: VisionTransformer) -> None:
    with pytest.raises(RecipeError, match=r"\(16, 32\).*\(32, 16\)"):
        trunk(torch.zeros(1, 3, 16, 32))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"heads": 3}, "heads"),
        ({"image_size": (32, 7)}, "image_size"),
        ({"stem": "convolution", "stride": 7}, "stride"),
        ({"stem": "convolution", "stride": 8, "image_size": (36, 16)}, "image_size"),
    ],
)
def test_shapes_that_cannot_be_are_refused(changes: dict[str, object], field: str) -> None:
    with pytest.raises(RecipeError, match=field):
        config(**changes)


def test_published_names_and_sizes() -> None:
    keys = set(TransformerConfig(width=384, depth=1, heads=6, cameras=2).build().state_dict())
    wanted = {"cls_token", "pos_embed", "sie_embed", "patch_embed.proj.weight", "blocks.0.attn.qkv.weight", "norm.bias"}
    assert keys >= wanted | {"blocks.0.attn.proj.bias", "blocks.0.mlp.fc1.weight", "blocks.0.mlp.fc2.bias"}
    assert TransformerConfig() == TransformerConfig(size="base", patch=16, image_size=(256, 128))
    with torch.device("meta"):
        # EDITOR's own log counts 86,521,576 with an unused 1000-way layer (769,000) and 8 cameras at 256 x 128.
        count = sum(parameter.numel() for parameter in TransformerConfig(size="base", cameras=8).build().parameters())
    assert count + 769_000 == 86_521_576


def test_default_attention_is_scaled_softmax() -> None:
    attention = Attention(width=8, heads=2)
    sequence = torch.randn(1, 5, 8)
    observed: list[Tensor] = []
    attention(sequence, lambda probabilities: observed.append(probabilities()))
    query, key = attention.qkv(sequence)[..., :16].split(8, dim=-1)
    second_head = (query[0, :, 4:] @ key[0, :, 4:].T / 4**0.5).softmax(-1)
    torch.testing.assert_close(observed[0][0, 1], second_head)


@pytest.mark.parametrize(("size", "shape"), SIZES.items())
def test_one_field_names_a_size(size: SizeName, shape: tuple[int, int, int]) -> None:
    config = TransformerConfig(image_size=(32, 16), width=8, depth=1, heads=2, size=size)
    assert (config.width, config.depth, config.heads) == shape
    assert replace(config, image_size=(64, 32)).width == shape[0]


def test_one_field_makes_patches_that_do_not_overlap() -> None:
    config = TransformerConfig(image_size=(64, 32), width=8, depth=1, heads=2, patch=8)
    assert (config.patch_size, config.stride) == (8, 8)
    assert config == TransformerConfig(image_size=(64, 32), width=8, depth=1, heads=2, patch_size=8, stride=8)
    assert from_plain(to_plain(config), "network.json") == config
