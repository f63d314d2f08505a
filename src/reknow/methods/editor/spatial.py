"""Spatial selection: the patches that CLS attends to through all blocks (EDITOR, section 3.2).

J_h = A_h^(12) ... A_h^(1) for each head h, where A^(1) is the attention of the first block: plain products of attention
probabilities, without the identity matrix of other rollouts, a mean over heads or a renormalization (decision 1 in
docs/methods/editor.md). Of J_h the row of CLS counts, at the columns of the patches.

Only that row is needed, and e A_h^(12) A_h^(11) ... from the left costs a product of a row with a matrix per block,
where starting at the first block costs a product of two matrices per block. In training the queries and keys of all
blocks are kept for the backward pass in any case, so the maps are computed from them at the end, last block first, one
at a time. In use nothing is kept: queries and keys would take several times the memory of a block, so the product runs
along with the blocks. The product is formed in 32 bit also under autocast, since the choice depends on its last digits.
No gradient passes through a selection (decision 19).

:func:`keep_largest` turns scores into a choice, here and in :mod:`.frequency`: of equal scores the lowest index is
kept, on every device, and the count is a whole number (decisions 2 and 3).
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from reknow.models.attention import Probabilities


class Rollout:
    """Observes the blocks of a trunk and multiplies their attention: pass it to ``encode(observe=...)``.

    Example:
        >>> rollout = Rollout()
        >>> for block in range(3):
        ...     rollout(block, lambda: torch.full((1, 2, 5, 5), 0.2))
        >>> rollout.of_cls(prefix=1)[0, 0]
        tensor([0.2000, 0.2000, 0.2000, 0.2000])
    """

    def __init__(self) -> None:
        self._kept: list[Probabilities] = []
        self._product: Float[Tensor, "batch heads length length"] | None = None

    def __call__(self, block: int, probabilities: Probabilities) -> None:
        """Take in the attention of one block; blocks come in the order in which they run."""
        if torch.is_grad_enabled():
            self._kept.append(probabilities)
        else:
            attention = probabilities()
            self._product = _exact(attention) if self._product is None else _multiplied(attention, self._product)

    @torch.no_grad()
    def of_cls(self, prefix: int) -> Float[Tensor, "batch heads patches"]:
        """The row of CLS at the patches' columns.

        Args:
            prefix: number of tokens before the patches, CLS included.

        Raises:
            ValueError: no block was observed.
        """
        if self._product is not None:
            return self._product[:, :, 0, prefix:].clone()  # a view would keep the whole matrix
        if not self._kept:
            raise ValueError("the rollout has observed no block; pass it to the trunk's encode(observe=...)")
        row = _exact(self._kept[-1]()[:, :, :1])
        for probabilities in self._kept[-2::-1]:
            row = _multiplied(row, probabilities())
        return row[:, :, 0, prefix:]


def _multiplied(later: Tensor, earlier: Tensor) -> Tensor:
    with torch.autocast(later.device.type, enabled=False):
        return _exact(later) @ _exact(earlier)


def _exact(probabilities: Tensor) -> Tensor:
    return probabilities if probabilities.dtype == torch.float64 else probabilities.float()


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
