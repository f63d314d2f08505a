"""Augmentation of a batch whose random numbers are drawn: plain torch for every device, and a compiled form for the
CPU.

:func:`apply_draws_plainly` is the reference. ``compiled_augmentation.py`` does the same in one pass over the pixels of
a CPU tensor, ten times faster on one core, and the tests hold both equal. :func:`apply_draws` chooses between them.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int, UInt8
from torch import Tensor
from torch.nn.functional import grid_sample

from reknow.data.transforms import LUMINANCE, Augmentation, Draws, Preprocessing


def apply_draws(
    images: UInt8[Tensor, "batch height width 3"],
    preprocessing: Preprocessing,
    augmentation: Augmentation,
    draws: Draws,
) -> Float32[Tensor, "batch 3 height width"]:
    """Augment and normalize one batch of resized pictures, on the device where they are.

    Args:
        images: pictures of one spectrum.
        preprocessing: gives mean and standard deviation.
        augmentation: gives the fill and the erasing value.
        draws: the batch's random numbers, from :func:`reknow.data.transforms.draw`.
    """
    if images.device.type != "cpu":
        return apply_draws_plainly(images, preprocessing, augmentation, draws)
    from reknow.data.compiled_augmentation import apply_draws_in_one_pass  # its compiler takes half a second to import

    return apply_draws_in_one_pass(images, preprocessing, augmentation, draws)


def apply_draws_plainly(
    images: UInt8[Tensor, "batch height width 3"],
    preprocessing: Preprocessing,
    augmentation: Augmentation,
    draws: Draws,
) -> Float32[Tensor, "batch 3 height width"]:
    """The same in plain torch, on any device."""
    device = images.device
    values = _moved(images, augmentation.fill, draws)
    if draws.channel is not None:
        values = _exchanged(values, _sent(draws.channel, device))
    if draws.color is not None:
        values = _recolored(values, _sent(draws.color, device))
    values = preprocessing.normalize_values(values)
    erased = _rectangle_mask(_sent(draws.erase, device), values.shape[2], values.shape[3])
    if draws.noise is not None:
        return values.masked_scatter_(erased.expand_as(values), _sent(draws.noise, device))
    value = _sent(np.array(augmentation.erase_value, np.float32), device)
    return torch.where(erased, value[:, None, None], values)


def _sent(numbers: np.ndarray, device: torch.device) -> Tensor:
    """Drawn numbers on a device, without waiting for what a GPU still has to do."""
    return torch.from_numpy(numbers).to(device, non_blocking=True)


def _moved(
    images: UInt8[Tensor, "batch height width 3"], fill: int, draws: Draws
) -> Float32[Tensor, "batch 3 height width"]:
    """Flip, crop and affine map: values in 0..255, channels first."""
    batch, height, width, _ = images.shape
    device = images.device
    flip, shift = _sent(draws.flip, device), _sent(draws.shift, device)
    if draws.inverse is None:
        rows = torch.arange(height, device=device) + shift[:, :1]
        columns = torch.arange(width, device=device) + shift[:, 1:]
        inside = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None, :]
        columns = torch.where(flip[:, None], width - 1 - columns, columns).clamp(0, width - 1)
        picture = torch.arange(batch, device=device)[:, None, None]
        taken = images[picture, rows.clamp(0, height - 1)[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
        return torch.where(inside[:, None], taken, fill).to(torch.float32, memory_format=torch.contiguous_format)
    center = _sent(np.array([(height - 1) / 2, (width - 1) / 2], np.float32), device)
    grid = torch.meshgrid(torch.arange(height, device=device), torch.arange(width, device=device), indexing="ij")
    points = (torch.stack(grid, -1) - center).reshape(1, -1, 2)
    points = points @ _sent(draws.inverse, device).transpose(1, 2) + center + shift[:, None]
    row, column = points.reshape(batch, height, width, 2).unbind(-1)
    column = torch.where(flip[:, None, None], width - 1 - column, column)
    where = torch.stack([(2 * column + 1) / width - 1, (2 * row + 1) / height - 1], -1)
    # Outside counts as zero there, so the fill value is the zero.
    return grid_sample(images.permute(0, 3, 1, 2).float() - fill, where, align_corners=False) + fill


def _exchanged(
    values: Float32[Tensor, "batch 3 height width"], channel: Int[Tensor, "batch"]
) -> Float32[Tensor, "batch 3 height width"]:
    """One channel in all three, where it is not -1."""
    shown = values.take_along_dim(channel.clamp(min=0)[:, None, None, None], 1)
    return torch.where((channel >= 0)[:, None, None, None], shown, values)


def _recolored(
    values: Float32[Tensor, "batch 3 height width"], factors: Float32[Tensor, "batch 3"]
) -> Float32[Tensor, "batch 3 height width"]:
    """Brightness, then contrast, then saturation: together they are linear in the pixel and the mean gray."""
    brightness, contrast, saturation = factors[:, :, None, None, None].unbind(1)
    gray = (values * _sent(np.array(LUMINANCE, np.float32), values.device)[:, None, None]).sum(1, keepdim=True)
    mean = gray.mean((2, 3), keepdim=True)
    mixed = saturation * values + (1 - saturation) * gray
    return (brightness * (contrast * mixed + (1 - contrast) * mean)).clamp(0, 255)


def _rectangle_mask(
    rectangles: Int[Tensor, "batch 4"], height: int, width: int
) -> Bool[Tensor, "batch 1 height width"]:
    top, left, tall, wide = rectangles[:, :, None].unbind(1)
    rows = torch.arange(height, device=rectangles.device)
    columns = torch.arange(width, device=rectangles.device)
    inside_rows = (rows >= top) & (rows < top + tall)
    inside_columns = (columns >= left) & (columns < left + wide)
    return (inside_rows[:, :, None] & inside_columns[:, None, :])[:, None]
