"""Weights into a trunk and into a whole network: what is loaded, resized, ignored, left as it was, and refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pytest
import torch
from jaxtyping import Float
from safetensors.torch import save_file
from torch import Tensor, nn

from reknow.errors import WeightsError
from reknow.models.attention import Attention, AttentionConfig, ReadProbabilities
from reknow.models.channel_attention import SqueezeExcitation
from reknow.models.embedder import EmbedderConfig
from reknow.models.network import Network
from reknow.models.osnet import OSNetConfig
from reknow.models.resnet import ResNetConfig
from reknow.models.transformer import TransformerConfig, resized_positions
from reknow.models.weights import fill, fill_network, options_of, read_weights
from reknow.observation import Batch, Spectrum


def test_safetensors_round_trip(load_trunk, tmp_path, small):
    source, target = small.build(), small.build()
    save_file(source.state_dict(), tmp_path / "w.safetensors")
    assert load_trunk(target, tmp_path / "w.safetensors").left == ()
    assert all(torch.equal(a, b) for a, b in zip(source.parameters(), target.parameters(), strict=True))


def test_half_precision_is_read_as_single(save, small):
    pretrained = read_weights(save(small.build().half().state_dict()), options_of(small))
    assert {tensor.dtype for tensor in pretrained.state.values()} == {torch.float32}


def test_positions_are_resized_and_learned_tokens_keep_their_rows(load_trunk, save, small):
    source = replace(small, extra_tokens=2).build()
    target = replace(small, extra_tokens=2, image_size=(64, 32)).build()
    loaded = load_trunk(target, f"{save(source.state_dict())}?size=32x16")
    assert loaded.resized == ("pos_embed from 4 x 2 to 8 x 4 patches",)
    expected = resized_positions(source.pos_embed.detach(), 3, (4, 2), (8, 4))
    assert torch.equal(target.pos_embed, expected)
    assert torch.equal(target.extra_tokens, source.extra_tokens)


def test_as_many_patches_in_another_arrangement_are_believed(load_trunk, save, small):
    source = replace(small, image_size=(8, 64)).build()
    target = replace(small, image_size=(8, 64)).build()
    loaded = load_trunk(target, save(source.state_dict()))
    assert loaded.resized == ()
    assert torch.equal(target.pos_embed, source.pos_embed)


def test_what_no_file_has_for_every_method_stays_as_it_was(load_trunk, save, small):
    source = replace(small, extra_tokens=1).build()
    target = replace(small, extra_tokens=3, registers=1, cameras=4).build()
    before = {name: tensor.clone() for name, tensor in target.state_dict().items()}
    loaded = load_trunk(target, save(source.state_dict()))
    assert loaded.left == ("extra_tokens[1:3]", "pos_embed[2:4]", "register_tokens", "pos_embed[4:5]", "sie_embed")
    for name, rows in (("extra_tokens", slice(1, 3)), ("pos_embed", slice(2, 5)), ("sie_embed", slice(None))):
        assert torch.equal(target.state_dict()[name][:, rows], before[name][:, rows]), name
    assert torch.equal(target.extra_tokens[:, :1], source.extra_tokens)
    assert torch.equal(target.pos_embed[:, :2], source.pos_embed[:, :2])
    assert torch.equal(target.pos_embed[:, 5:], source.pos_embed[:, 2:])


def test_what_the_trunk_has_no_place_for_is_ignored(load_trunk, save, small):
    source = replace(small, extra_tokens=3, registers=1, cameras=4).build()
    target = replace(small, extra_tokens=1, cameras=2).build()
    loaded = load_trunk(target, save(source.state_dict()))
    assert loaded.ignored == ("extra_tokens[1:3]", "register_tokens", "sie_embed")
    assert loaded.left == ("sie_embed",)  # the table of four cameras is not one of two
    assert torch.equal(target.pos_embed[:, 2:], source.pos_embed[:, 5:])


def test_camera_table_of_as_many_cameras_is_taken(load_trunk, save, small):
    source, target = (replace(small, extra_tokens=1, cameras=4).build() for _ in range(2))
    assert load_trunk(target, save(source.state_dict())).left == ()
    assert torch.equal(target.sie_embed, source.sie_embed)


def test_another_network_is_refused(load_trunk, save, small):
    with pytest.raises(WeightsError, match=r"TransReID-SSL ViT-16/8; expected weights of a ResNet50"):
        load_trunk(ResNetConfig().build(), f"{save(small.build().state_dict())}?size=32x16&heads=2")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 8}, r"tensor 'cls_token': size \(1, 1, 16\) of TransReID-SSL ViT-16/8; expected \(1, 1, 8\)"),
        ({"depth": 4}, r"lacks 24 of the trunk's tensors and has 0 more, such as 'blocks\.2\."),
        ({"depth": 1}, r"lacks 0 of the trunk's tensors and has 12 more, such as 'blocks\.1\."),
        ({"patch_size": 4, "stride": 4}, r"tensor 'patch_embed.proj.weight': size \(16, 3, 8, 8\)"),
        ({"stem": "convolution", "convolutions": ((4, 3, 2),)}, r"tensor 'patch_embed.proj.weight'"),
        ({"mlp_ratio": 2.0}, r"tensor 'blocks.0.mlp.fc1.weight': size \(64, 16\)"),
    ],
    ids=["width", "deeper", "shallower", "patch", "stem", "mlp"],
)
def test_another_size_is_refused_and_the_trunk_stays(save, small, changes, message):
    trunk = replace(small, **changes).build()
    before = {name: tensor.clone() for name, tensor in trunk.state_dict().items()}
    with pytest.raises(WeightsError, match=message):
        fill(trunk, read_weights(save(small.build().state_dict()), options_of(small)))
    assert all(torch.equal(tensor, before[name]) for name, tensor in trunk.state_dict().items())


def test_the_report(load_trunk, save, small):
    head = {"head.weight": torch.ones(10, 16), "head.bias": torch.ones(10)}
    target = replace(small, image_size=(64, 32), cameras=2).build()
    path = save(replace(small, image_size=(32, 32)).build().state_dict() | head)
    assert load_trunk(target, f"{path}?size=32x32").sentences() == [
        "weights: ImageNet ViT-16/8 from weights.pth, 30 of the trunk's 31 tensors",
        "position table of 16 patches read as 4 x 4: pictures of 32 x 32, stride 8; as told",
        "resized: pos_embed from 4 x 4 to 8 x 4 patches",
        "ignored: head (2 tensors)",
        "left as they were: sie_embed",
    ]


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


def test_an_attention_of_the_recipe_takes_what_it_has_in_common_and_the_rest_is_named(load_trunk, save, small):
    source, target = small.build(), replace(small, attention=GatedAttention()).build()
    gate = target.blocks[0].attn.gate.weight.clone()
    loaded = load_trunk(target, save(source.state_dict()))
    assert torch.equal(target.blocks[1].attn.qkv.weight, source.blocks[1].attn.qkv.weight)
    assert torch.equal(target.blocks[0].attn.gate.weight, gate)
    assert loaded.ignored == ()
    assert "left as they were: blocks.*.attn.gate (4 tensors)" in loaded.sentences()


def test_an_attention_without_queries_takes_nothing_and_says_so(load_trunk, save, small):
    target = replace(small, attention=MeanAttention()).build()
    source = small.build()
    loaded = load_trunk(target, save(source.state_dict()))
    assert torch.equal(target.blocks[1].mlp.fc1.weight, source.blocks[1].mlp.fc1.weight)
    assert loaded.left == tuple(f"blocks.{number}.attn.out.{kind}" for number in (0, 1) for kind in ("weight", "bias"))
    assert len(loaded.ignored) == 8
    assert "ignored: blocks (8 tensors)" in loaded.sentences()


def test_another_depth_is_refused_whatever_attends(load_trunk, save, small):
    path = save(small.build().state_dict())
    with pytest.raises(WeightsError, match="lacks 12 of the trunk's tensors and has 0 more"):
        load_trunk(replace(small, attention=GatedAttention(), depth=3).build(), path)
    with pytest.raises(WeightsError, match="has 12 more"):
        load_trunk(replace(small, attention=GatedAttention(), depth=1).build(), path)


def test_published_weights_fill_a_trunk_around_what_is_put_in(load_trunk, save):
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


def test_every_stem_of_a_transformer_is_filled(load_trunk, save, small):
    source, target = small.build(), replace(small, stems=("nir", "tir")).build()
    loaded = load_trunk(target, save(source.state_dict()))
    assert loaded.left == ()
    for spectrum in ("nir", "tir"):
        assert torch.equal(target.patch_embed[spectrum].proj.bias, source.patch_embed.proj.bias)


def test_a_network_gets_what_it_says_is_fillable_and_the_rest_is_named(save, small):
    path = save(with_neck(small.build(), 16))
    network = Joined(small)
    loaded = fill_network(network, read_weights(path, options_of(small)))
    assert network.neck.running_mean.tolist() == [3] * 16
    assert loaded.fresh == ("fusion.0.weight", "fusion.0.bias", "fusion.1.weight", "fusion.1.bias")
    assert loaded.sentences()[-2:] == [
        "left as they were: fusion (4 tensors)",
        "the batch-norm neck of 'cls' came with them",
    ]


def test_a_neck_that_the_file_has_not_is_named_and_one_of_another_feature_is_ignored(save, small):
    pretrained = read_weights(save(small.build().state_dict()), options_of(small))
    assert (
        "left as they were: neck (4 tensors)"
        in fill_network(EmbedderConfig(trunk=small).build(), pretrained).sentences()
    )
    pretrained = read_weights(save(with_neck(small.build(), 16)), options_of(small))
    other = EmbedderConfig(trunk=small, feature="cls+patches").build()
    lines = fill_network(other, pretrained).sentences()
    assert "left as they were: neck (4 tensors)" in lines
    assert "ignored: batch-norm neck of 'cls'" in lines
    assert other.neck.running_mean.tolist() == [0] * 32
