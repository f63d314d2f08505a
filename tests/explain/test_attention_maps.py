"""Maps say where a network attends: by construction, by hand, and by the formula on real networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from reknow.errors import RunError
from reknow.explain.attention_maps import AttentionMaps, checked_layer, kind_of, maps_of_batch
from reknow.methods.editor.network import EditorNetworkConfig
from reknow.methods.editor.selection import SelectionConfig
from reknow.models.attention import Attention, AttentionConfig, ReadProbabilities
from reknow.models.channel_selection import ChannelSelection
from reknow.models.class_activation import class_activation, layer_of
from reknow.models.embedder import EmbedderConfig
from reknow.models.jigsaw import JigsawConfig
from reknow.models.osnet import OSNetConfig
from reknow.models.transformer import TransformerConfig
from reknow.observation import Batch

TRUNK = TransformerConfig(
    image_size=(32, 16), width=8, depth=3, heads=2, patch_size=8, stride=8, extra_tokens=2, registers=1
)
PREFIX = 4


class Aimed(Attention):
    """Attends to one token, in every block, head and picture."""

    def __init__(self, width: int, heads: int, token: int) -> None:
        super().__init__(width, heads)
        self.token = token

    def forward(self, sequence: Tensor, observe: ReadProbabilities | None = None) -> Tensor:
        batch, length, _ = sequence.shape
        probabilities = torch.zeros(batch, self.heads, length, length)
        probabilities[..., self.token] = 1
        if observe is not None:
            observe(lambda: probabilities)
        return super().forward(sequence)


@dataclass(frozen=True)
class AimedAttention(AttentionConfig):
    """Attention to one token."""

    token: int = 0

    def build(self, width: int, heads: int, depth: int) -> Sequence[nn.Module]:
        return [Aimed(width, heads, self.token) for _ in range(depth)]


@dataclass(frozen=True)
class SilentAttention(AttentionConfig):
    """Attention that shows nothing."""

    def build(self, width: int, heads: int, depth: int) -> Sequence[nn.Module]:
        class Silent(Attention):
            def forward(self, sequence: Tensor, observe: ReadProbabilities | None = None) -> Tensor:
                return super().forward(sequence)

        return [Silent(width, heads) for _ in range(depth)]


def pictures(count: int = 2, size: tuple[int, int] = (32, 16)) -> Batch:
    return Batch.of({"rgb": torch.rand(count, 3, *size, generator=torch.Generator().manual_seed(0))})


# --- Transformers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("patch", [0, 3, 7])
@pytest.mark.parametrize("feature", ["cls", "cls+extra", "cls+patches"])
def test_a_network_that_attends_to_one_patch_has_a_map_that_peaks_there(feature: str, patch: int) -> None:
    trunk = replace(TRUNK, attention=AimedAttention(PREFIX + patch))
    network = EmbedderConfig(trunk=trunk, feature=feature).build().eval()
    maps = maps_of_batch(network, pictures(), "", "run")["rgb"].flatten(1)
    assert maps.shape == (2, 8) and maps.argmax(1).tolist() == [patch, patch]
    torch.testing.assert_close(maps.sum(1), torch.ones(2))
    if feature != "cls+patches":  # no other patch is attended to, by any token of the feature
        assert maps[:, patch].min() > 0.999


def test_a_jigsaw_is_read_at_its_global_branch() -> None:
    trunk = replace(TRUNK, attention=AimedAttention(PREFIX + 5))
    network = JigsawConfig(trunk=trunk, feature="cls+extra", groups=2, shift=1).build().eval()
    for module in network.local.modules():
        if isinstance(module, Aimed):
            module.token = 0  # what the local branches attend to does not count
    maps = maps_of_batch(network, pictures(), "", "run")["rgb"].flatten(1)
    assert maps.argmax(1).tolist() == [5, 5] and maps[:, 5].min() > 0.999


@pytest.mark.parametrize("attention", [None, ChannelSelection()], ids=["softmax", "channel selection"])
@pytest.mark.parametrize(
    ("feature", "tokens"), [("cls", [[0]]), ("cls+extra", [[0], [1, 2]]), ("cls+patches", [[0], list(range(4, 12))])]
)
def test_the_map_is_the_rollout_of_the_tokens_that_make_the_feature(attention, feature, tokens) -> None:
    torch.manual_seed(0)
    trunk = TRUNK if attention is None else replace(TRUNK, attention=attention)
    network, batch = EmbedderConfig(trunk=trunk, feature=feature).build().eval(), pictures()
    for parameter in network.trunk.parameters():
        parameter.data.mul_(3)  # so that attention is far from uniform
    blocks: list[Tensor] = []
    entering = network.trunk.tokenize(batch.images["rgb"])
    network.trunk.encode(entering, observe=lambda number, probabilities: blocks.append(probabilities()))
    product = torch.eye(12)
    for probabilities in blocks:
        product = (0.5 * probabilities.mean(1) + 0.5 * torch.eye(12)) @ product
    expected = torch.stack([product[:, chosen].mean(1) for chosen in tokens]).mean(0)[:, PREFIX:]
    expected = expected / expected.sum(1, keepdim=True)
    made = maps_of_batch(network, batch, "", "run")["rgb"]
    assert made.shape == (2, 4, 2)
    torch.testing.assert_close(made.flatten(1), expected.detach(), rtol=1e-3, atol=1e-5)


def test_a_network_of_several_spectra_is_read_in_each_that_an_observation_has() -> None:
    trunk = replace(TRUNK, extra_tokens=0, registers=0)
    network = EditorNetworkConfig(trunk=trunk, selection=SelectionConfig(head_keep=1, frequency_keep=2)).build().eval()
    images = {name: torch.rand(3, 3, 32, 16) for name in ("rgb", "tir")}
    batch = Batch.of(images, {"rgb": torch.tensor([True, False, True]), "tir": torch.tensor([True, True, False])})
    maps = maps_of_batch(network, batch, "", "run")
    assert list(maps) == ["rgb", "tir"]
    torch.testing.assert_close(maps["rgb"].sum((1, 2)), torch.tensor([1.0, 0.0, 1.0]))
    torch.testing.assert_close(maps["tir"].sum((1, 2)), torch.tensor([1.0, 1.0, 0.0]))
    alone = maps_of_batch(network, Batch.of({"rgb": images["rgb"][2:]}), "", "run")
    torch.testing.assert_close(alone["rgb"][0], maps["rgb"][2], rtol=1e-4, atol=1e-6)


# --- Convolutional networks -------------------------------------------------------------------------------------------


def test_a_convolutional_network_has_the_class_activation_of_a_stage() -> None:
    torch.manual_seed(0)
    network, batch = EmbedderConfig(trunk=OSNetConfig()).build().eval(), pictures(3, (64, 32))
    made = maps_of_batch(network, batch, "conv3", "run")["rgb"]
    expected = class_activation(lambda: network.features(batch)[0].behind, layer_of(network.trunk, "conv3"))
    assert made.shape == (3, 4, 2) and (expected.sum((1, 2)) > 0).all()
    torch.testing.assert_close(made, expected / expected.sum((1, 2), keepdim=True))


def test_the_last_stage_is_the_default_and_the_nearest_is_named() -> None:
    network = EmbedderConfig(trunk=OSNetConfig()).build()
    assert kind_of(network) == "class activation"
    assert checked_layer(network, None, "run") == "conv4" and checked_layer(network, "conv2", "run") == "conv2"
    with pytest.raises(RunError, match=r"run, layer 'cnv3': no such stage in OSNet.*Did you mean 'conv3'\?"):
        checked_layer(network, "cnv3", "run")
    transformer = EmbedderConfig(trunk=TRUNK).build()
    assert kind_of(transformer) == "rollout" and checked_layer(transformer, "conv3", "run") == ""


# --- What cannot be read ----------------------------------------------------------------------------------------------


def test_a_network_without_attention_and_maps_is_refused() -> None:
    network = EmbedderConfig(trunk=OSNetConfig()).build()
    network.trunk = nn.Identity()
    assert kind_of(network) is None
    with pytest.raises(RunError, match="run: Embedder around Identity, which has no attention and no maps"):
        checked_layer(network, None, "run")


def test_attention_that_is_never_shown_is_refused() -> None:
    network = EmbedderConfig(trunk=replace(TRUNK, attention=SilentAttention())).build().eval()
    with pytest.raises(RunError, match="'SilentAttention' that shows its probabilities in no block"):
        maps_of_batch(network, pictures(), "", "run")


def test_damaged_weights_are_refused() -> None:
    network = EmbedderConfig(trunk=TRUNK).build().eval()
    with torch.no_grad():
        network.trunk.blocks[0].attn.qkv.weight[:] = torch.nan
    with pytest.raises(RunError, match="NaN or infinity"):
        maps_of_batch(network, pictures(), "", "run")


# --- Shares -----------------------------------------------------------------------------------------------------------


def made_maps(**values: object) -> AttentionMaps:
    arrays = {name: np.asarray(array, dtype=np.float32) for name, array in values.items()}
    return AttentionMaps(kind="rollout", layer="", grid=(1, 2), values=arrays)


def test_a_share_by_hand() -> None:
    """Two patches; in rgb the object fills 0.5 of the first and nothing of the second, in tir all of the second."""
    inside = {"rgb": np.array([[0.5, 0.0]] * 4), "tir": np.array([[0.0, 1.0]] * 4)}
    maps = made_maps(rgb=[[1, 0], [0.25, 0.75], [0, 0], [0, 0]], tir=[[0.5, 0.5], [0, 0], [0.2, 0.8], [0, 0]])
    shares, uniform = maps.share_on(inside), maps.uniform_share_on(inside)
    # Both spectra; rgb alone; tir alone; none.
    np.testing.assert_allclose(shares, [(0.5 + 0.5) / 2, 0.125, 0.8, np.nan], rtol=1e-6)
    np.testing.assert_allclose(uniform, [(0.25 + 0.5) / 2, 0.25, 0.5, np.nan], rtol=1e-6)
    assert maps.known and not made_maps(rgb=[[0, 0]]).known


@given(st.integers(0, 2**32 - 1), st.integers(1, 9))
def test_a_share_lies_between_0_and_1_and_is_1_where_everything_is_inside(seed: int, patches: int) -> None:
    random = np.random.default_rng(seed)
    values = random.random((5, patches))
    values = (values / values.sum(axis=1, keepdims=True)).astype(np.float32)
    maps = AttentionMaps(kind="rollout", layer="", grid=(1, patches), values={"rgb": values})
    shares = maps.share_on({"rgb": random.random((5, patches))})
    assert ((shares >= 0) & (shares <= 1)).all()
    np.testing.assert_allclose(maps.share_on({"rgb": np.ones((5, patches))}), 1, rtol=1e-5)
    np.testing.assert_allclose(maps.share_on({"rgb": np.zeros((5, patches))}), 0)
