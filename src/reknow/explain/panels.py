"""Panels: a picture, enlarged, on which something is said about each of its patches: paleness, outlines, marks.

A mark says which set a patch is in. Marks differ in frame and sign, so that no color needs to be told apart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Bool, Float, UInt8
from PIL import Image, ImageDraw, ImageFont

from reknow.data.pictures import Box
from reknow.explain.drawing import BAD, BLUE, GOOD, INK, MUTED, ORANGE, Pen
from reknow.explain.patches import boxes, edges
from reknow.methods.selected import SelectedPatches

Panel = UInt8[np.ndarray, "_ _ 3"]

PALENESS = 0.72
"""How much white lies over the palest patch; what it shows can still be seen."""

SAMPLE = 22
"""Pixels of a mark's sample in a legend."""

_BLANK, _STROKE = "#f0f1f4", "#c9cdd5"  # of what is not there, and of the strokes over what is blanked out
_PATCH = "#d5d8df"  # the ground of a sample
_ZIGZAG = ((-1.5, -0.7), (-0.75, 0.7), (0.0, -0.7), (0.75, 0.7), (1.5, -0.7))


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


# --- Marks ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Mark:
    """What is drawn into a patch.

    Attributes:
        form: in words, for legends.
        draw: draws it with a pen into a box.
    """

    form: str
    draw: Callable[[Pen, Box], None]

    def sample(self) -> Image.Image:
        """The mark in a patch of its own."""
        pen = Pen(Image.new("RGB", (SAMPLE, SAMPLE), _PATCH))
        self.draw(pen, (0, 0, SAMPLE, SAMPLE))
        return pen.picture()


def marks_of(selected: SelectedPatches) -> dict[str, Mark]:
    """The mark of each set by its name, in order.

    Sets that ought to lie on the object have a check mark, a disc and a zigzag in turn; one that ought to lie on
    background a cross; all beyond these their number. The first set of a method that drops the rest has no mark: it is
    what is left of the picture.
    """
    free = {"object": [DISC, ZIGZAG] if selected.drops else [CHECK, DISC, ZIGZAG], "background": [CROSS]}
    marks = {}
    for number, one in enumerate(selected.sets):
        if number or not selected.drops:
            marks[one.name] = free[one.expected].pop(0) if free[one.expected] else numbered(number + 1)
    return marks


def _check(pen: Pen, box: Box) -> None:
    """A green, whole frame and a check mark."""
    pen.frame(box, "white", 5)
    pen.frame(_inside(box), GOOD, 3)
    x, y, reach = _middle(box)
    check = [(x - reach, y), (x - 0.3 * reach, y + 0.7 * reach), (x + reach, y - 0.7 * reach)]
    pen.line(check, "white", 7)
    pen.line(check, GOOD, 4)


def _cross(pen: Pen, box: Box) -> None:
    """A red, broken frame and a cross."""
    pen.frame(box, "white", 4)
    pen.broken_frame(_inside(box), BAD, 2, stroke=5, gap=3)
    x, y, reach = _middle(box)
    for color, width in (("white", 6), (BAD, 3)):
        pen.line([(x - reach, y - reach), (x + reach, y + reach)], color, width)
        pen.line([(x - reach, y + reach), (x + reach, y - reach)], color, width)


def _disc(pen: Pen, box: Box) -> None:
    """A blue, filled disc in the upper half of the patch."""
    x, y, reach = _half(box, 0.3)
    pen.disc((x, y), reach + 2, "white")
    pen.disc((x, y), reach, BLUE)


def _zigzag(pen: Pen, box: Box) -> None:
    """An orange zigzag in the lower half of the patch."""
    x, y, reach = _half(box, 0.72)
    wave = [(x + step * reach, y + turn * reach) for step, turn in _ZIGZAG]
    for color, width in (("white", 6), (ORANGE, 3)):
        pen.line(wave, color, width)


def _number(number: int, pen: Pen, box: Box) -> None:
    """A number on a white disc in the middle of the patch."""
    x, y, reach = _middle(box)
    pen.disc((x, y), 1.3 * reach, "white")
    pen.text((x, y), str(number), 2 * reach, INK)


def _inside(box: Box) -> Box:
    """One pixel of white stays around a frame: it must be seen on a picture of its own color."""
    return (box[0] + 1, box[1] + 1, box[2] - 1, box[3] - 1)


def _middle(box: Box) -> tuple[float, float, float]:
    """The middle of a patch, and how far its mark reaches from there."""
    reach = max(2.0, min(8.0, 0.2 * min(box[2] - box[0], box[3] - box[1])))
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2, reach


def _half(box: Box, down: float) -> tuple[float, float, float]:
    """A place in the middle of a patch's width, and how far a small mark reaches from there: two fit in a patch."""
    reach = max(1.5, min(6.0, 0.15 * min(box[2] - box[0], box[3] - box[1])))
    return (box[0] + box[2]) / 2, box[1] + down * (box[3] - box[1]), reach


CHECK, CROSS = Mark("whole green frame", _check), Mark("broken red frame", _cross)
DISC, ZIGZAG = Mark("disc", _disc), Mark("zigzag", _zigzag)


def numbered(number: int) -> Mark:
    """A mark for any set when all others are in use."""
    return Mark(f"the number {number}", partial(_number, number))
