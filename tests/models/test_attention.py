"""An attention of another kind, from the recipe: what it knows, what blocks share, how it begins, how it is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
import torch
import tyro
from torch import Tensor, nn

from reknow.errors import RecipeError
from reknow.models import attention
from reknow.models.attention import Attention, AttentionConfig, ReadProbabilities, SoftmaxAttention
from reknow.models.embedder import EmbedderConfig
from reknow.models.transformer import TransformerConfig
from reknow.observation import Batch
from reknow.recognizer import Card, Recognizer, load
from reknow.values import from_plain, to_plain

SIZE = (32, 16)


class Still(nn.Module):
    """Attends to nothing."""

    def forward(self, sequence: Tensor, observe: ReadProbabilities | None = None) -> Tensor:
        return torch.zeros_like(sequence)


class Masked(Attention):
    """Attends to as many channels as its mask lets through."""

    def __init__(self, width: int, heads: int, mask: nn.Linear) -> None:
        super().__init__(width, heads)
        self.mask = mask

    def forward(self, sequence: Tensor, observe: ReadProbabilities | None = None) -> Tensor:
        return super().forward(sequence * self.mask(sequence).sigmoid(), observe)


@dataclass(frozen=True)
class LateAttention(AttentionConfig):
    """Softmax attention from one block on; before it none."""

    first: int = 1

    def build(self, width: int, heads: int, depth: int) -> Sequence[nn.Module]:
        return [Attention(width, heads) if number >= self.first else Still() for number in range(depth)]


@dataclass(frozen=True)
class MaskedAttention(AttentionConfig):
    """One mask for all blocks, or one for each; open at the start."""

    shared: bool = True

    def build(self, width: int, heads: int, depth: int) -> Sequence[nn.Module]:
        masks = [nn.Linear(width, width) for _ in range(1 if self.shared else depth)]
        return [Masked(width, heads, masks[0 if self.shared else number]) for number in range(depth)]

    def initialize(self, attention: nn.Module) -> None:
        super().initialize(attention)
        assert isinstance(attention, Masked)
        nn.init.constant_(attention.mask.bias, 2.0)


def config(**changes: object) -> TransformerConfig:
    shape = {"image_size": SIZE, "width": 16, "depth": 3, "heads": 2, "patch_size": 8, "stride": 8}
    return TransformerConfig(**{**shape, **changes})


@pytest.fixture
def in_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files name classes of the package alone; these stand in for one that a method brings."""
    for kind in (LateAttention, MaskedAttention):
        monkeypatch.setattr(attention, kind.__name__, kind, raising=False)
        monkeypatch.setattr(kind, "__module__", "reknow.models.attention")


def test_an_attention_knows_its_block_s_number() -> None:
    trunk = config(attention=LateAttention(first=2)).build()
    assert [type(block.attn).__name__ for block in trunk.blocks] == ["Still", "Still", "Attention"]
    sequence = trunk.tokenize(torch.randn(1, 3, *SIZE))
    changed = sequence.clone()
    changed[:, -1] = 0
    # Where nothing attends, no token learns of another.
    early, of_changed = (trunk.encode(each, depth=2)[:, :-1] for each in (sequence, changed))
    torch.testing.assert_close(early, of_changed)
    assert not torch.allclose(trunk.encode(sequence)[:, :-1], trunk.encode(changed)[:, :-1])


@pytest.mark.parametrize(("shared", "masks"), [(True, 1), (False, 3)])
def test_blocks_share_a_layer_or_have_their_own(shared: bool, masks: int) -> None:
    trunk = config(attention=MaskedAttention(shared=shared)).build()
    assert len({id(block.attn.mask) for block in trunk.blocks}) == masks
    more = sum(parameter.numel() for parameter in trunk.parameters())
    assert more - sum(parameter.numel() for parameter in config().build().parameters()) == masks * (16 * 16 + 16)


def test_an_attention_begins_as_its_config_says_and_the_rest_as_ever() -> None:
    torch.manual_seed(0)
    trunk = config(attention=MaskedAttention()).build()
    assert trunk.blocks[1].attn.mask.bias.tolist() == [2.0] * 16
    assert 0.01 < trunk.blocks[1].attn.mask.weight.std() < 0.03
    assert trunk.blocks[1].attn.qkv.bias.tolist() == [0.0] * 48
    assert 0.01 < trunk.blocks[1].mlp.fc1.weight.std() < 0.03


def test_an_attention_reaches_the_trunk_from_a_network_s_config() -> None:
    network = EmbedderConfig(trunk=config(attention=MaskedAttention())).build()
    assert isinstance(network.trunk.blocks[0].attn, Masked)
    assert network.eval()(Batch.of({"rgb": torch.rand(2, 3, *SIZE)})).shape == (2, 16)


@pytest.mark.usefixtures("in_the_package")
def test_a_recipe_file_keeps_the_attention() -> None:
    wanted = config(attention=MaskedAttention(shared=False))
    plain = to_plain(wanted)
    assert plain["attention"] == {"type": "reknow.models.attention.MaskedAttention", "shared": False}
    assert from_plain(plain, "recipe.yaml") == wanted
    assert replace(wanted, depth=5).attention == wanted.attention


def test_a_file_of_before_has_softmax_attention() -> None:
    plain = to_plain(config())
    del plain["attention"], plain["stems"], plain["norm_pre"], plain["activation"]
    assert from_plain(plain, "recognizer.json") == config(attention=SoftmaxAttention())


@pytest.mark.usefixtures("in_the_package")
@pytest.mark.parametrize("shared", [True, False])
def test_a_recognizer_keeps_its_attention_and_what_blocks_share(shared: bool, tmp_path) -> None:
    from reknow.data.transforms import Preprocessing

    network = EmbedderConfig(trunk=config(attention=MaskedAttention(shared=shared)))
    saved = Recognizer(network, network.build(), Preprocessing(size=SIZE), Card(name="masked"), "cpu", "32")
    saved.save(tmp_path / "recognizer")
    found = load(tmp_path / "recognizer", "cpu", "32")
    assert found.config == network
    blocks = found.network.trunk.blocks
    assert (blocks[0].attn.mask is blocks[2].attn.mask) == shared
    pictures = torch.rand(2, 3, *SIZE)
    assert (found.embed(pictures) == saved.embed(pictures)).all()
    larger = found.at_size((64, 32))
    assert (larger.network.trunk.blocks[0].attn.mask is larger.network.trunk.blocks[2].attn.mask) == shared


def test_the_command_line_sets_its_fields() -> None:
    found = tyro.cli(
        TransformerConfig,
        args=["--attention.no-shared", "--depth", "4"],
        default=config(attention=MaskedAttention()),
        config=(tyro.conf.AvoidSubcommands,),
    )
    assert found == config(attention=MaskedAttention(shared=False), depth=4)


def test_what_builds_no_attention_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"field 'attention': 'softmax'; expected AttentionConfig"):
        from_plain({**to_plain(config()), "attention": "softmax"}, "recipe.yaml")


def test_a_number_of_attentions_that_is_not_the_depth_is_an_error() -> None:
    class Short(SoftmaxAttention):
        def build(self, width: int, heads: int, depth: int) -> Sequence[Attention]:
            return super().build(width, heads, depth - 1)

    with pytest.raises(ValueError, match="shorter"):
        config(attention=Short()).build()
