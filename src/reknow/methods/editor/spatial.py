"""Spatial selection: the patches that CLS attends to through all blocks (EDITOR section 3.2; spec section 2.2 [C]).

J_h = A_h^(12) ... A_h^(1) for each head h, where A^(1) is the first block's: plain products of attention
probabilities, without the identity of other rollouts, an average over heads or a renormalization. Of J_h the row of
CLS counts, at the patches' columns.

Only that row is wanted, yet the first block's map comes first, so the running product has to keep a whole matrix: one
map instead of twelve. The product is formed in 32 bit whatever autocast says, since a choice hangs on its digits.
No gradient passes through a selection.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from reknow.methods.editor.keeping import keep_largest


class Rollout:
    """Watches the blocks of a trunk and multiplies their attention: hand it to ``encode(observe=...)``.

    Attributes:
        product: (B, heads, L, L) after the blocks seen so far; None before the first.

    Example:
        >>> rollout = Rollout()
        >>> for block in range(3):
        ...     rollout(block, torch.full((1, 2, 5, 5), 0.2))
        >>> rollout.of_cls(prefix=1)[0, 0]
        tensor([0.2000, 0.2000, 0.2000, 0.2000])
    """

    def __init__(self) -> None:
        self.product: Float[Tensor, "batch heads length length"] | None = None

    @torch.no_grad()
    def __call__(self, block: int, probabilities: Float[Tensor, "batch heads length length"]) -> None:
        """Take in the attention of one block; blocks come in the order in which they run."""
        with torch.autocast(probabilities.device.type, enabled=False):
            exact = probabilities if probabilities.dtype == torch.float64 else probabilities.float()
            self.product = exact if self.product is None else exact @ self.product

    def of_cls(self, prefix: int) -> Float[Tensor, "batch heads patches"]:
        """The row of CLS at the patches' columns.

        Args:
            prefix: number of tokens before the patches, CLS included.

        Raises:
            ValueError: no block was seen.
        """
        if self.product is None:
            raise ValueError("the rollout has seen no block; hand it to the trunk's encode(observe=...)")
        return self.product[:, :, 0, prefix:]


def spatial_patches(attention: Float[Tensor, "batch heads patches"], head_keep: int) -> Bool[Tensor, "batch patches"]:
    """The patches that at least one head has among its `head_keep` largest.

    Args:
        attention: (B, heads, N) a rollout's row of CLS.
        head_keep: patches per head; 0 keeps none.
    """
    return keep_largest(attention, head_keep).any(dim=1)
