"""TransReID's network: the order of its patches, its features, the golden case, and weights whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch.nn.functional import normalize

from reknow.errors import DataError, RecipeError
from reknow.models.jigsaw import LOCAL_BRANCH, NECKS, Jigsaw, JigsawConfig, jigsaw_order
from reknow.models.resnet import ResNetConfig
from reknow.models.transformer import TransformerConfig
from reknow.models.weights import Source, fill_network, options_of, read_weights
from reknow.models.weights.source import FileOptions
from reknow.observation import Batch
from reknow.recognizer.pretrained import read_file
from reknow.values import from_plain, to_plain

TRUNK = TransformerConfig(image_size=(64, 32), width=16, depth=3, heads=2, cameras=2)
CASES = ["64x32_s12", "64x32_s16", "96x48_s12", "96x48_s16"]


class Golden:
    """A golden file as the authors' checkpoint, and what their code made of its pictures."""

    def __init__(self, path: Path, folder: Path) -> None:
        self.tensors = load_file(path)
        with safe_open(path, "pt") as file:
            self.header = file.metadata()
        self.batch = Batch.of({"rgb": self.tensors["images"]}, camera=self.tensors["cam_ids"])
        self.file = folder / "transreid.safetensors"
        state = {name.removeprefix("param/"): t for name, t in self.tensors.items() if name.startswith("param/")}
        # The checkpoint has a last block and a norm of the trunk that never run.
        state |= {name.replace("b1.0.", "base.blocks.2."): t + 1 for name, t in state.items() if "b1.0." in name}
        state |= {name.replace("b1.1.", "base.norm."): t + 1 for name, t in state.items() if "b1.1." in name}
        save_file(state, self.file)
        size = tuple(self.tensors["images"].shape[2:])
        self.source = Source(self.file, FileOptions(size=size, heads=4, stride=int(path.stem.split("_s")[-1])))

    def expect(self, name: str, made: torch.Tensor, tolerance: float) -> None:
        torch.testing.assert_close(made.detach(), self.tensors[f"expected/{name}"], rtol=0, atol=tolerance)


@pytest.fixture(params=CASES)
def golden(request: pytest.FixtureRequest, shared: Path, tmp_path: Path) -> Golden:
    return Golden(shared / "golden" / f"vit_transreid_{request.param}.safetensors", tmp_path)


def test_the_authors_checkpoint_is_the_whole_network(golden):
    config, network, _, card = read_file(golden.source)
    assert isinstance(config, JigsawConfig) and (config.groups, config.compared) == (4, "before")
    assert any("beside 4 local ones of shuffled patches" in line for line in card.started_from)
    order, length = golden.tensors["expected/jpm_token_order"] - 1, int(golden.header["patch_length"])
    assert torch.equal(network.order, order[: 4 * length].view(4, length))
    features = network.eval().features(golden.batch)
    golden.expect("infer_before", torch.cat([features[0].before, *(f.before / 4 for f in features[1:])], dim=1), 2e-5)
    golden.expect("infer_after", torch.cat([features[0].behind, *(f.behind / 4 for f in features[1:])], dim=1), 2e-5)
    with torch.inference_mode():
        expected = normalize(golden.tensors["expected/infer_before"], dim=1)
        torch.testing.assert_close(network(golden.batch), expected, rtol=0, atol=2e-6)
        torch.testing.assert_close(
            network.tokens(golden.batch).cls, golden.tensors["expected/train_feat_0"], rtol=0, atol=2e-5
        )
    for number, feature in enumerate(network.train().features(golden.batch)):
        golden.expect(f"train_feat_{number}", feature.before, 2e-5)
        weight = golden.tensors[f"param/classifier{f'_{number}' if number else ''}.weight"]
        golden.expect(f"train_score_{number}", feature.behind @ weight.T, 3e-5)
    golden.expect("running_mean_after", network.necks[0].running_mean, 2e-5)
    golden.expect("running_var_after", network.necks[0].running_var, 2e-5)


def test_the_other_side_of_the_necks_can_be_compared(golden):
    config, network, _, _ = read_file(replace(golden.source, options=replace(golden.source.options, neck="behind")))
    assert config.compared == "behind"
    with torch.inference_mode():
        expected = normalize(golden.tensors["expected/infer_after"], dim=1)
        torch.testing.assert_close(network.eval()(golden.batch), expected, rtol=0, atol=2e-6)


def test_a_plain_embedder_says_what_it_leaves_of_the_checkpoint(golden):
    from reknow.models.embedder import EmbedderConfig

    pretrained = read_weights(golden.source)
    report = fill_network(EmbedderConfig(trunk=pretrained.trunk).build(), pretrained)
    assert {LOCAL_BRANCH, NECKS} <= set(report.ignored)


def test_weights_without_branches_begin_both_alike(tmp_path):
    torch.manual_seed(0)
    plain = TRUNK.build()
    save_file({f"base.{name}": tensor for name, tensor in plain.state_dict().items()}, tmp_path / "plain.safetensors")
    network = JigsawConfig(trunk=TRUNK).build()
    assert not torch.equal(network.local[1].weight + 1, network.local[1].weight)
    before = network.local[0].attn.qkv.weight.clone()
    report = fill_network(network, read_weights(tmp_path / "plain.safetensors", options_of(TRUNK)))
    assert report.parts == ()
    assert "the local branch of the jigsaw begins as the trunk's last block and norm" in report.notes
    assert not any(name.startswith("local.") for name in report.fresh)
    assert torch.equal(network.local[0].attn.qkv.weight, plain.blocks[2].attn.qkv.weight)
    assert not torch.equal(network.local[0].attn.qkv.weight, before)
    assert torch.equal(network.local[1].weight, plain.norm.weight)


@given(patches=st.integers(1, 60), groups=st.integers(1, 6), shift=st.integers(1, 8), rows=st.integers(1, 3))
def test_groups_are_equal_and_share_at_most_the_repeated_patches(patches, groups, shift, rows):
    if patches < groups:
        with pytest.raises(RecipeError, match="groups"):
            jigsaw_order(patches, groups, shift, rows)
        return
    order = jigsaw_order(patches, groups, shift, rows)
    assert order.shape == (groups, patches // groups)
    assert int(order.min()) >= 0 and int(order.max()) < patches
    assert len(order.unique()) >= order.numel() - (rows - 1)


def test_extra_tokens_stand_in_every_group_and_their_mean_in_every_feature():
    torch.manual_seed(0)
    config = JigsawConfig(trunk=replace(TRUNK, extra_tokens=3, registers=1), feature="cls+extra", groups=2)
    network = config.build().eval()
    assert network.dims == (32, 32, 32) and network.dim == 96
    batch = Batch.of({"rgb": torch.rand(2, 3, 64, 32)}, camera=torch.tensor([0, 1]))
    trunk = network.trunk
    sequence = trunk.encode(trunk.tokenize(batch.images["rgb"], batch.camera), depth=2)
    for number, patches in enumerate(jigsaw_order(8, groups=2)):
        part = network.local(torch.cat([sequence[:, :5], sequence[:, 5:][:, patches]], dim=1))
        expected = torch.cat([part[:, 0], part[:, 1:4].mean(1)], dim=1)
        torch.testing.assert_close(network.features(batch)[1 + number].before, expected)
    whole = network.tokens(batch)
    torch.testing.assert_close(network.features(batch)[0].before, torch.cat([whole.cls, whole.extra.mean(1)], dim=1))
    assert from_plain(to_plain(config), "recipe.yaml") == config
    assert isinstance(config.around(TRUNK, "cls"), JigsawConfig)


def test_every_parameter_of_every_branch_learns():
    torch.manual_seed(0)
    network = JigsawConfig(trunk=TRUNK, groups=2).build()
    batch = Batch.of({"rgb": torch.rand(4, 3, 64, 32)}, camera=torch.tensor([0, 1, 0, 1]))
    sum((feature.behind * torch.randn(16)).sum() for feature in network.features(batch)).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters() if p.requires_grad)


def test_what_has_no_jigsaw_is_refused():
    with pytest.raises(RecipeError, match=r"network\.trunk\.depth"):
        JigsawConfig(trunk=replace(TRUNK, depth=1))
    with pytest.raises(RecipeError, match=r"network\.feature"):
        JigsawConfig(trunk=TRUNK, feature="cls+extra")
    with pytest.raises(RecipeError, match="transformer"):
        JigsawConfig(trunk=TRUNK).around(ResNetConfig(), "cls")
    with pytest.raises(RecipeError, match=r"network\.groups"):
        JigsawConfig(trunk=TRUNK, groups=9).build()
    network: Jigsaw = JigsawConfig(trunk=TRUNK).build()
    with pytest.raises(DataError, match="rgb"):
        network(Batch.of({"nir": torch.rand(1, 3, 64, 32)}))
