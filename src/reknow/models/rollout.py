"""Attention rollout: what a token attends to through all blocks, as the product of their attention.

A^(last) ... A^(1), where A^(1) is the attention of the first block. Two forms are in use:

- with the residual connection (Abnar & Zuidema, "Quantifying Attention Flow in Transformers", ACL 2020, section 3): of
  each block the mean over heads, half and half with the identity matrix (:func:`with_residual`);
- plain, head by head: EDITOR's (decision 1 in docs/methods/editor.md).

Where only some rows are needed, as that of CLS, e A^(last) A^(last - 1) ... from the left costs a product of these rows
with a matrix per block, where starting at the first block costs a product of two matrices per block. In training the
queries and keys of all blocks are kept for the backward pass in any case, so the maps are computed from them at the
end, last block first, one at a time. In use nothing is kept: queries and keys would take several times the memory of a
block, so the product runs along with the blocks. The product is formed in 32 bit also under autocast, since EDITOR's
choice of patches depends on its last digits.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from reknow.models.attention import Probabilities

Mixing = Callable[[Tensor], Tensor]
"""A block's attention probabilities (B, heads, L, L) to what is multiplied, (B, heads or 1, L, L), rows of sum 1."""


def plain(attention: Float[Tensor, "batch heads length length"]) -> Float[Tensor, "batch heads length length"]:
    """The probabilities of every head as they are, in 32 bit at least."""
    return attention if attention.dtype == torch.float64 else attention.float()


def with_residual(attention: Float[Tensor, "batch heads length length"]) -> Float[Tensor, "batch 1 length length"]:
    """The mean over heads, half and half with the identity matrix, which stands for the residual connection.

    Abnar & Zuidema, section 3: A = 0.5 W_att + 0.5 I.

    Example:
        >>> with_residual(torch.tensor([[[[0.0, 1.0], [1.0, 0.0]], [[1.0, 0.0], [1.0, 0.0]]]]))
        tensor([[[[0.7500, 0.2500],
                  [0.5000, 0.5000]]]])
    """
    mean = plain(attention).mean(1, keepdim=True)
    return (mean + torch.eye(mean.shape[-1], dtype=mean.dtype, device=mean.device)) / 2


class Rollout:
    """Observes the blocks of a trunk and multiplies their attention: pass it to ``encode(observe=...)``.

    A block whose attention is not shown is left out of the product, as if it mixed no tokens.

    Args:
        mixing: what of a block is multiplied: :func:`plain` or :func:`with_residual`.

    Example:
        >>> rollout = Rollout()
        >>> for block in range(3):
        ...     rollout(block, lambda: torch.full((1, 2, 5, 5), 0.2))
        >>> rollout.of_cls(prefix=1)[0, 0]
        tensor([0.2000, 0.2000, 0.2000, 0.2000])
    """

    def __init__(self, mixing: Mixing = plain) -> None:
        self.mixing = mixing
        self.blocks = 0
        """How many blocks were observed."""
        self._kept: list[Probabilities] = []
        self._product: Float[Tensor, "batch heads length length"] | None = None

    def __call__(self, block: int, probabilities: Probabilities) -> None:
        """Take in the attention of one block; blocks come in the order in which they run."""
        self.blocks += 1
        if torch.is_grad_enabled():
            self._kept.append(probabilities)
        else:
            attention = self.mixing(probabilities())
            self._product = attention if self._product is None else _multiplied(attention, self._product)

    @torch.no_grad()
    def rows(self, tokens: slice = slice(None)) -> Float[Tensor, "batch heads tokens length"]:
        """What some tokens that leave the last block attend to, among the tokens that enter the first; rows of sum 1.

        Args:
            tokens: which of the L tokens; by default all.

        Raises:
            ValueError: no block was observed.
        """
        if self._product is not None:
            return self._product[:, :, tokens]
        if not self._kept:
            raise ValueError("the rollout has observed no block; pass it to the trunk's encode(observe=...)")
        rows = self.mixing(self._kept[-1]())[:, :, tokens]
        for probabilities in self._kept[-2::-1]:
            rows = _multiplied(rows, self.mixing(probabilities()))
        return rows

    def of_cls(self, prefix: int) -> Float[Tensor, "batch heads patches"]:
        """The row of CLS at the patches' columns.

        Args:
            prefix: number of tokens before the patches, CLS included.

        Raises:
            ValueError: no block was observed.
        """
        return self.rows(slice(1))[:, :, 0, prefix:].clone()  # a view would keep the whole matrix


def _multiplied(later: Tensor, earlier: Tensor) -> Tensor:
    with torch.autocast(later.device.type, enabled=False):
        return later @ earlier
