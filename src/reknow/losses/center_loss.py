"""Center loss (Wen et al., "A Discriminative Feature Learning Approach for Deep Face Recognition", ECCV 2016, eq. 2).

As in the strong baseline of Luo et al. (2019, eq. 6), without the factor of one half in either paper: its released code
sums squared distances and divides by the batch.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


class CenterLoss(nn.Module):
    """Mean squared distance of features to the center of their class; centers are learned.

    Args:
        classes: C.
        dim: D, the size of a feature.

    Attributes:
        centers: (C, D), standard normal at the start.

    Example:
        >>> loss = CenterLoss(classes=2, dim=2)
        >>> nn.init.zeros_(loss.centers).shape
        torch.Size([2, 2])
        >>> loss(torch.tensor([[3.0, 4.0], [0.0, 1.0]]), torch.tensor([0, 1])).item()
        13.0
    """

    def __init__(self, classes: int, dim: int) -> None:
        super().__init__()
        self.centers = nn.Parameter(torch.randn(classes, dim))

    def forward(self, features: Float[Tensor, "batch dim"], labels: Int[Tensor, "batch"]) -> Float[Tensor, ""]:
        """Scalar loss of (B, D) features and their (B,) classes, in 32 bit also under autocast."""
        with torch.autocast(features.device.type, enabled=False):
            return (features.to(self.centers) - self.centers[labels]).square().sum(1).mean()
