"""Choice: which patches of a picture a method takes for the object, and which for something else.

Methods that look at patches choose in different ways; here each of them is a chooser: a network and a batch to one
:class:`PatchChoice`. :func:`chooser_of` is the one place that knows which method chooses how. So far there is TCMM's
token constraint (spec section 2.2); a method whose selection joins adds its case there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float

from reknow.data.batch import Batch
from reknow.methods.method import MethodConfig
from reknow.methods.tcmm.method import TCMMConfig
from reknow.methods.tcmm.token_constraint import TokenConstraint
from reknow.models.embedder import Embedder
from reknow.models.tokens import Tokens

CHOOSING = "tcmm with method.token_weight above 0"
"""The methods that choose patches, for messages."""


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


PatchChooser = Callable[[Any, Batch], PatchChoice]
"""A network, of the kind that the method trains, and a batch to what it chooses in the pictures."""


def chooser_of(method: MethodConfig) -> PatchChooser | None:
    """How a method chooses patches; None where it chooses none."""
    match method:
        case TCMMConfig() if method.token_weight:
            return partial(_by_constraint, TokenConstraint(method.alpha, method.normalize, method.temperature))
        case _:
            return None


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


def joined(choices: list[PatchChoice]) -> PatchChoice:
    """The choices of several batches as one."""
    return PatchChoice(
        np.concatenate([choice.similarity for choice in choices]),
        np.concatenate([choice.positive for choice in choices]),
        np.concatenate([choice.negative for choice in choices]),
        choices[0].grid,
    )


def _by_constraint(constraint: TokenConstraint, network: Embedder, batch: Batch) -> PatchChoice:
    return choice_of(constraint, network.tokens(batch.images, batch.camera))
