"""Keeping the largest: how both selections turn scores into a choice.

Decisions where the released code leaves it open (spec sections 2.2 and 2.3): among equal scores the lowest index is
kept, on every device; and the count is a whole number. The released code computes it as a share of the patches and
back, which loses one patch at 192 patches and 7 to keep [D].
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def keep_largest(
    scores: Float[Tensor, "*batch patches"] | Int[Tensor, "*batch patches"], keep: int
) -> Bool[Tensor, "*batch patches"]:
    """Which of the last axis' scores are among the `keep` largest; the lowest index first where they are equal.

    Example:
        >>> keep_largest(torch.tensor([[1, 3, 3, 3]]), keep=2)
        tensor([[False,  True,  True, False]])
    """
    order = scores.argsort(dim=-1, descending=True, stable=True)
    return torch.zeros_like(scores, dtype=torch.bool).scatter(-1, order[..., :keep], True)
