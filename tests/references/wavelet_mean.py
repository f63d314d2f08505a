"""The mean image of EDITOR's frequency selection as the released code computes it: in Haar bands, and transformed back.

``reknow.methods.editor.frequency.mean_image`` is compared with it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from reknow.methods.editor.frequency import LEVELS, Details, haar


def mean_by_wavelets(images: Sequence[Float[Tensor, "batch 3 height width"]]) -> Float[Tensor, "batch height width"]:
    """The mean over colors and spectra as the released code computes it, band by band."""
    transformed = [haar(image, LEVELS) for image in images]
    low = torch.stack([low for low, _ in transformed]).mean(0)
    levels = zip(*(details for _, details in transformed), strict=True)
    details = [
        Details(
            *(torch.stack([getattr(bands, band) for bands in level]).mean(0) for band in ("rows", "columns", "both"))
        )
        for level in levels
    ]
    height, width = images[0].shape[-2:]
    return inverse_haar(low, details, (height, width)).mean(1)


def inverse_haar(
    low: Float[Tensor, "*batch low_height low_width"], details: list[Details], size: tuple[int, int]
) -> Float[Tensor, "*batch height width"]:
    """The images that :func:`haar` transformed; `size` is their (height, width), so that padding is cut off."""
    for level in reversed(details):
        rows, columns, both = level.rows, level.columns, level.both
        low = low[..., : rows.shape[-2], : rows.shape[-1]]
        top = torch.stack([low + rows + columns + both, low + rows - columns - both], dim=-1).flatten(-2)
        bottom = torch.stack([low - rows + columns - both, low - rows - columns + both], dim=-1).flatten(-2)
        low = torch.stack([top, bottom], dim=-2).flatten(-3, -2) / 2
    return low[..., : size[0], : size[1]]
