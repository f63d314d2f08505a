"""Rollout: products of attention in the right order, rows that stay distributions, and what waits for the end."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from reknow.models.rollout import Mixing, Rollout, plain, with_residual


def maps(blocks: int, heads: int = 4, length: int = 6, seed: int = 0) -> Tensor:
    """(blocks, 2, heads, L, L) attention, rows of sum 1."""
    drawn = torch.rand(blocks, 2, heads, length, length, generator=torch.Generator().manual_seed(seed))
    return (5 * drawn).softmax(-1)


def rolled(attention: Tensor, mixing: Mixing = plain) -> Rollout:
    rollout = Rollout(mixing)
    for block, probabilities in enumerate(attention):
        rollout(block, partial(torch.clone, probabilities))
    return rollout


@pytest.mark.parametrize("training", [True, False])
def test_the_rollout_multiplies_later_blocks_from_the_left(training: bool) -> None:
    attention = maps(3)
    with torch.set_grad_enabled(training):
        rollout = rolled(attention)
    product = attention[2] @ attention[1] @ attention[0]
    torch.testing.assert_close(rollout.of_cls(prefix=2), product[:, :, 0, 2:])


def test_maps_wait_for_the_end_only_where_a_backward_pass_keeps_what_they_come_from() -> None:
    rollout, computed = Rollout(), list[int]()

    def probabilities() -> Tensor:
        computed.append(1)
        return torch.full((1, 1, 2, 2), 0.5)

    rollout(0, probabilities)
    assert not computed
    rollout.of_cls(prefix=1)
    assert len(computed) == 1
    with torch.no_grad():
        Rollout()(0, probabilities)
    assert len(computed) == 2


def test_a_rollout_that_observed_nothing_says_so() -> None:
    with pytest.raises(ValueError, match="no block"):
        Rollout().of_cls(prefix=1)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 5), st.integers(1, 3), st.integers(2, 9), st.integers(0, 99), st.booleans(), st.booleans())
def test_every_row_stays_a_distribution(blocks, heads, length, seed, training, residual) -> None:
    with torch.set_grad_enabled(training):
        rows = rolled(maps(blocks, heads, length, seed), with_residual if residual else plain).rows()
    assert rows.shape == (2, 1 if residual else heads, length, length)
    assert (rows >= 0).all()
    torch.testing.assert_close(rows.sum(-1), torch.ones(rows.shape[:-1]))


@pytest.mark.parametrize("training", [True, False])
def test_with_the_residual_it_is_the_product_of_half_means_and_half_identities(training: bool) -> None:
    attention = maps(3)
    with torch.set_grad_enabled(training):
        rollout = rolled(attention, with_residual)
        product = torch.eye(6).expand(2, 6, 6)
        for probabilities in attention:
            product = (0.5 * probabilities.mean(1) + 0.5 * torch.eye(6)) @ product
        torch.testing.assert_close(rollout.rows()[:, 0], product)
        torch.testing.assert_close(rollout.rows(slice(1, 3))[:, 0], product[:, 1:3])
        torch.testing.assert_close(rollout.of_cls(prefix=2)[:, 0], product[:, 0, 2:])
    assert rollout.blocks == 3


def test_tokens_that_attend_to_nothing_but_themselves_stay_where_they_are() -> None:
    itself = torch.eye(5).expand(4, 1, 2, 5, 5)
    torch.testing.assert_close(rolled(itself, with_residual).rows()[0, 0], torch.eye(5))
