"""Cross-entropy with smoothed labels (Szegedy et al., "Rethinking the Inception Architecture", CVPR 2016, section 7).

The target is (1 - epsilon) on the true class plus epsilon / C on every class, the true one included. That is also
what torch's `label_smoothing` means; the golden case `triplet_id_losses` agrees with both.
"""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional


class SmoothedCrossEntropy(nn.Module):
    """Mean cross-entropy against smoothed targets.

    Args:
        epsilon: mass that is spread over all classes, in [0, 1]; 0 is plain cross-entropy.

    Example:
        >>> import torch
        >>> loss = SmoothedCrossEntropy(epsilon=0.1)
        >>> loss(torch.zeros(3, 4), torch.tensor([0, 1, 3]))  # log(4): uniform logits, whatever the targets
        tensor(1.3863)
    """

    def __init__(self, epsilon: float = 0.1) -> None:
        super().__init__()
        self.epsilon = epsilon

    def forward(self, logits: Float[Tensor, "batch classes"], labels: Int[Tensor, "batch"]) -> Float[Tensor, ""]:
        """Scalar loss of (B, C) logits and (B,) class numbers."""
        return functional.cross_entropy(logits, labels, label_smoothing=self.epsilon)
