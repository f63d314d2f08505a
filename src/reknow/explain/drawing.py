"""Drawing: what contact sheets have in common. Smooth marks, a broken frame, and a file that is written whole."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from reknow.data.pictures import Box
from reknow.writing import written_whole

GOOD, BAD = "#13803f", "#c42b2b"
"""Green and red of one lightness: never told apart by color alone, always by a whole and a broken frame as well."""

BLUE, ORANGE = "#2a5bd7", "#a45a00"
"""For marks that are neither good nor bad; they differ in form, too."""

INK, MUTED = "#1c1e22", "#686d76"

_FINER = 3
"""A pen draws on a picture so many times as large, because Pillow's own lines have no half tones."""


class Pen:
    """Draws frames and lines over a picture, in its own pixels and in smooth strokes.

    Args:
        picture: what lies beneath; it is not changed.
    """

    def __init__(self, picture: Image.Image) -> None:
        size = (_FINER * picture.width, _FINER * picture.height)
        self._large = picture.resize(size, Image.Resampling.NEAREST)
        self._drawing = ImageDraw.Draw(self._large)

    def frame(self, box: Box, color: str, width: int) -> None:
        """A whole frame along the inner edge of a box."""
        self._drawing.rectangle(_finer(box), outline=color, width=_FINER * width)

    def broken_frame(self, box: Box, color: str, width: int, *, stroke: int, gap: int) -> None:
        """The same of strokes."""
        sizes = {"width": _FINER * width, "stroke": _FINER * stroke, "gap": _FINER * gap}
        broken_frame(self._drawing, _finer(box), color, **sizes)

    def line(self, points: Sequence[tuple[float, float]], color: str, width: int) -> None:
        """A line through points; whole numbers are the borders between pixels."""
        large = [(_FINER * x, _FINER * y) for x, y in points]
        self._drawing.line(large, fill=color, width=_FINER * width, joint="curve")

    def disc(self, middle: tuple[float, float], radius: float, color: str) -> None:
        """A filled disc."""
        (x, y), reach = middle, radius
        edges = ((x - reach) * _FINER, (y - reach) * _FINER, (x + reach) * _FINER, (y + reach) * _FINER)
        self._drawing.ellipse(edges, fill=color)

    def text(self, middle: tuple[float, float], text: str, height: float, color: str) -> None:
        """A few letters around a point."""
        font = ImageFont.load_default(_FINER * height)
        self._drawing.text((_FINER * middle[0], _FINER * middle[1]), text, fill=color, font=font, anchor="mm")

    def picture(self) -> Image.Image:
        """The picture with everything that was drawn; where nothing was, its pixels are what they were."""
        return self._large.reduce(_FINER)


def _finer(box: Box) -> Box:
    """Both ends of what Pillow calls a rectangle belong to it; those of a box do not."""
    left, top, right, bottom = (_FINER * edge for edge in box)
    return left, top, right - 1, bottom - 1


def broken_frame(
    drawing: ImageDraw.ImageDraw,
    box: Box,
    color: str,
    *,
    width: int,
    stroke: int = 8,
    gap: int = 4,
) -> None:
    """A frame of strokes along the inner edge of a box.

    Args:
        drawing: where to draw.
        box: left, top, right, bottom; all four belong to it.
        color: of the strokes.
        width: of the frame in pixels.
        stroke: length of a stroke in pixels.
        gap: between two strokes.
    """
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
