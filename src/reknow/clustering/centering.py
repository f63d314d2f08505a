"""Centering: vectors without what a group of them shares, such as a camera's background or the light of a spectrum."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional


def without_group_means(
    embeddings: Float[Tensor, "rows dim"], groups: Int[Tensor, "rows"]
) -> Float[Tensor, "rows dim"]:
    """Unit rows minus the mean row of their group, at length 1 again; rows of unknown group (-1) share a mean too.

    Example:
        >>> rows = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.8, 0.6], [0.0, 1.0]])
        >>> without_group_means(rows, torch.tensor([0, 0, 1, 1])).round(decimals=2)
        tensor([[ 0.4500, -0.8900],
                [-0.4500,  0.8900],
                [ 0.8900, -0.4500],
                [-0.8900,  0.4500]])
    """
    _, group = groups.unique(return_inverse=True)
    sums = embeddings.new_zeros(int(group.max()) + 1, embeddings.shape[1]).index_add_(0, group, embeddings)
    centered = embeddings - (sums / group.bincount()[:, None])[group]
    # A group's only row is its mean: it has no direction left, and keeps the one it had.
    return functional.normalize(torch.where(centered.norm(dim=1, keepdim=True) > 1e-6, centered, embeddings), dim=1)
