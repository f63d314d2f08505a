"""Whole networks filled: what the file has for them, what a recipe put in, and the report of what it lacks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pytest
import torch
from jaxtyping import Float
from torch import Tensor, nn

from reknow.errors import WeightsError
from reknow.models.attention import Attention, AttentionConfig, ReadProbabilities
from reknow.models.channel_attention import SqueezeExcitation
from reknow.models.embedder import EmbedderConfig
from reknow.models.network import Network
from reknow.models.osnet import OSNetConfig
from reknow.models.transformer import TransformerConfig
from reknow.models.weights import fill_network, load_trunk, read_weights, said_by
from reknow.observation import Batch, Spectrum


class Gated(Attention):
    """Attention with one tensor more."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__(width, heads)
        self.gate = nn.Linear(width, width)


@dataclass(frozen=True)
class GatedAttention(AttentionConfig):
    def build(self, width: int, heads: int, depth: int) -> Sequence[nn.Module]:
        return [Gated(width, heads) for _ in range(depth)]


class Mean(nn.Module):
    """Every token becomes their mean, through one linear layer."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.out = nn.Linear(width, width)

    def forward(self, sequence: Tensor, observe: ReadProbabilities | None = None) -> Tensor:
        return self.out(sequence.mean(1, keepdim=True).expand_as(sequence))


@dataclass(frozen=True)
class MeanAttention(AttentionConfig):
    def build(self, width: int, heads: int, depth: int) -> Sequence[nn.Module]:
        return [Mean(width) for _ in range(depth)]


class Joined(Network):
    """A network with a part that files have, one that they may have, and one that they never have."""

    def __init__(self, trunk: TransformerConfig) -> None:
        super().__init__()
        self.trunk = trunk.build()
        self.neck = nn.BatchNorm1d(trunk.width)
        self.fusion = nn.Sequential(nn.Linear(trunk.width, trunk.width), nn.Linear(trunk.width, trunk.width))

    @property
    def dim(self) -> int:
        return self.trunk.dim

    @property
    def spectra(self) -> tuple[Spectrum, ...]:
        return ("rgb",)

    def fillable(self) -> Mapping[str, nn.Module]:
        return {**super().fillable(), "batch-norm neck of 'cls'": self.neck}

    def forward(self, batch: Batch) -> Float[Tensor, "batch dim"]:
        return self.fusion(self.neck(self.trunk(batch.images["rgb"]).cls))


def with_neck(trunk: nn.Module, width: int) -> dict[str, Tensor]:
    neck = {"weight": torch.full((width,), 2.0), "running_mean": torch.full((width,), 3.0)}
    rest = {"bias": torch.zeros(width), "running_var": torch.ones(width)}
    return {**trunk.state_dict(), **{f"bottleneck.{name}": tensor for name, tensor in (neck | rest).items()}}


def test_an_attention_of_the_recipe_takes_what_it_has_in_common_and_the_rest_is_named(save, small):
    source, target = small.build(), replace(small, attention=GatedAttention()).build()
    gate = target.blocks[0].attn.gate.weight.clone()
    loaded = load_trunk(target, save(source.state_dict()))
    assert torch.equal(target.blocks[1].attn.qkv.weight, source.blocks[1].attn.qkv.weight)
    assert torch.equal(target.blocks[0].attn.gate.weight, gate)
    assert loaded.ignored == ()
    assert "left as they were: blocks.*.attn.gate (4 tensors)" in loaded.sentences()


def test_an_attention_without_queries_takes_nothing_and_says_so(save, small):
    target = replace(small, attention=MeanAttention()).build()
    source = small.build()
    loaded = load_trunk(target, save(source.state_dict()))
    assert torch.equal(target.blocks[1].mlp.fc1.weight, source.blocks[1].mlp.fc1.weight)
    assert loaded.left == tuple(f"blocks.{number}.attn.out.{kind}" for number in (0, 1) for kind in ("weight", "bias"))
    assert len(loaded.ignored) == 8
    assert "ignored: blocks (8 tensors)" in loaded.sentences()


def test_another_depth_is_refused_whatever_attends(save, small):
    path = save(small.build().state_dict())
    with pytest.raises(WeightsError, match="lacks 12 of the trunk's tensors and has 0 more"):
        load_trunk(replace(small, attention=GatedAttention(), depth=3).build(), path)
    with pytest.raises(WeightsError, match="has 12 more"):
        load_trunk(replace(small, attention=GatedAttention(), depth=1).build(), path)


def test_published_weights_fill_a_trunk_around_what_is_put_in(save):
    source = OSNetConfig().build()
    config = OSNetConfig(within=SqueezeExcitation(), after=(("conv3", SqueezeExcitation()),), stems=("rgb", "nir"))
    target = config.build()
    loaded = load_trunk(target, save(source.state_dict()))
    for spectrum in ("rgb", "nir"):
        assert torch.equal(target.conv1[spectrum].conv.weight, source.conv1.conv.weight)
    assert torch.equal(target.conv4[1].conv3.bn.weight, source.conv4[1].conv3.bn.weight)
    assert loaded.ignored == ()
    assert "the stems of rgb, nir begin alike, with the file's" in loaded.notes
    # 6 blocks and a stage, each with two layers of weight and bias
    assert sum(name.startswith("after.conv3.") for name in loaded.left) == 4
    assert len(loaded.left) == 28
    assert "conv2.*.within.fc1 (4 tensors)" in loaded.sentences()[-1]


def test_every_stem_of_a_transformer_is_filled(save, small):
    source, target = small.build(), replace(small, stems=("nir", "tir")).build()
    loaded = load_trunk(target, save(source.state_dict()))
    assert loaded.left == ()
    for spectrum in ("nir", "tir"):
        assert torch.equal(target.patch_embed[spectrum].proj.bias, source.patch_embed.proj.bias)


def test_a_network_gets_what_it_says_is_fillable_and_the_rest_is_named(save, small):
    path = save(with_neck(small.build(), 16))
    network = Joined(small)
    loaded = fill_network(network, read_weights(path, said_by(small)))
    assert network.neck.running_mean.tolist() == [3] * 16
    assert loaded.fresh == ("fusion.0.weight", "fusion.0.bias", "fusion.1.weight", "fusion.1.bias")
    assert loaded.sentences()[-2:] == [
        "left as they were: fusion (4 tensors)",
        "the batch-norm neck of 'cls' came with them",
    ]


def test_a_neck_that_the_file_has_not_is_named_and_one_of_another_feature_is_ignored(save, small):
    pretrained = read_weights(save(small.build().state_dict()), said_by(small))
    assert (
        "left as they were: neck (4 tensors)"
        in fill_network(EmbedderConfig(trunk=small).build(), pretrained).sentences()
    )
    pretrained = read_weights(save(with_neck(small.build(), 16)), said_by(small))
    other = EmbedderConfig(trunk=small, feature="cls+patches").build()
    lines = fill_network(other, pretrained).sentences()
    assert "left as they were: neck (4 tensors)" in lines
    assert "ignored: batch-norm neck of 'cls'" in lines
    assert other.neck.running_mean.tolist() == [0] * 32
