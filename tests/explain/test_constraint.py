"""What TCMM's constraint chooses, on tokens that leave no doubt."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from reknow.explain.constraint import choice_of, joined
from reknow.methods.tcmm.token_constraint import TokenConstraint
from reknow.models.tokens import Tokens


def tokens_with(cosines: list[list[float]], grid: tuple[int, int]) -> Tokens:
    """Tokens whose patches have exactly these cosines with CLS, and no extra tokens."""
    cosine = torch.tensor(cosines)
    patches = torch.stack([cosine, (1 - cosine**2).sqrt()], dim=2)
    return Tokens(
        functional.one_hot(torch.zeros(len(cosine), dtype=torch.long), 2).float(), patches[:, :0], patches, grid
    )


def test_the_nearest_patch_is_positive_and_the_farthest_are_negative():
    tokens = tokens_with([[0.1, 0.9, -0.5, 0.3, -0.9, 0.2], [0.8, 0.0, 0.1, 0.2, 0.3, -0.1]], (3, 2))
    choice = choice_of(TokenConstraint(alpha=0.34), tokens)
    assert choice.grid == (3, 2)
    assert [np.flatnonzero(row).tolist() for row in choice.positive] == [[1], [0]]
    assert [np.flatnonzero(row).tolist() for row in choice.negative] == [[2, 4], [1, 5]]
    assert choice.similarity[0] == pytest.approx([0.1, 0.9, -0.5, 0.3, -0.9, 0.2], abs=1e-6)


def test_batches_are_joined_in_order():
    constraint = TokenConstraint(alpha=0.5)
    first, second = (choice_of(constraint, tokens_with([row], (1, 2))) for row in ([0.1, 0.2], [0.9, -0.2]))
    both = joined([first, second])
    assert both.positive.tolist() == [[False, True], [True, False]]
    assert both.similarity.shape == (2, 2) and both.grid == (1, 2)
