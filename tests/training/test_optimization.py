"""Optimizer groups and schedules; the papers' own numbers are in tests/golden/test_schedules.py."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from reknow.methods.optimization import Optimizer, Schedule, weights_and_biases
from reknow.training.optimization import build_optimizer, learning_rate


@pytest.mark.parametrize(
    ("kind", "expected"), [("sgd", torch.optim.SGD), ("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)]
)
def test_biases_have_their_own_rate_and_frozen_parameters_none(kind, expected):
    module = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Linear(3, 1, bias=False))
    module[1].weight.requires_grad_(False)
    optimizer = build_optimizer(weights_and_biases(module.named_parameters(), 2.0), Optimizer(kind=kind, lr=0.1))
    assert type(optimizer) is expected
    assert [(group["lr"], len(group["params"])) for group in optimizer.param_groups] == [(0.1, 1), (0.2, 1)]


def test_the_cosine_ends_at_its_floor_and_never_rises_after_the_warm_up():
    schedule = Schedule(kind="cosine", warmup=3, floor=0.01)
    rates = [learning_rate(1.0, 1.0, schedule, epoch, 10) for epoch in range(10)]
    assert rates[-1] == pytest.approx(0.01)
    assert all(earlier >= later for earlier, later in pairwise(rates[2:]))
    assert rates[0] < rates[1] < rates[2]


def test_a_cosine_that_is_held_begins_to_fall_where_it_says_and_ends_at_its_floor():
    held = Schedule(kind="cosine", warmup=2, floor=0.01, hold=0.5)
    rates = [learning_rate(1.0, 1.0, held, epoch, 20) for epoch in range(20)]
    assert rates[2:10] == [1.0] * 8
    assert all(earlier > later for earlier, later in pairwise(rates[9:]))
    assert rates[-1] == pytest.approx(0.01)
    # From there it is a cosine of its own, of as many turns as are left.
    assert rates[10:] == pytest.approx(
        [learning_rate(1.0, 1.0, Schedule(kind="cosine", floor=0.01), t, 10) for t in range(10)]
    )
    plain = Schedule(kind="cosine", warmup=2, floor=0.01)
    assert learning_rate(1.0, 1.0, plain, 9, 20) < 1.0
