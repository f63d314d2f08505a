"""Spatial selection: the patches that CLS attends to through all blocks (EDITOR, section 3.2).

J_h = A_h^(12) ... A_h^(1) for each head h, where A^(1) is the attention of the first block: plain products of attention
probabilities, without the identity matrix of other rollouts, a mean over heads or a renormalization (decision 1 in
docs/methods/editor.md). Of J_h the row of CLS counts, at the columns of the patches: :mod:`reknow.models.rollout`. No
gradient passes through a selection (decision 19).

:func:`keep_largest` turns scores into a choice, here and in :mod:`.frequency`: of equal scores the lowest index is
kept, on every device, and the count is a whole number (decisions 2 and 3).
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def spatial_patches(attention: Float[Tensor, "batch heads patches"], head_keep: int) -> Bool[Tensor, "batch patches"]:
    """The patches that at least one head has among its `head_keep` largest.

    Args:
        attention: (B, heads, N) a rollout's row of CLS.
        head_keep: patches per head; 0 keeps none.
    """
    return keep_largest(attention, head_keep).any(dim=1)


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
