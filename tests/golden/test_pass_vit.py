"""Golden cases ``pass_vit*``: PASS's ViT with three part tokens and TCMM's one more, through the plain trunk.

The reference names each special token and its position; ours are rows of two tables, so this adapts them by stacking.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn.functional import normalize

from reknow.models.embedder import BatchNormNeck
from reknow.models.tokens import Tokens
from reknow.models.transformer import TransformerConfig

Case = dict[str, Tensor]


@pytest.fixture(params=["64x32", "96x48"], scope="module")
def case(request: pytest.FixtureRequest, shared: Path) -> Case:
    return load_file(shared / "golden" / f"pass_vit_{request.param}.safetensors")


@pytest.fixture(scope="module")
def tokens(case: Case) -> Tokens:
    images = case["images"]
    height, width = images.shape[-2:]
    trunk = TransformerConfig(image_size=(height, width), width=48, depth=3, heads=4, extra_tokens=4).build()
    weights = {name.removeprefix("param/"): tensor for name, tensor in case.items() if name.startswith("param/")}
    extra = [weights.pop(name) for name in ("part_token1", "part_token2", "part_token3", "token")]
    places = ("cls_pos", "part1_pos", "part2_pos", "part3_pos", "token_pos", "pos_embed")
    weights["pos_embed"] = torch.cat([weights.pop(name) for name in places], dim=1)
    weights["extra_tokens"] = torch.cat(extra, dim=1)
    trunk.load_state_dict({name: tensor for name, tensor in weights.items() if not name.startswith("bottleneck")})
    with torch.inference_mode():
        return trunk.eval()(images)


def close(case: Case, name: str, found: Tensor, tolerance: float) -> None:
    torch.testing.assert_close(found, case[f"expected/{name}"], rtol=0, atol=tolerance)


def test_tokens(case: Case, tokens: Tokens) -> None:
    close(case, "cls", tokens.cls, 2e-5)
    for number in range(3):
        close(case, f"part{number + 1}", tokens.extra[:, number], 2e-5)
    close(case, "patches", tokens.patches, 2e-5)


def test_features(case: Case, tokens: Tokens) -> None:
    parts = tokens.extra[:, :3].mean(1)  # the fourth is TCMM's, whose output is dropped
    neck = BatchNormNeck(96).eval()
    start = "param/bottleneck."
    neck.load_state_dict({name.removeprefix(start): t for name, t in case.items() if name.startswith(start)})
    with torch.inference_mode():
        close(case, "feature_cat", normalize(neck(torch.cat([tokens.cls, parts], dim=1)), dim=1), 2e-6)
    close(case, "feature_mean_no_bn", normalize((tokens.cls + parts) / 2, dim=1), 2e-6)
