"""Spatial selection: the patches that CLS attends to through all blocks (EDITOR section 3.2; spec section 2.2 [C]).

J_h = A_h^(12) ... A_h^(1) for each head h, where A^(1) is the first block's: plain products of attention
probabilities, without the identity of other rollouts, an average over heads or a renormalization. Of J_h the row of
CLS counts, at the patches' columns.

Only that row is wanted, and e A_h^(12) A_h^(11) ... from the left costs a product of a row with a matrix per block,
where the first block's map first costs a product of matrices. In training the queries and keys of all blocks wait for
the backward pass in any case, so the maps are computed from them at the end, last block first, one at a time. In use
nothing waits: keeping queries and keys would take several times the memory of a block, so the product runs along.
The product is formed in 32 bit whatever autocast says, since a choice hangs on its digits. No gradient passes through
a selection.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from reknow.methods.editor.keeping import keep_largest
from reknow.models.attention import Probabilities


class Rollout:
    """Watches the blocks of a trunk and multiplies their attention: hand it to ``encode(observe=...)``.

    Example:
        >>> rollout = Rollout()
        >>> for block in range(3):
        ...     rollout(block, lambda: torch.full((1, 2, 5, 5), 0.2))
        >>> rollout.of_cls(prefix=1)[0, 0]
        tensor([0.2000, 0.2000, 0.2000, 0.2000])
    """

    def __init__(self) -> None:
        self._waiting: list[Probabilities] = []
        self._product: Float[Tensor, "batch heads length length"] | None = None

    def __call__(self, block: int, probabilities: Probabilities) -> None:
        """Take in the attention of one block; blocks come in the order in which they run."""
        if torch.is_grad_enabled():
            self._waiting.append(probabilities)
        else:
            found = probabilities()
            self._product = _exact(found) if self._product is None else _multiplied(found, self._product)

    @torch.no_grad()
    def of_cls(self, prefix: int) -> Float[Tensor, "batch heads patches"]:
        """The row of CLS at the patches' columns.

        Args:
            prefix: number of tokens before the patches, CLS included.

        Raises:
            ValueError: no block was seen.
        """
        if self._product is not None:
            return self._product[:, :, 0, prefix:].clone()  # a view would keep the whole matrix
        if not self._waiting:
            raise ValueError("the rollout has seen no block; hand it to the trunk's encode(observe=...)")
        row = _exact(self._waiting[-1]()[:, :, :1])
        for probabilities in self._waiting[-2::-1]:
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
