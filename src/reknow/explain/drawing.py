"""Drawing: smooth lines, frames and marks over a picture, and a PNG that is written whole.

A mark says which set a patch is in, or whether a gallery picture is a match. Marks differ in frame and sign, so that no
color needs to be told apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from reknow.data.pictures import Box
from reknow.explain.colors import BAD, BLUE, GOOD, INK, ORANGE, SAMPLE_GROUND
from reknow.writing import written_whole

SAMPLE = 22
"""Pixels of a mark's sample in a legend."""

_FINER = 3
"""A pen draws on a picture so many times as large, because Pillow's own lines have no half tones."""

_CHECK = ((-1.0, 0.0), (-0.3, 0.7), (1.0, -0.7))
_ZIGZAG = ((-1.5, -0.7), (-0.75, 0.7), (0.0, -0.7), (0.75, 0.7), (1.5, -0.7))

Point = tuple[float, float]


class Pen:
    """Draws frames, lines and signs over a picture, in its own pixels and in smooth strokes.

    Args:
        picture: what lies beneath; it is not changed.
    """

    def __init__(self, picture: Image.Image) -> None:
        size = (_FINER * picture.width, _FINER * picture.height)
        self._large = picture.resize(size, Image.Resampling.NEAREST)
        self._drawing = ImageDraw.Draw(self._large)

    def frame(self, box: Box, color: str, width: int, *, stroke: int = 0, gap: int = 0) -> None:
        """A frame along the inner edge of a box; see :func:`frame`, but right and bottom do not belong to the box."""
        left, top, right, bottom = (_FINER * edge for edge in box)
        sizes = {"width": _FINER * width, "stroke": _FINER * stroke, "gap": _FINER * gap}
        frame(self._drawing, (left, top, right - 1, bottom - 1), color, **sizes)

    def line(self, points: Sequence[Point], color: str, width: int) -> None:
        """A line through points; whole numbers are the borders between pixels."""
        large = [(_FINER * x, _FINER * y) for x, y in points]
        self._drawing.line(large, fill=color, width=_FINER * width, joint="curve")

    def disc(self, middle: Point, radius: float, color: str) -> None:
        """A filled disc."""
        x, y = middle
        edges = ((x - radius) * _FINER, (y - radius) * _FINER, (x + radius) * _FINER, (y + radius) * _FINER)
        self._drawing.ellipse(edges, fill=color)

    def check(self, middle: Point, reach: float, color: str, width: int) -> None:
        """A check mark that reaches so many pixels to the left and to the right of its middle."""
        self.line(_around(middle, reach, _CHECK), color, width)

    def cross(self, middle: Point, reach: float, color: str, width: int) -> None:
        """A cross that reaches so many pixels to every side of its middle."""
        self.line(_around(middle, reach, ((-1.0, -1.0), (1.0, 1.0))), color, width)
        self.line(_around(middle, reach, ((-1.0, 1.0), (1.0, -1.0))), color, width)

    def text(self, middle: Point, text: str, height: float, color: str) -> None:
        """Some letters around a point."""
        font = ImageFont.load_default(_FINER * height)
        self._drawing.text((_FINER * middle[0], _FINER * middle[1]), text, fill=color, font=font, anchor="mm")

    def picture(self) -> Image.Image:
        """The picture with everything that was drawn; where nothing was, its pixels are what they were."""
        return self._large.reduce(_FINER)


def frame(drawing: ImageDraw.ImageDraw, box: Box, color: str, *, width: int, stroke: int = 0, gap: int = 0) -> None:
    """A frame along the inner edge of a box, whole or of strokes.

    Args:
        drawing: where to draw.
        box: left, top, right, bottom; all four belong to it.
        color: of the frame.
        width: of the frame in pixels.
        stroke: length of a stroke in pixels; 0 for a whole frame.
        gap: between two strokes, in pixels.
    """
    if not stroke:
        drawing.rectangle(box, outline=color, width=width)
        return
    left, top, right, bottom = box
    thick = width - 1  # both corners of a rectangle belong to it
    for start in range(left, right, stroke + gap):
        for edge in (top, bottom - thick):
            drawing.rectangle((start, edge, min(start + stroke - 1, right), edge + thick), fill=color)
    for start in range(top, bottom, stroke + gap):
        for edge in (left, right - thick):
            drawing.rectangle((edge, start, edge + thick, min(start + stroke - 1, bottom)), fill=color)


def save_png(sheet: Image.Image, path: Path) -> Path:
    """Write a PNG beside and rename it, never half.

    Raises:
        RunError: the file cannot be written.
    """
    with written_whole(path) as beside:
        sheet.save(beside, format="PNG", optimize=True)
    return path


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
        pen = Pen(Image.new("RGB", (SAMPLE, SAMPLE), SAMPLE_GROUND))
        self.draw(pen, (0, 0, SAMPLE, SAMPLE))
        return pen.picture()


def _checked(pen: Pen, box: Box) -> None:
    """A green, whole frame and a check mark."""
    pen.frame(box, "white", 5)
    pen.frame(_inside(box), GOOD, 3)
    middle, reach = _middle(box)
    for color, width in (("white", 7), (GOOD, 4)):
        pen.check(middle, reach, color, width)


def _crossed(pen: Pen, box: Box) -> None:
    """A red, broken frame and a cross."""
    pen.frame(box, "white", 4)
    pen.frame(_inside(box), BAD, 2, stroke=5, gap=3)
    middle, reach = _middle(box)
    for color, width in (("white", 6), (BAD, 3)):
        pen.cross(middle, reach, color, width)


def _disc(pen: Pen, box: Box) -> None:
    """A blue, filled disc in the upper half of the patch."""
    middle, reach = _half(box, 0.3)
    pen.disc(middle, reach + 2, "white")
    pen.disc(middle, reach, BLUE)


def _zigzag(pen: Pen, box: Box) -> None:
    """An orange zigzag in the lower half of the patch."""
    middle, reach = _half(box, 0.72)
    for color, width in (("white", 6), (ORANGE, 3)):
        pen.line(_around(middle, reach, _ZIGZAG), color, width)


def _number(number: int, pen: Pen, box: Box) -> None:
    """A number on a white disc in the middle of the patch."""
    middle, reach = _middle(box)
    pen.disc(middle, 1.3 * reach, "white")
    pen.text(middle, str(number), 2 * reach, INK)


def _around(middle: Point, reach: float, offsets: Sequence[Point]) -> list[Point]:
    """Points around a middle, from offsets in units of the reach."""
    return [(middle[0] + right * reach, middle[1] + down * reach) for right, down in offsets]


def _inside(box: Box) -> Box:
    """The box less one pixel on each side: a frame keeps a white rim, so that it shows on a picture of its color."""
    return (box[0] + 1, box[1] + 1, box[2] - 1, box[3] - 1)


def _middle(box: Box) -> tuple[Point, float]:
    """The middle of a patch, and how far its mark reaches from there."""
    reach = max(2.0, min(8.0, 0.2 * min(box[2] - box[0], box[3] - box[1])))
    return ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2), reach


def _half(box: Box, down: float) -> tuple[Point, float]:
    """A place in the middle of a patch's width, and how far a small mark reaches from there: two fit in a patch."""
    reach = max(1.5, min(6.0, 0.15 * min(box[2] - box[0], box[3] - box[1])))
    return ((box[0] + box[2]) / 2, box[1] + down * (box[3] - box[1])), reach


CHECK, CROSS = Mark("whole green frame", _checked), Mark("broken red frame", _crossed)
DISC, ZIGZAG = Mark("disc", _disc), Mark("zigzag", _zigzag)


def numbered(number: int) -> Mark:
    """A mark for any set when all others are in use."""
    return Mark(f"the number {number}", partial(_number, number))
