"""Golden case ``dcs_attention``: masks, attention, output and gradients of both variants, in training and at test."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from reknow.models.attention import attention_probabilities
from reknow.models.channel_selection import ChannelSelection
from reknow.models.straight_through import select_channels

CASE = load_file(Path(__file__).parent / "data" / "dcs_attention.safetensors")
VARIANTS = {"A": "heads", "B": "input"}


def close(made, expected):
    torch.testing.assert_close(made.double(), expected.double(), atol=1e-5, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("mode", ["eval", "train"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_both_variants_equal_the_formula(variant, mode, dtype):
    expected = {
        name.removeprefix(f"out/{variant}/{mode}/"): CASE[name] for name in CASE if f"/{variant}/{mode}/" in name
    }
    (attention,) = ChannelSelection(masked=VARIANTS[variant]).build(24, 3, 1)
    state = {name.removeprefix("param/"): CASE[name] for name in CASE if name.startswith("param/")}
    assert attention.load_state_dict(state)
    attention = attention.to(dtype).train(mode == "train")
    x = CASE["in/x"].to(dtype, copy=True).requires_grad_()
    noise = CASE["in/noise"].to(dtype)

    close(attention.mask(x).detach(), CASE["out/theta"])
    query, key, _ = attention.masked(x, noise)
    close(attention_probabilities(query, key), expected["attention"])
    probabilities = []
    output = attention(x, lambda compute: probabilities.append(compute()), noise)
    close(probabilities[0], expected["attention"])
    close(output.detach(), expected["output"])
    loss = (output * CASE["in/cotangent"].to(dtype)).sum()
    torch.testing.assert_close(loss.detach().double(), expected["loss"], atol=1e-4, rtol=0)
    loss.backward()
    close(x.grad, expected["grad_x"])
    for name, parameter in attention.named_parameters():
        if f"grad_{name}" in expected:
            close(parameter.grad, expected[f"grad_{name}"])
        else:
            assert mode == "eval" and (parameter.grad is None or name.startswith(("qkv", "proj")))


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_gradient_goes_straight_through_the_mask(variant):
    out = {name.rsplit("/", 1)[1]: CASE[name] for name in CASE if f"/{variant}/train/" in name}
    scores = CASE["out/theta"].clone().requires_grad_()
    mask = select_channels(scores, CASE["in/noise"].double(), 1.0)
    assert torch.equal(mask.detach(), out["mask"])
    mask.backward(out["grad_mask"])
    close(scores.grad, out["grad_theta"])
    close(out["soft_mask"], torch.sigmoid(CASE["out/theta"] + CASE["in/noise"].double()))
