"""Tokens: the output of every trunk for a batch of images.

A transformer returns its own tokens. A convolutional trunk returns its pooled vector as `cls` and the positions of its
last map as `patches`, so that a method which compares a picture with its parts works with both.
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Tokens:
    """The token vectors of B pictures.

    Attributes:
        cls: (B, D) the vector of the whole picture.
        extra: (B, E, D) further learned tokens (PASS's parts, registers); E may be 0.
        patches: (B, N, D) one vector per patch, rows of the grid first.
        grid: (rows, columns) of the patches; N = rows x columns.
    """

    cls: Float[Tensor, "batch dim"]
    extra: Float[Tensor, "batch extra dim"]
    patches: Float[Tensor, "batch patches dim"]
    grid: tuple[int, int]
