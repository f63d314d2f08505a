"""Wavelets: the orthonormal Haar transform of images, its inverse, and two relatives of it on square patches.

On each 2 x 2 block [[a, b], [c, d]]: LL = (a+b+c+d)/2, LH = (a+b-c-d)/2 (difference of rows), HL = (a-b+c-d)/2
(difference of columns), HH = (a-b-c+d)/2. Level 1 is the finest; a further level transforms LL again. Odd edges are
padded with zeros. This is four sums, so no wavelet library is needed for it.

Of a patch there are two more orthonormal transforms with a frequency per coefficient: the Haar packet, which splits
every band again and is Walsh's transform (rows ordered by their sign changes), and the cosine transform (DCT-II).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Details:
    """The three detail bands of one level, each (..., H / 2, W / 2)."""

    rows: Float[Tensor, "*batch height width"]
    columns: Float[Tensor, "*batch height width"]
    both: Float[Tensor, "*batch height width"]


def haar(
    images: Float[Tensor, "*batch height width"], levels: int
) -> tuple[Float[Tensor, "*batch low_height low_width"], list[Details]]:
    """The low band LL of the last level, and the details of every level, finest first.

    Example:
        >>> low, details = haar(torch.ones(1, 4, 4), levels=2)
        >>> low, details[0].rows.abs().max()
        (tensor([[[4.]]]), tensor(0.))
    """
    low, details = images, []
    for _ in range(levels):
        padded = functional.pad(low, (0, low.shape[-1] % 2, 0, low.shape[-2] % 2))
        a, b = padded[..., 0::2, 0::2], padded[..., 0::2, 1::2]
        c, d = padded[..., 1::2, 0::2], padded[..., 1::2, 1::2]
        details.append(Details((a + b - c - d) / 2, (a - b + c - d) / 2, (a - b - c + d) / 2))
        low = (a + b + c + d) / 2
    return low, details


def inverse_haar(
    low: Float[Tensor, "*batch low_height low_width"], details: list[Details], size: tuple[int, int]
) -> Float[Tensor, "*batch height width"]:
    """The images that :func:`haar` took apart; `size` is their (height, width), so that padding is cut off."""
    for level in reversed(details):
        rows, columns, both = level.rows, level.columns, level.both
        low = low[..., : rows.shape[-2], : rows.shape[-1]]
        top = torch.stack([low + rows + columns + both, low + rows - columns - both], dim=-1).flatten(-2)
        bottom = torch.stack([low - rows + columns - both, low - rows - columns + both], dim=-1).flatten(-2)
        low = torch.stack([top, bottom], dim=-2).flatten(-3, -2) / 2
    return low[..., : size[0], : size[1]]


def walsh(edge: int) -> Float[Tensor, "edge edge"]:
    """The Haar packet of a line of `edge` values, a power of two: orthonormal rows by growing frequency.

    Example:
        >>> (2 * walsh(4)).int().tolist()
        [[1, 1, 1, 1], [1, 1, -1, -1], [1, -1, -1, 1], [1, -1, 1, -1]]
    """
    rows = torch.ones(1, 1)
    while len(rows) < edge:
        rows = torch.cat([torch.cat([rows, rows], dim=1), torch.cat([rows, -rows], dim=1)])
    sign_changes = (rows[:, 1:] != rows[:, :-1]).sum(1)
    return rows[sign_changes.argsort()] / edge**0.5


def cosines(edge: int) -> Float[Tensor, "edge edge"]:
    """The cosine transform (DCT-II) of a line of `edge` values: orthonormal rows by growing frequency."""
    frequency, place = torch.arange(edge)[:, None], torch.arange(edge)[None]
    rows = torch.cos(torch.pi / edge * (place + 0.5) * frequency) * (2 / edge) ** 0.5
    rows[0] /= 2**0.5
    return rows
