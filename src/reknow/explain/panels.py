"""Panels: a picture, enlarged, on which something is said about each of its patches."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, UInt8
from PIL import Image, ImageDraw, ImageFont

from reknow.explain.drawing import INK, MUTED, Pen
from reknow.explain.patches import boxes, edges

Panel = UInt8[np.ndarray, "_ _ 3"]

PALENESS = 0.72
"""How much white lies over the palest patch; what it shows can still be seen."""

_BLANK, _STROKE = "#f0f1f4", "#c9cdd5"  # of what is not there, and of the strokes over what is blanked out


def enlarged(picture: UInt8[np.ndarray, "height width 3"], longest: int) -> Image.Image:
    """A picture whose longer side has so many pixels."""
    height, width = picture.shape[:2]
    scale = longest / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC)


def paleness(values: Float[np.ndarray, "patches"]) -> Float[np.ndarray, "patches"]:
    """How much white each patch gets: none for the largest value, :data:`PALENESS` for the smallest.

    Example:
        >>> paleness(np.array([1.0, 0.5, 0.0]))
        array([0.  , 0.36, 0.72])
    """
    return PALENESS * (1 - (values - values.min()) / (float(np.ptp(values)) or 1.0))


def paled(picture: Image.Image, white: Float[np.ndarray, "patches"], grid: tuple[int, int]) -> Image.Image:
    """White over each patch.

    Args:
        picture: as large as the panel shall be.
        white: (N,) 0 leaves a patch alone, 1 covers it.
        grid: (rows, columns) of the patches.
    """
    pixels = np.asarray(picture).astype(np.float32)
    for share, (left, top, right, bottom) in zip(white, boxes(grid, pixels.shape[:2]), strict=True):
        pixels[top:bottom, left:right] += float(share) * (255 - pixels[top:bottom, left:right])
    return Image.fromarray(pixels.round().astype(np.uint8))


def outlined(picture: Image.Image, inside: Bool[np.ndarray, "patches"], grid: tuple[int, int]) -> Image.Image:
    """A picture with a line around some of its patches."""
    across = [float(edge) for edge in edges(grid[1], picture.width)]
    down = [float(edge) for edge in edges(grid[0], picture.height)]
    area = np.pad(inside.reshape(grid), 1)
    upright = np.argwhere(area[1:-1, :-1] != area[1:-1, 1:])  # (row, edge between columns)
    level = np.argwhere(area[:-1, 1:-1] != area[1:, 1:-1])  # (edge between rows, column)
    lines = [((across[edge], down[row]), (across[edge], down[row + 1])) for row, edge in upright]
    lines += [((across[column], down[edge]), (across[column + 1], down[edge])) for edge, column in level]
    pen = Pen(picture)
    for color, width in (("white", 4), (INK, 2)):
        for start, end in lines:
            pen.line([start, end], color, width)
    return pen.picture()


def blanked(picture: Image.Image, hidden: Bool[np.ndarray, "patches"], grid: tuple[int, int]) -> Image.Image:
    """A picture with some of its patches taken out: strokes on gray, as no picture has them."""
    pen, height = Pen(Image.new("RGB", picture.size, _BLANK)), float(picture.height)
    for start in range(-picture.height, picture.width, 9):
        pen.line([(float(start), height), (start + height, 0.0)], _STROKE, 1)
    strokes, pixels = np.asarray(pen.picture()), np.array(picture)
    for patch in np.flatnonzero(hidden):
        left, top, right, bottom = boxes(grid, pixels.shape[:2])[patch]
        pixels[top:bottom, left:right] = strokes[top:bottom, left:right]
    return Image.fromarray(pixels)


def empty(size: tuple[int, int], text: str = "") -> Image.Image:
    """A panel without a picture, (width, height), which may say why."""
    panel = Image.new("RGB", size, _BLANK)
    font = ImageFont.load_default(14)
    ImageDraw.Draw(panel).text((size[0] / 2, size[1] / 2), text, fill=MUTED, font=font, anchor="mm")
    return panel
