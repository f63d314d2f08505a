"""Batch-norm statistics: how batches fall into parts, who takes which rows, and one movement per step."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from reknow.errors import RecipeError
from reknow.training.batch_norm import BatchNormStatistics, check_parts, parts_of, shares_of


@given(st.integers(1, 70), st.integers(1, 40) | st.none(), st.integers(1, 9))
def test_every_row_is_taken_once_in_order_whatever_the_numbers(size, over, processes):
    parts = parts_of(size, over, processes)
    assert parts % processes == 0 or processes % parts == 0
    shares = shares_of(np.arange(size), parts, processes)
    assert len(shares) == processes
    assert np.concatenate([part for share in shares for part in share]).tolist() == list(range(size))


@pytest.mark.parametrize("processes", [1, 2, 4, 8])
def test_the_paper_s_batch_falls_into_the_same_parts_on_any_number_of_gpus(processes):
    parts = parts_of(512, 128, processes)
    shares = shares_of(np.arange(512), parts, processes)
    assert parts == 4
    assert {len(part) for share in shares for part in share} == {128 if processes <= 4 else 64}


@pytest.mark.parametrize(("over", "processes", "found"), [(128, 3, "4 parts"), (64, 3, "8 parts")])
def test_what_does_not_divide_is_refused(over, processes, found):
    with pytest.raises(RecipeError, match=rf"statistics_over.*{found}"):
        check_parts(512, over, processes)


def test_running_statistics_move_once_by_the_mean_of_the_parts():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)).train()
    first, second = torch.randn(6, 3), torch.randn(6, 3) + 2
    expected = {}
    for name in ("running_mean", "running_var"):
        moved = []
        for part in (first, second):
            alone = nn.BatchNorm1d(4)
            alone(network[0](part).detach())
            moved.append(getattr(alone, name))
        expected[name] = sum(moved) / 2
    statistics = BatchNormStatistics(network, processes=1)
    with statistics.step(parts=2):
        for part in (first, second):
            with statistics.part():
                network(part)
    for name, value in expected.items():
        torch.testing.assert_close(getattr(network[1], name), value)


def test_one_part_alone_is_plain_batch_norm():
    network, plain = nn.BatchNorm1d(4), nn.BatchNorm1d(4)
    values = torch.randn(5, 4)
    statistics = BatchNormStatistics(network, processes=1)
    with statistics.step(parts=1), statistics.part():
        network(values)
    plain(values)
    assert torch.equal(network.running_mean, plain.running_mean)
    assert torch.equal(network.running_var, plain.running_var)


def test_a_layer_in_eval_mode_is_not_touched():
    """A momentum encoder's; the mean of three equal values is not to the bit what they are."""
    network = nn.Sequential(nn.BatchNorm1d(4), nn.BatchNorm1d(4)).train()
    network[1].eval()
    network[1].running_mean.copy_(torch.tensor([0.1, 0.3, 0.7, 1e-8]))
    network[1].running_var.copy_(torch.tensor([0.1, 1.3, 3.7, 1e7]))
    before = {name: value.clone() for name, value in network[1].state_dict().items()}
    statistics = BatchNormStatistics(network, processes=1)
    with statistics.step(parts=3):
        for part in torch.randn(3, 5, 4):
            with statistics.part():
                network(part)
    assert all(torch.equal(value, before[name]) for name, value in network[1].state_dict().items())
    assert network[0].running_mean.any()
