"""Batch-hard triplet loss (Hermans et al., "In Defense of the Triplet Loss", 2017, eq. 5).

Per anchor, the farthest picture of its identity and the nearest of another; features are not normalized, distances
are Euclidean. Both forms of the paper: a hinge with a margin, and the soft margin log(1 + exp(.)).

Decisions (3 to 5 in docs/methods/supervised.md). The anchor counts as its own positive, as in fast-reid, so an identity
with one picture pushes its negatives away and does not fail. TransReID's code reshapes the mask into rows; for unequal
counts it mixes anchors or fails; this is not reproduced. An anchor without negatives contributes 0.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from reknow.distributed import part_rows


class BatchHardTriplet(nn.Module):
    """Mean over anchors of max(0, positive - negative + margin), or of log(1 + exp(positive - negative)).

    Args:
        margin: in feature units; None is the soft margin.

    Example:
        >>> loss = BatchHardTriplet(margin=0.3)
        >>> loss(torch.tensor([[0.0], [1.0], [3.0], [4.0]]), torch.tensor([0, 0, 1, 1]))
        tensor(0.)
    """

    def __init__(self, margin: float | None = None) -> None:
        super().__init__()
        self.margin = margin

    def forward(self, features: Float[Tensor, "batch dim"], labels: Int[Tensor, "batch"]) -> Float[Tensor, ""]:
        """Scalar loss of (B, D) features and their (B,) identities; 0 of no features.

        If several processes share a part of a step, anchors are compared with the pictures of all of them; the mean is
        over this process's own anchors.
        """
        (candidates, first), (identities, _) = part_rows(features), part_rows(labels)
        positive, negative = hardest_distances(features, labels, candidates, identities, first)
        if self.margin is None:
            terms = functional.softplus(positive - negative)
        else:
            terms = functional.relu(positive - negative + self.margin)
        return terms.mean() if len(terms) else terms.sum()


def hardest_distances(
    features: Float[Tensor, "batch dim"],
    labels: Int[Tensor, "batch"],
    candidates: Float[Tensor, "part dim"] | None = None,
    identities: Int[Tensor, "part"] | None = None,
    first: int = 0,
) -> tuple[Float[Tensor, "batch"], Float[Tensor, "batch"]]:
    """Per anchor, the largest distance to its own identity and the smallest to another.

    Args:
        features: (B, D), not normalized: the anchors.
        labels: (B,) their identities.
        candidates: (P, D) the features they are compared with, anchors included; by default the anchors.
        identities: (P,) of the candidates.
        first: place of the first anchor among the candidates.

    Returns:
        Both (B,); 1e-6 if an anchor is its only positive, infinite if it has no negative.
    """
    candidates = features if candidates is None else candidates
    identities = labels if identities is None else identities
    distances = euclidean_distances(features, candidates, first)
    same = labels[:, None] == identities[None, :]
    positive = distances.masked_fill(~same, 0).amax(1)
    negative = distances.masked_fill(same, torch.inf).amin(1)
    return positive, negative


def euclidean_distances(
    features: Float[Tensor, "batch dim"], candidates: Float[Tensor, "part dim"] | None = None, first: int = 0
) -> Float[Tensor, "batch part"]:
    """Distances of anchors to candidates, at least 1e-6, with a gradient of 0 and not NaN at that floor.

    Squares lose half of the digits, so they are never computed in 16 bit, also under autocast. Arguments as in
    :func:`hardest_distances`.
    """
    with torch.autocast(features.device.type, enabled=False):
        exact = features if features.dtype == torch.float64 else features.float()
        if candidates is None or candidates is features:
            features = candidates = exact
        else:
            features, candidates = exact, candidates.to(exact.dtype)
        squares = features.square().sum(1)
        others = squares if candidates is features else candidates.square().sum(1)
        squared = squares[:, None] + others[None, :] - 2 * features @ candidates.T
        # The diagonal is 0 in theory; in float32 its rounding noise reaches 1e-3 times the feature's length.
        anchor = torch.arange(len(features), device=features.device)
        itself = torch.arange(len(candidates), device=features.device) == anchor[:, None] + first
        return squared.masked_fill(itself, 0).clamp(min=1e-12).sqrt()
