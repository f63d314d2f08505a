"""Generalized-mean pooling (Radenović et al., TPAMI 2019, eq. 3): between the mean (p = 1) and the maximum (p → ∞)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn


class GeneralizedMean(nn.Module):
    """(mean over positions of x^p)^(1/p), with a learned p that all channels share.

    Args:
        power: p at the start; the paper's 3.
        eps: activations below are lifted to it, so that the root has a gradient.

    Example:
        >>> pool = GeneralizedMean(power=1.0)
        >>> pool(torch.tensor([[[[1.0, 3.0]]]])).item()
        2.0
    """

    def __init__(self, power: float = 3.0, eps: float = 1e-6) -> None:
        super().__init__()
        self.p = nn.Parameter(torch.tensor([power]))
        self.eps = eps

    def forward(self, maps: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch channels"]:
        """Pool (B, C, H, W) to (B, C)."""
        return maps.clamp(min=self.eps).pow(self.p).mean(dim=(2, 3)).pow(1 / self.p)
