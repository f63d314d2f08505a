"""The augmentation of ``augmentation.py`` in one pass over the pixels, compiled for the CPU.

uint8 pictures in, normalized float32 out, without a temporary tensor of the batch's size. The threads of the loader
call this outside Python's lock, one batch each, so nothing here starts threads of its own. The plain torch form,
:func:`reknow.data.augmentation.apply_draws_plainly`, is its reference.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from reknow.compiled import compiled
from reknow.data.transforms import LUMINANCE, Augmentation, Draws, Preprocessing

RED, GREEN, BLUE = LUMINANCE


def apply_draws_in_one_pass(
    images: Tensor, preprocessing: Preprocessing, augmentation: Augmentation, draws: Draws
) -> Tensor:
    """The same as :func:`reknow.data.augmentation.apply_draws_plainly`, for tensors on the CPU.

    Args:
        images: (B, H, W, 3) uint8.
        preprocessing: gives mean and standard deviation.
        augmentation: gives the fill and the erasing value.
        draws: one batch's random numbers.

    Returns:
        (B, 3, H, W) float32.
    """
    batch, height, width, _ = images.shape
    result = torch.empty((batch, 3, height, width), dtype=torch.float32)
    factor, offset = (np.array(numbers, dtype=np.float32) for numbers in preprocessing.factor_and_offset())
    value = np.zeros(3, dtype=np.float32)
    if augmentation.erase_value != "noise":
        value[:] = augmentation.erase_value
    _apply(
        images.contiguous().numpy(),
        result.numpy(),
        factor,
        offset,
        draws.flip,
        draws.shift,
        np.zeros((0, 2, 2), dtype=np.float32) if draws.inverse is None else draws.inverse,
        np.zeros((0, 3), dtype=np.float32) if draws.color is None else draws.color,
        draws.erase,
        value,
        np.zeros(0, dtype=np.float32) if draws.noise is None else draws.noise,
        np.float32(augmentation.fill),
        np.zeros(0, dtype=np.int64) if draws.channel is None else draws.channel,
    )
    return result


@compiled(nogil=True)
def _apply(images, result, factor, offset, flip, shift, inverse, color, erase, value, noise, fill, channels):  # noqa: ANN001, ANN202
    used = 0
    for number in range(len(images)):
        picture, target = images[number], result[number]
        if len(inverse) > 0:
            _warp(picture, target, flip[number], shift[number], inverse[number], fill)
        else:
            _copy(picture, target, flip[number], shift[number], fill)
        if len(channels) > 0 and channels[number] >= 0:
            _exchange(target, channels[number])
        if len(color) > 0:
            _recolor(target, color[number])
        for channel in range(3):
            scale, add = factor[channel], offset[channel]
            for row in range(target.shape[1]):
                for column in range(target.shape[2]):
                    target[channel, row, column] = target[channel, row, column] * scale + add
        used = _erase(target, erase[number], value, noise, used)


@compiled(nogil=True)
def _copy(picture, target, flip, shift, fill):  # noqa: ANN001, ANN202
    height, width, _ = picture.shape
    # Within the row also where the crop lies beside the picture: compiled code does not check an index.
    first, last = min(width, max(0, -shift[1])), max(0, min(width, width - shift[1]))
    for row in range(height):
        source = row + shift[0]
        if source < 0 or source >= height:
            target[:, row] = fill
            continue
        for column in range(first):
            target[0, row, column] = target[1, row, column] = target[2, row, column] = fill
        for column in range(last, width):
            target[0, row, column] = target[1, row, column] = target[2, row, column] = fill
        for column in range(first, last):
            from_column = width - 1 - column - shift[1] if flip else column + shift[1]
            target[0, row, column] = picture[source, from_column, 0]
            target[1, row, column] = picture[source, from_column, 1]
            target[2, row, column] = picture[source, from_column, 2]


@compiled(nogil=True)
def _warp(picture, target, flip, shift, inverse, fill):  # noqa: ANN001, ANN202
    height, width, _ = picture.shape
    middle_row, middle_column = np.float32((height - 1) / 2), np.float32((width - 1) / 2)
    for row in range(height):
        for column in range(width):
            down, right = np.float32(row) - middle_row, np.float32(column) - middle_column
            y = inverse[0, 0] * down + inverse[0, 1] * right + middle_row + np.float32(shift[0])
            x = inverse[1, 0] * down + inverse[1, 1] * right + middle_column + np.float32(shift[1])
            if flip:
                x = np.float32(width - 1) - x
            top, left = int(np.floor(y)), int(np.floor(x))
            below, beside = y - np.float32(top), x - np.float32(left)
            for channel in range(3):
                upper_left = upper_right = lower_left = lower_right = fill
                if 0 <= top < height:
                    if 0 <= left < width:
                        upper_left = np.float32(picture[top, left, channel])
                    if 0 <= left + 1 < width:
                        upper_right = np.float32(picture[top, left + 1, channel])
                if 0 <= top + 1 < height:
                    if 0 <= left < width:
                        lower_left = np.float32(picture[top + 1, left, channel])
                    if 0 <= left + 1 < width:
                        lower_right = np.float32(picture[top + 1, left + 1, channel])
                upper = upper_left + beside * (upper_right - upper_left)
                lower = lower_left + beside * (lower_right - lower_left)
                target[channel, row, column] = upper + below * (lower - upper)


@compiled(nogil=True)
def _exchange(target, shown):  # noqa: ANN001, ANN202
    for channel in range(3):
        if channel != shown:
            target[channel] = target[shown]


@compiled(nogil=True)
def _recolor(target, factors):  # noqa: ANN001, ANN202
    brightness, contrast, saturation = factors[0], factors[1], factors[2]
    _, height, width = target.shape
    total = 0.0
    for row in range(height):
        for column in range(width):
            total += RED * target[0, row, column] + GREEN * target[1, row, column] + BLUE * target[2, row, column]
    mean = total / (height * width)
    for row in range(height):
        for column in range(width):
            gray = RED * target[0, row, column] + GREEN * target[1, row, column] + BLUE * target[2, row, column]
            for channel in range(3):
                mixed = saturation * target[channel, row, column] + (1 - saturation) * gray
                changed = brightness * (contrast * mixed + (1 - contrast) * mean)
                target[channel, row, column] = min(max(changed, 0.0), 255.0)


@compiled(nogil=True)
def _erase(target, rectangle, value, noise, used):  # noqa: ANN001, ANN202
    top, left, tall, wide = rectangle
    for channel in range(3):
        for row in range(top, top + tall):
            for column in range(left, left + wide):
                if len(noise) > 0:
                    target[channel, row, column] = noise[used]
                    used += 1
                else:
                    target[channel, row, column] = value[channel]
    return used
