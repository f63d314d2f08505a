"""Golden cases ``tcmm_token_constraint_*``: both normalizations, two noise rates, two numbers of patches."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from reknow.methods.tcmm.token_constraint import TokenConstraint
from reknow.models.tokens import Tokens

DATA = Path(__file__).parent / "data"
CASES = [("feature_axis", "feature"), ("token_axis_as_released", "as_released")]


@pytest.mark.parametrize("alpha", [0.075, 0.25])
@pytest.mark.parametrize("patches", [32, 128])
@pytest.mark.parametrize(("name", "normalize"), CASES)
def test_choice_loss_and_gradients(name, normalize, patches, alpha):
    case = load_file(DATA / f"tcmm_token_constraint_{name}_n{patches}.safetensors")
    names = ["cls", "part1", "part2", "part3", "tokens"]
    inputs = {name: case[name].clone().requires_grad_() for name in names}
    parts = torch.stack([inputs["part1"], inputs["part2"], inputs["part3"]], dim=1)
    tokens = Tokens(inputs["cls"], parts, inputs["tokens"], (patches // 4, 4))
    constraint = TokenConstraint(alpha, normalize)

    chosen = constraint.choose(tokens)
    expected = {key.split("/")[-1]: value for key, value in case.items() if f"alpha{alpha}/" in key}
    torch.testing.assert_close(chosen.similarity, case["expected/sim"], atol=2e-6, rtol=0)
    assert torch.equal(chosen.positive, expected["positive_index"])
    assert torch.equal(chosen.negatives, expected["negative_indices"])
    logits = chosen.similarity.gather(1, torch.cat([chosen.positive[:, None], chosen.negatives], 1)) / 0.05
    torch.testing.assert_close(logits, expected["logits"], atol=2e-5, rtol=0)

    loss = constraint(tokens)
    loss.backward()
    torch.testing.assert_close(loss.detach(), expected["loss"], atol=1e-5, rtol=0)
    for name in names:
        torch.testing.assert_close(inputs[name].grad, expected[f"grad_{name}"], atol=1e-6, rtol=0)
