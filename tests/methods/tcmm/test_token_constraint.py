"""Token constraint beside its golden cases: what is chosen, what moves, and what is refused."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reknow.errors import RecipeError
from reknow.methods.tcmm.token_constraint import TokenConstraint, negatives_of
from reknow.models.tokens import Tokens


def made(seed=0, pictures=3, patches=8, dim=6, extra=3):
    random = torch.Generator().manual_seed(seed)
    return Tokens(
        torch.randn(pictures, dim, generator=random),
        torch.randn(pictures, extra, dim, generator=random),
        torch.randn(pictures, patches, dim, generator=random),
        (patches // 2, 2),
    )


@pytest.mark.parametrize(
    ("patches", "alpha", "count"), [(128, 0.025, 3), (128, 0.05, 6), (128, 0.075, 9), (128, 1.0, 128), (40, 0.075, 3)]
)
def test_the_number_of_negatives_is_the_spec_s(patches, alpha, count):
    assert negatives_of(patches, alpha) == count


@pytest.mark.parametrize("alpha", [0.0, 0.1, -1.0, 1.2])
def test_no_negative_or_too_many_are_refused(alpha):
    with pytest.raises(RecipeError, match=r"'alpha'.*of 8 patches"):
        TokenConstraint(alpha)(made())


def test_a_trunk_without_parts_compares_with_cls_alone():
    tokens = made(extra=0)
    doubled = Tokens(tokens.cls, tokens.cls[:, None], tokens.patches, tokens.grid)
    constraint = TokenConstraint(0.25)
    torch.testing.assert_close(constraint.similarity(tokens), constraint.similarity(doubled))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.125, 0.3, 0.7, 1.0]))
def test_the_choice_ignores_lengths_and_the_loss_falls_when_the_positive_comes_nearer(seed, alpha):
    tokens, constraint = made(seed), TokenConstraint(alpha)
    chosen, loss = constraint.choose(tokens), constraint(tokens)
    longer = Tokens(3 * tokens.cls, tokens.extra, 5 * tokens.patches, tokens.grid)
    assert torch.equal(constraint.choose(longer).positive, chosen.positive)
    assert loss >= 0
    patches = tokens.patches.clone()
    rows = torch.arange(len(patches))
    part = torch.nn.functional.normalize(tokens.extra.mean(1), dim=1)
    patches[rows, chosen.positive] = torch.nn.functional.normalize(tokens.cls, dim=1) + part
    nearer = Tokens(tokens.cls, tokens.extra, patches, tokens.grid)
    if alpha < 1:  # at 1 the positive is one of the negatives, so its coming nearer may cost more than it gains
        assert constraint(nearer) <= loss + 1e-6


def test_released_normalization_couples_the_pictures_of_a_batch():
    tokens = made(pictures=4)
    half = Tokens(tokens.cls[:2], tokens.extra[:2], tokens.patches[:2], tokens.grid)
    apart, released = TokenConstraint(0.25), TokenConstraint(0.25, "as_released")
    torch.testing.assert_close(apart.similarity(half), apart.similarity(tokens)[:2])
    assert not torch.allclose(released.similarity(half), released.similarity(tokens)[:2])
    torch.testing.assert_close(released.eval().similarity(tokens), released.train().similarity(tokens))


def test_autocast_does_not_round_the_similarities():
    tokens, constraint = made(dim=64), TokenConstraint(0.25)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = constraint.similarity(tokens)
    torch.testing.assert_close(rounded, constraint.similarity(tokens), atol=0, rtol=0)
