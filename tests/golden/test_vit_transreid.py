"""Golden cases ``vit_transreid*``: TransReID's trunk with camera embedding, overlapping patches, and its JPM branches.

The trunk offers the parts (`tokenize`, `encode(depth=...)`, `branch`); the jigsaw of patches stands here. The files
are larger than a clone should carry, so these tests read them from the shared folder.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from reknow.models.embedder import BatchNormNeck
from reknow.models.transformer import TransformerConfig, VisionTransformer

CASES = ["64x32_s12", "64x32_s16", "96x48_s12", "96x48_s16"]


class Case:
    """One golden file, and the reference's weights adapted to our parts."""

    def __init__(self, path: Path) -> None:
        self.tensors = load_file(path)
        with safe_open(path, "pt") as file:
            self.header = file.metadata()
        images = self.tensors["images"]
        grid = json.loads(self.header["grid"])
        self.trunk = TransformerConfig(
            image_size=(images.shape[2], images.shape[3]),
            width=48,
            depth=3,
            heads=4,
            stride=int(path.stem.split("_s")[-1]),
            cameras=4,
        ).build()
        assert self.trunk.grid == tuple(grid)
        missing, unexpected = self.trunk.load_state_dict(self.weights("base."), strict=False)
        assert unexpected == []
        # With JPM the reference's last block and norm are unused, so the file leaves them out.
        assert all(name.startswith(("blocks.2.", "norm.")) for name in missing)
        self.branches = [self._branch("b1."), self._branch("b2.")]

    def weights(self, prefix: str) -> dict[str, Tensor]:
        start = f"param/{prefix}"
        return {name.removeprefix(start): t for name, t in self.tensors.items() if name.startswith(start)}

    def _branch(self, prefix: str) -> nn.Sequential:
        branch = self.trunk.branch()
        branch.load_state_dict(self.weights(prefix))
        return branch

    def expect(self, name: str, found: Tensor, tolerance: float) -> None:
        torch.testing.assert_close(found.detach(), self.tensors[f"expected/{name}"], rtol=0, atol=tolerance)

    def sequence(self) -> Tensor:
        tokens = self.trunk.tokenize(self.tensors["images"], self.tensors["cam_ids"])
        return self.trunk.encode(tokens, depth=2)

    def features(self) -> list[Tensor]:
        """Global feature, then the four parts, before their necks."""
        sequence = self.sequence()
        order = self.tensors["expected/jpm_token_order"]
        length = int(self.header["patch_length"])
        parts = [sequence[:, order[k * length : (k + 1) * length]] for k in range(4)]
        one, two = self.branches
        return [one(sequence)[:, 0]] + [two(torch.cat([sequence[:, :1], part], dim=1))[:, 0] for part in parts]


@pytest.fixture(params=CASES, scope="module")
def case(request: pytest.FixtureRequest, shared: Path) -> Case:
    return Case(shared / "golden" / f"vit_transreid_{request.param}.safetensors")


def necks(case: Case) -> list[BatchNormNeck]:
    made = []
    for name in ("bottleneck", "bottleneck_1", "bottleneck_2", "bottleneck_3", "bottleneck_4"):
        neck = BatchNormNeck(48)
        neck.load_state_dict(case.weights(f"{name}."))
        made.append(neck)
    return made


def test_tokens_after_all_blocks_but_the_last(case: Case) -> None:
    case.expect("tokens_after_depth_minus_1", case.sequence(), 3e-5)


def test_training_features_and_scores(case: Case) -> None:
    made = necks(case)
    for number, (feature, neck) in enumerate(zip(case.features(), made, strict=True)):
        suffix = f"_{number}" if number else ""
        case.expect(f"train_feat_{number}", feature, 2e-5)
        score = neck.train()(feature) @ case.tensors[f"param/classifier{suffix}.weight"].T
        case.expect(f"train_score_{number}", score, 3e-5)
    case.expect("running_mean_after", made[0].running_mean, 2e-5)
    case.expect("running_var_after", made[0].running_var, 2e-5)


def test_retrieval_features(case: Case) -> None:
    features = case.features()
    case.expect("infer_before", torch.cat([features[0], *(part / 4 for part in features[1:])], dim=1), 2e-5)
    behind = [neck.eval()(feature) for feature, neck in zip(features, necks(case), strict=True)]
    case.expect("infer_after", torch.cat([behind[0], *(part / 4 for part in behind[1:])], dim=1), 2e-5)


def test_observed_attention_gives_the_same_tokens(case: Case) -> None:
    trunk: VisionTransformer = case.trunk
    tokens = trunk.tokenize(case.tensors["images"], case.tensors["cam_ids"])
    observed = trunk.encode(tokens, depth=2, observe=lambda number, probabilities: probabilities())
    case.expect("tokens_after_depth_minus_1", observed, 3e-5)
