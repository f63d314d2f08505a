"""Heads: where labels come in (spec section 2.8 [C]). Each is a batch norm and a classifier behind a feature.

A *pair* is a head's two losses: smoothed cross-entropy on the logits behind the batch norm, and the batch-hard triplet
with the soft margin on the feature before it; both of weight 1. There is one pair for the fused descriptor, and beside
it, on the CLS of the trunk:

- ``BL`` ("B" in the paper's tables): one head for all spectra, a pair for each spectrum;
- ``AL`` ("A"): the spectra side by side, one pair.

The batch norm's bias is trained here, unlike Luo's neck. Under BL it sees the spectra one after the other, so its
running statistics move once for each.
"""

from __future__ import annotations

from typing import Literal

from jaxtyping import Float, Int
from torch import Tensor, nn

from reknow.losses.cross_entropy import SmoothedCrossEntropy
from reknow.losses.triplet import BatchHardTriplet

Variant = Literal["AL", "BL"]


class Head(nn.Module):
    """Batch norm and a classifier without bias.

    Args:
        dim: of the feature.
        identities: classes.
    """

    def __init__(self, dim: int, identities: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(dim)
        self.classifier = nn.Linear(dim, identities, bias=False)
        nn.init.normal_(self.classifier.weight, std=0.001)

    def forward(self, feature: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch identities"]:
        """Logits."""
        return self.classifier(self.norm(feature))


class Pair(nn.Module):
    """A head's two losses, summed.

    Args:
        smoothing: of the classifier's targets.
    """

    def __init__(self, smoothing: float) -> None:
        super().__init__()
        self.cross_entropy = SmoothedCrossEntropy(smoothing)
        self.triplet = BatchHardTriplet()

    def forward(
        self, head: Head, feature: Float[Tensor, "batch dim"], labels: Int[Tensor, "batch"]
    ) -> Float[Tensor, ""]:
        """(B, D) features before the head, and their (B,) identities."""
        return self.cross_entropy(head(feature), labels) + self.triplet(feature, labels)
