"""Tensors that no network can compute with are refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from reknow.errors import WeightsError
from reknow.models.weights.pretrained import in_single_precision

PATH = Path("w.pth")
WRONG = torch.tensor([1.0, torch.nan, torch.inf, 2.0])


@pytest.mark.parametrize(
    ("name", "tensor", "message"),
    [
        ("a", WRONG, r"w\.pth, tensor 'a': 2 of 4 values are not finite"),
        ("a", WRONG.half(), "2 of 4 values"),
        ("a", torch.tensor([1e300], dtype=torch.float64), "1 of 1 values"),  # beyond single precision
        ("a", torch.tensor([torch.inf, -torch.inf]), "2 of 2 values"),
        ("bn.running_var", torch.tensor([1.0, -0.5]), r"tensor 'bn\.running_var': a variance below 0"),
        ("a", torch.ones(2, dtype=torch.int8), "int8 numbers; expected floating-point"),
        ("a", torch.ones(2, dtype=torch.int64), "int64 numbers"),
        ("a", torch.ones(2, dtype=torch.bool), "bool numbers"),
        ("a", torch.ones(2, dtype=torch.complex64), "complex64 numbers"),
        ("a", torch.ones(2).to(torch.float8_e4m3fn), "float8_e4m3fn numbers"),
    ],
)
def test_refused(name, tensor, message):
    with pytest.raises(WeightsError, match=message):
        in_single_precision(PATH, {name: tensor})


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_become_single(dtype):
    state = in_single_precision(
        PATH, {"a": torch.tensor([1.0, -2.0], dtype=dtype), "bn.num_batches_tracked": torch.tensor(3)}
    )
    assert torch.equal(state["a"], torch.tensor([1.0, -2.0]))
    assert state["bn.num_batches_tracked"].dtype == torch.int64


def test_single_precision_is_not_copied():
    tensor = torch.ones(3)
    assert in_single_precision(PATH, {"a": tensor})["a"] is tensor


def test_large_numbers_whose_sum_overflows_are_numbers():
    large = torch.full((10,), 3e38)
    assert in_single_precision(PATH, {"a": large})["a"] is large


def test_a_file_with_nan_is_refused_and_the_trunk_stays(load_trunk, save, small):
    trunk, state = small.build(), small.build().state_dict()
    before = trunk.cls_token.detach().clone()
    state["blocks.1.mlp.fc2.bias"][3] = torch.nan
    with pytest.raises(WeightsError, match=r"tensor 'blocks\.1\.mlp\.fc2\.bias': 1 of 16 values"):
        load_trunk(trunk, save(state))
    assert torch.equal(trunk.cls_token, before)


def test_what_is_ignored_may_be_anything(load_trunk, save, small):
    head = {"head.weight": torch.full((2, 16), torch.nan)}
    assert load_trunk(small.build(), save(small.build().state_dict() | head)).ignored == ("head.weight",)
