"""Marks: what a patch is, drawn into it. They differ in frame and sign, so that no color needs to be told apart."""

from __future__ import annotations

from collections.abc import Callable

from PIL import Image

from reknow.data.pictures import Box
from reknow.explain.drawing import BAD, BLUE, GOOD, ORANGE, Pen

Mark = Callable[[Pen, Box], None]
"""Draws itself into a patch."""

SAMPLE = 22
"""Pixels of a mark's sample in a legend."""

_PATCH = "#d5d8df"  # the ground of a sample
_ZIGZAG = ((-1.5, -0.7), (-0.75, 0.7), (0.0, -0.7), (0.75, 0.7), (1.5, -0.7))


def positive(pen: Pen, box: Box) -> None:
    """A green, whole frame and a check mark."""
    pen.frame(box, "white", 5)
    pen.frame(_inside(box), GOOD, 3)
    x, y, reach = _middle(box)
    check = [(x - reach, y), (x - 0.3 * reach, y + 0.7 * reach), (x + reach, y - 0.7 * reach)]
    pen.line(check, "white", 7)
    pen.line(check, GOOD, 4)


def negative(pen: Pen, box: Box) -> None:
    """A red, broken frame and a cross."""
    pen.frame(box, "white", 4)
    pen.broken_frame(_inside(box), BAD, 2, stroke=5, gap=3)
    x, y, reach = _middle(box)
    for color, width in (("white", 6), (BAD, 3)):
        pen.line([(x - reach, y - reach), (x + reach, y + reach)], color, width)
        pen.line([(x - reach, y + reach), (x + reach, y - reach)], color, width)


def attended(pen: Pen, box: Box) -> None:
    """A blue, filled disc in the upper half of the patch."""
    x, y, reach = _half(box, 0.3)
    pen.disc((x, y), reach + 2, "white")
    pen.disc((x, y), reach, BLUE)


def salient(pen: Pen, box: Box) -> None:
    """An orange zigzag in the lower half of the patch."""
    x, y, reach = _half(box, 0.72)
    wave = [(x + step * reach, y + turn * reach) for step, turn in _ZIGZAG]
    for color, width in (("white", 6), (ORANGE, 3)):
        pen.line(wave, color, width)


def sample(mark: Mark) -> Image.Image:
    """A mark in a patch of its own."""
    pen = Pen(Image.new("RGB", (SAMPLE, SAMPLE), _PATCH))
    mark(pen, (0, 0, SAMPLE, SAMPLE))
    return pen.picture()


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
