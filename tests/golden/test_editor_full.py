"""Golden cases ``editor_full_al0`` and ``editor_full_al1``: the whole model, every loss, gradient and moved statistic.

The files are larger than a clone should carry, so these tests read them from the shared folder.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from reknow.methods.editor.checkpoint import UNUSED_CLASSES, load_official, official_names, to_official
from reknow.methods.editor.method import Editor, EditorConfig
from reknow.methods.editor.network import EditorNetworkConfig
from reknow.methods.editor.selection import SelectionConfig
from reknow.methods.method import Moment
from reknow.models.transformer import TransformerConfig
from reknow.observation import Batch

NAMES = {"rgb": "RGB", "nir": "NIR", "tir": "TIR"}


class Case:
    """One golden file, and our method filled with its weights by the checkpoint's adapter."""

    def __init__(self, path: Path, dtype: torch.dtype) -> None:
        self.tensors = load_file(path)
        with safe_open(path, "pt") as file:
            self.header = file.metadata()
        number = {name: json.loads(self.header[name]) for name in ("depth", "dim", "num_cams", "num_ids", "AL")}
        height, width = json.loads(self.header["size_hw"])
        trunk = TransformerConfig(
            image_size=(height, width),
            width=number["dim"],
            depth=number["depth"],
            heads=int(self.header["backbone_heads"]),
            cameras=number["num_cams"],
        )
        selection = SelectionConfig(head_keep=1, frequency_keep=2)
        network = EditorNetworkConfig(trunk=trunk, selection=selection, heads=int(self.header["hma_heads"])).build()
        variant = "AL" if number["AL"] else "BL"
        self.method = Editor(network, np.arange(number["num_ids"]), EditorConfig(variant=variant)).to(dtype)
        state = {name.removeprefix("param/"): t for name, t in self.tensors.items() if name.startswith("param/")}
        self.ignored = load_official(self.method, state)
        self.variant = variant
        images = (self.tensors["in/images_u8"].to(dtype) / 255 - 0.5) / 0.5
        self.batch = Batch(
            dict(zip(NAMES, images.unbind(1), strict=True)),
            dict.fromkeys(NAMES, torch.ones(len(images), dtype=torch.bool)),
            torch.arange(len(images)),
            self.tensors["in/labels"].long(),
            self.tensors["in/cams"].long(),
        )

    def expect(self, name: str, found: Tensor, tolerance: float) -> None:
        expected = self.tensors[f"out/{name}"].to(found.dtype)
        torch.testing.assert_close(found.detach(), expected, rtol=0, atol=tolerance, msg=lambda m: f"{name}: {m}")


@pytest.fixture(params=["al0", "al1"])
def path(request: pytest.FixtureRequest, shared: Path) -> Path:
    return shared / "golden" / f"editor_full_{request.param}.safetensors"


@pytest.mark.parametrize(
    ("dtype", "features", "losses", "gradients"),
    [(torch.float32, 3e-5, 2e-5, 5e-5), (torch.float64, 1e-9, 1e-9, 1e-9)],
    ids=["float32", "float64"],
)
def test_a_training_step(path: Path, dtype: torch.dtype, features: float, losses: float, gradients: float) -> None:
    case = Case(path, dtype)
    method = case.method.train()
    seen = method.network.outputs(case.batch)
    for name, official in NAMES.items():
        tokens = torch.cat([seen.cls[name][:, None], seen.patches[name]], dim=1)
        case.expect(f"train/backbone_tokens_{official}", tokens, features)
        assert torch.equal(seen.selected.kept[name], case.tensors["out/train/mask"].bool())
        assert torch.equal(seen.selected.frequency[name], case.tensors["out/train/freq_mask"].bool())
    case.expect("train/fused_feature", seen.descriptor, features)

    terms = method.losses(case.batch, Moment(0, 1, 0, 1))
    case.expect("train/fused_pair_loss", terms["fused"], losses)
    if case.variant == "BL":
        for name, official in NAMES.items():
            case.expect(f"train/{official}_pair_loss", terms[name], losses)
    else:
        case.expect("train/backbone_feature", torch.cat(list(seen.cls.values()), dim=1), features)
        case.expect("train/backbone_pair_loss", terms["trunk"], losses)
    case.expect("train/bcc", terms["background"], losses)
    case.expect("train/ocfr", terms["centers"], losses)
    case.expect("train/bcc_plus_ocfr", terms["background"] + terms["centers"], losses)
    total = torch.stack(list(terms.values())).sum()
    case.expect("train/total", total, losses)

    total.backward()
    parameters, compared = dict(method.named_parameters()), 0
    for name, official in official_names(method).items():
        if name in parameters and f"out/grad/{official}" in case.tensors:
            case.expect(f"grad/{official}", parameters[name].grad, gradients)
            compared += 1
        if f"out/train/after/{official}" in case.tensors:
            case.expect(f"train/after/{official}", method.get_buffer(name), features)
    assert compared == sum(name.startswith("out/grad/") for name in case.tensors)
    for name, official in NAMES.items():
        case.expect(f"train/centers_after_{official}", method.centers.table(name), features)


def test_logits(path: Path) -> None:
    case = Case(path, torch.float64)
    method = case.method.train()
    seen = method.network.outputs(case.batch)
    case.expect("train/fused_logits", method.fused(seen.descriptor), 1e-9)
    if case.variant == "AL":
        case.expect("train/backbone_logits", method.trunk(torch.cat(list(seen.cls.values()), dim=1)), 1e-9)
    else:
        for name, official in NAMES.items():
            case.expect(f"train/{official}_feature", seen.cls[name], 1e-9)
            case.expect(f"train/{official}_logits", method.trunk(seen.cls[name]), 1e-9)


def test_evaluation(path: Path) -> None:
    case = Case(path, torch.float32)
    network = case.method.eval().network
    seen = network.outputs(case.batch)
    case.expect("eval/descriptor", seen.descriptor, 3e-5)
    assert torch.equal(seen.selected.kept["tir"], case.tensors["out/eval/mask"].bool())
    embedding = case.method.embed(case.batch)
    torch.testing.assert_close(embedding, torch.nn.functional.normalize(seen.descriptor, dim=1))


def test_the_number_of_parameters_and_the_checkpoint_written_again(path: Path) -> None:
    case = Case(path, torch.float32)
    method = case.method
    count = sum(parameter.numel() for parameter in method.parameters()) + UNUSED_CLASSES * 48 + UNUSED_CLASSES
    # Under AL the released model also holds the batch norm and the classifier of BL, which nothing reads.
    unread = 2 * 48 + 5 * 48 if case.variant == "AL" else 0
    assert count + unread == int(case.header["trainable_parameters_incl_unused_1000way_layer"])
    assert all(name.startswith(("BACKBONE_BN", "BACKBONE_HEAD")) for name in case.ignored)
    written = to_official(method)
    given = {name.removeprefix("param/"): t for name, t in case.tensors.items() if name.startswith("param/")}
    assert {name for name in given if name not in written} == set()
    for name, tensor in given.items():
        if name not in case.ignored:
            assert torch.equal(written[name], tensor), name
    beyond = {name for name in written if name not in given and not name.endswith("num_batches_tracked")}
    assert beyond == {"BACKBONE.base.fc.weight", "BACKBONE.base.fc.bias"}
