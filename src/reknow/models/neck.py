"""Batch-norm neck (Luo et al., "Bag of Tricks", CVPR workshops 2019, section 3.6).

The triplet loss sees the feature before it, the classifier and retrieval the one behind it. The bias is fixed at 0,
so that the neck does not shift the directions which a bias-free classifier and a cosine compare.
"""

from __future__ import annotations

from torch import nn


class BatchNormNeck(nn.BatchNorm1d):
    """Batch norm of (B, D) features; weight 1 at the start, bias 0 for good.

    Args:
        dim: D.

    Example:
        >>> neck = BatchNormNeck(4)
        >>> [name for name, parameter in neck.named_parameters() if parameter.requires_grad]
        ['weight']
    """

    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        self.bias.requires_grad_(False)
