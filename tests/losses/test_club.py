"""CLUB: against the known information of Gaussians, the paper's sums written plainly, and numbers without room."""

from __future__ import annotations

import inspect
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import Normal

from reknow.errors import DataError, RecipeError
from reknow.losses.club import CLUB, ROWS_AT_ONCE, log_ratio_bound

close = torch.testing.assert_close


def gaussians(rows: int, correlation: float, dim: int = 4, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Features and inputs of standard normal numbers, each pair with this correlation."""
    random = torch.Generator().manual_seed(seed)
    inputs, noise = (torch.randn(rows, dim, generator=random, dtype=torch.float64) for _ in range(2))
    return correlation * inputs + math.sqrt(1 - correlation**2) * noise, inputs


def true_conditional(inputs: torch.Tensor, correlation: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and log variance of the features given the inputs."""
    return correlation * inputs, torch.full_like(inputs, math.log(1 - correlation**2))


def made(seed: int, rows: int, dim: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Features, means and log variances that have nothing to do with each other, around a center far from 0."""
    random = torch.Generator().manual_seed(seed)
    features, mean, log_variance = torch.randn(3, rows, dim, generator=random, dtype=torch.float64)
    return features + 5, mean + 5, log_variance


def as_written(features: torch.Tensor, mean: torch.Tensor, log_variance: torch.Tensor) -> torch.Tensor:
    """The paper's double sum of log densities, [i, j] the feature of j under the input of i."""
    density = Normal(mean[:, None], (log_variance / 2).exp()[:, None]).log_prob(features[None]).sum(2)
    return density.diagonal().mean() - density.mean()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), rows=st.integers(1, 40), dim=st.integers(1, 6))
def test_all_pairs_and_moments_are_the_sum_as_the_paper_writes_it(seed, rows, dim):
    parts = made(seed, rows, dim)
    expected = as_written(*parts)
    for pairs in ("all", "moments"):
        close(log_ratio_bound(*parts, pairs=pairs), expected, atol=1e-9, rtol=1e-9)
        single = log_ratio_bound(*(part.float() for part in parts), pairs=pairs)
        assert single.dtype == torch.float32
        close(single.double(), expected, atol=1e-4, rtol=1e-4)


def test_more_pairs_than_are_held_at_once():
    parts = made(1, 2 * ROWS_AT_ONCE + 7, 3)
    close(log_ratio_bound(*parts, pairs="all"), as_written(*parts))


def test_gradients_of_all_pairs_and_of_moments_are_those_of_the_sum():
    gradients = []
    for bound in (
        as_written,
        *(lambda *parts, way=way: log_ratio_bound(*parts, pairs=way) for way in ("all", "moments")),
    ):
        parts = [part.requires_grad_() for part in made(2, 12, 3)]
        gradients.append(torch.autograd.grad(bound(*parts), parts))
    for ours in gradients[1:]:
        close(ours, gradients[0])


def test_the_sampled_bound_is_that_of_all_pairs_in_the_mean():
    torch.manual_seed(0)
    parts = made(3, 30, 2)
    drawn = torch.stack([log_ratio_bound(*parts, pairs="sampled") for _ in range(4_000)])
    expected, error = log_ratio_bound(*parts), float(drawn.std()) / math.sqrt(len(drawn))
    assert float(drawn.std()) > 0
    assert abs(float(drawn.mean() - expected)) < 4 * error


@pytest.mark.parametrize("pairs", ["all", "moments", "sampled"])
@pytest.mark.parametrize("correlation", [0.3, 0.7, 0.9])
def test_the_true_conditional_bounds_the_information_of_gaussians(correlation, pairs):
    """The bound is r^2 / (1 - r^2) for each number, the information -1/2 log(1 - r^2)."""
    torch.manual_seed(0)
    features, inputs = gaussians(4_000, correlation)
    bound = float(log_ratio_bound(features, *true_conditional(inputs, correlation), pairs=pairs))
    information = -2 * math.log(1 - correlation**2)
    assert bound > information
    assert bound == pytest.approx(4 * correlation**2 / (1 - correlation**2), rel=0.1)


@pytest.mark.parametrize("pairs", ["all", "moments", "sampled"])
def test_what_is_independent_has_a_bound_of_zero(pairs):
    torch.manual_seed(0)
    features, inputs = gaussians(2_000, 0.0)
    bound = float(log_ratio_bound(features, *true_conditional(inputs, 0.0), pairs=pairs))
    # A drawn partner may be longer or shorter than the row's own feature.
    assert bound == pytest.approx(0, abs=0.15 if pairs == "sampled" else 1e-9)


def learned(features: torch.Tensor, inputs: torch.Tensor, steps: int = 150) -> CLUB:
    torch.manual_seed(0)
    club = CLUB(features.shape[1], inputs.shape[1], hidden=32)
    optimizer = torch.optim.Adam(club.parameters(), lr=1e-2)
    for _ in range(steps):
        optimizer.zero_grad()
        club.learning_loss(features, inputs).backward()
        optimizer.step()
    return club


def test_a_learned_network_bounds_the_information_of_rows_that_it_has_not_learned_from():
    correlation = 0.8
    features, inputs = (part.float() for part in gaussians(2_000, correlation))
    club = learned(features, inputs)
    features, inputs = (part.float() for part in gaussians(2_000, correlation, seed=1))
    bound = float(club(features, inputs).detach())
    assert bound > -2 * math.log(1 - correlation**2)
    assert bound == pytest.approx(4 * correlation**2 / (1 - correlation**2), rel=0.2)
    # Its loss there is near the entropy of the features given the inputs.
    entropy = 2 * math.log(2 * math.pi * math.e * (1 - correlation**2))
    assert float(club.learning_loss(features, inputs).detach()) == pytest.approx(entropy, abs=0.3)


def test_a_learned_network_finds_nothing_in_what_is_independent():
    club = learned(*(part.float() for part in gaussians(2_000, 0.0)), steps=100)
    features, inputs = (part.float() for part in gaussians(2_000, 0.0, seed=1))
    assert float(club(features, inputs).detach()) == pytest.approx(0, abs=0.15)


def test_following_the_bound_makes_features_say_less_of_their_inputs():
    features, inputs = (part.float() for part in gaussians(500, 0.8))
    club = learned(features, inputs, steps=100)
    features.requires_grad_()
    before = club(features, inputs)
    (gradient,) = torch.autograd.grad(before, features)
    assert float(club(features - 50 * gradient, inputs).detach()) < float(before.detach())


def test_the_learning_loss_is_the_negative_log_likelihood():
    features, inputs = (part.float() for part in gaussians(20, 0.5))
    club = CLUB(4, 4)
    mean, log_variance = club.conditional(inputs)
    expected = -Normal(mean, (log_variance / 2).exp()).log_prob(features).sum(1).mean()
    close(club.learning_loss(features, inputs), expected)


@pytest.mark.parametrize("pairs", ["all", "moments", "sampled"])
@pytest.mark.parametrize("kind", ["one row", "constant features", "constant inputs", "huge inputs"])
def test_numbers_without_room(kind, pairs):
    features, inputs = (part.float() for part in gaussians(1 if kind == "one row" else 30, 0.5))
    if kind == "constant features":
        features = torch.full_like(features, 3.0)
    elif kind == "constant inputs":
        inputs = torch.zeros_like(inputs)
    elif kind == "huge inputs":
        inputs = 1e6 * inputs
    club = learned(features, inputs, steps=100)
    bound = club(features, inputs, pairs=pairs)
    loss = club.learning_loss(features, inputs)
    (bound + loss).backward()
    assert bound.isfinite() and loss.isfinite()
    assert all(parameter.grad.isfinite().all() for parameter in club.parameters())
    if kind == "one row":
        assert float(bound.detach()) == pytest.approx(0, abs=1e-2)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_32_bit(dtype):
    features, inputs = ((300 * part).to(dtype) for part in gaussians(30, 0.5))
    club = CLUB(4, 4)
    with torch.autocast("cpu", torch.bfloat16):
        values = [club(features, inputs, pairs=pairs) for pairs in ("all", "moments")]
        values.append(club.learning_loss(features, inputs))
    exact = [club(features.float(), inputs.float(), pairs=pairs) for pairs in ("all", "moments")]
    exact.append(club.learning_loss(features.float(), inputs.float()))
    for ours, expected in zip(values, exact, strict=True):
        assert ours.dtype == torch.float32 and ours.isfinite()
        close(ours, expected, atol=0, rtol=0)
    parts = [part.to(dtype) for part in made(5, 30, 3)]
    close(log_ratio_bound(*parts), log_ratio_bound(*(part.float() for part in parts)), atol=0, rtol=0)


@pytest.mark.parametrize("rows", [(0, 0), (3, 2), (1, 4)])
def test_rows_that_do_not_belong_together_are_refused(rows):
    club, (features, inputs) = CLUB(4, 4), (torch.zeros(count, 4) for count in rows)
    # Unwrapped: in tests the checked signature would refuse it first.
    for method in (CLUB.forward, CLUB.learning_loss):
        with pytest.raises(DataError, match=f"CLUB: {rows[0]} features and {rows[1]} inputs; expected as many"):
            inspect.unwrap(method)(club, features, inputs)


def test_pairs_of_another_name_are_refused():
    with pytest.raises(RecipeError, match=r"pairs: 'every'.+Known: all, moments, sampled"):
        inspect.unwrap(log_ratio_bound)(*made(4, 3, 2), pairs="every")


@pytest.mark.parametrize(("widths", "name"), [((1, 4), "features"), ((4, 5), "inputs")])
def test_rows_of_another_size_are_refused(widths, name):
    club, (features, inputs) = CLUB(4, 4), (torch.zeros(3, width) for width in widths)
    for method in (CLUB.forward, CLUB.learning_loss):
        with pytest.raises(DataError, match=f"CLUB, {name}: shape .*; expected .B, 4."):
            inspect.unwrap(method)(club, features, inputs)
