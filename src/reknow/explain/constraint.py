"""Constraint: which patches TCMM's token constraint takes for the object, and which for something else (spec 2.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float

from reknow.methods.tcmm.token_constraint import TokenConstraint
from reknow.models.tokens import Tokens


@dataclass(frozen=True)
class PatchChoice:
    """What was chosen in each of B pictures of N patches.

    Attributes:
        similarity: (B, N) of a patch to its picture: what the choice is made by.
        positive: (B, N) whether the patch is taken for the object.
        negative: (B, N) whether it is taken for something else.
        grid: (rows, columns) of the patches.
    """

    similarity: Float[np.ndarray, "batch patches"]
    positive: Bool[np.ndarray, "batch patches"]
    negative: Bool[np.ndarray, "batch patches"]
    grid: tuple[int, int]


def choice_of(constraint: TokenConstraint, tokens: Tokens) -> PatchChoice:
    """What the token constraint chooses: one positive and R negatives of each picture.

    Example:
        >>> tokens = Tokens(torch.eye(4)[:1], torch.zeros(1, 0, 4), torch.eye(4)[None], (2, 2))
        >>> choice_of(TokenConstraint(alpha=0.5), tokens).positive
        array([[ True, False, False, False]])
    """
    chosen = constraint.choose(tokens)
    nothing = torch.zeros_like(chosen.similarity, dtype=torch.bool)
    positive = nothing.scatter(1, chosen.positive[:, None], True)
    negative = nothing.scatter(1, chosen.negatives, True)
    similarity = chosen.similarity.detach().cpu().numpy()
    return PatchChoice(similarity, positive.cpu().numpy(), negative.cpu().numpy(), tokens.grid)


def joined(choices: Sequence[PatchChoice]) -> PatchChoice:
    """The choices of several batches as one."""
    return PatchChoice(
        np.concatenate([choice.similarity for choice in choices]),
        np.concatenate([choice.positive for choice in choices]),
        np.concatenate([choice.negative for choice in choices]),
        choices[0].grid,
    )
