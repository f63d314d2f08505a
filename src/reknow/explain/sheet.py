"""The sheet of tokens: pictures with the patches that a network chose in them, before and after training.

A positive patch has a green, whole frame and a check mark; a negative one a red, broken frame and a cross, so that the
sheet can be read without telling the colors apart. The paler a patch, the less similar it is to its picture as a whole,
between the least and the most similar patch of that picture.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, UInt8
from PIL import Image, ImageDraw, ImageFont

from reknow.data.pictures import Box
from reknow.explain.choice import PatchChoice
from reknow.explain.drawing import BAD, GOOD, INK, MUTED, Pen, save_png
from reknow.explain.patches import boxes, edges
from reknow.explain.shares import ON_PERSON
from reknow.explain.tokens import Explanation

PANEL = 320
"""Pixels of a panel's longer side: a patch of the papers' 16 x 8 grid gets 20."""

PALENESS = 0.72
"""How much white lies over the least similar patch; over the most similar there is none."""

_WIDTH = 1640  # pixels of a sheet: three pictures of three panels side by side
_LEGEND = 1000  # pixels that the legend needs
_GAP, _MARGIN, _LINE = 8, 28, 22


def save_token_sheet(explanation: Explanation, path: Path, shown: int) -> Path:
    """Draw the first pictures of an explanation into a PNG on white ground.

    Args:
        explanation: what was chosen.
        path: where the PNG goes.
        shown: how many pictures.

    Returns:
        `path`.

    Raises:
        RunError: the file cannot be written.
    """
    rows = [panels(explanation, row) for row in range(min(shown, len(explanation.names)))]
    tall, wide = next(iter(rows[0].values())).shape[:2]
    across = len(rows[0]) * (wide + _GAP) - _GAP
    beside = min(len(rows), max(1, (_WIDTH - 2 * _MARGIN) // (across + 4 * _GAP)))
    down = -(-len(rows) // beside)
    step = (across + 4 * _GAP, 2 * _LINE + tall + 3 * _GAP)
    size = (max(2 * _MARGIN + beside * step[0] - 4 * _GAP, _LEGEND), 2 * _MARGIN + 2 * _LINE + down * step[1])
    sheet = Image.new("RGB", size, "white")
    drawing = ImageDraw.Draw(sheet)
    _legend(sheet, explanation)
    for number, row in enumerate(rows):
        left = _MARGIN + (number % beside) * step[0]
        top = _MARGIN + 2 * _LINE + (number // beside) * step[1]
        _write(drawing, explanation.names[number], (left, top), across, INK)
        for title, panel in row.items():
            _write(drawing, title, (left, top + _LINE), wide, MUTED)
            sheet.paste(Image.fromarray(panel), (left, top + 2 * _LINE))
            left += wide + _GAP
    return save_png(sheet, path)


def panels(explanation: Explanation, row: int) -> dict[str, UInt8[np.ndarray, "_ _ 3"]]:
    """One picture of an explanation as it is, and as each network chooses in it, all enlarged alike."""
    plain = _enlarged(explanation.pictures[row])
    grid = explanation.choices["after"].grid
    person = explanation.person
    return {
        "picture": np.asarray(plain) if person is None else outlined(plain, person[row] >= ON_PERSON, grid),
        **{moment: marked(plain, choice, row) for moment, choice in explanation.choices.items()},
    }


def marked(picture: Image.Image, choice: PatchChoice, row: int) -> UInt8[np.ndarray, "height width 3"]:
    """A picture, paled and framed by what was chosen in it.

    Args:
        picture: as large as the panel shall be.
        choice: of several pictures.
        row: which of them this is.
    """
    places = boxes(choice.grid, (picture.height, picture.width))
    paled = Image.fromarray(_paled(np.asarray(picture), choice.similarity[row], places))
    pen = Pen(paled)
    for chosen, mark in ((choice.negative[row], _negative), (choice.positive[row], _positive)):
        for patch in np.flatnonzero(chosen):
            mark(pen, places[patch])
    return np.asarray(pen.picture())


def outlined(
    picture: Image.Image, inside: Bool[np.ndarray, "patches"], grid: tuple[int, int]
) -> UInt8[np.ndarray, "height width 3"]:
    """A picture with a line around the patches that are on the person."""
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
    return np.asarray(pen.picture())


def _enlarged(picture: UInt8[np.ndarray, "height width 3"]) -> Image.Image:
    height, width = picture.shape[:2]
    scale = PANEL / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC)


def _paled(
    picture: UInt8[np.ndarray, "height width 3"],
    similarity: Float[np.ndarray, "patches"],
    places: list[Box],
) -> UInt8[np.ndarray, "height width 3"]:
    """White over each patch, the more the less similar it is."""
    spread = float(np.ptp(similarity)) or 1.0
    pixels = picture.astype(np.float32)
    for value, (left, top, right, bottom) in zip(similarity, places, strict=True):
        white = PALENESS * (1 - (float(value) - float(similarity.min())) / spread)
        pixels[top:bottom, left:right] += white * (255 - pixels[top:bottom, left:right])
    return pixels.round().astype(np.uint8)


def _positive(pen: Pen, box: Box) -> None:
    pen.frame(box, "white", 5)
    pen.frame(_inside(box), GOOD, 3)
    x, y, reach = _middle(box)
    check = [(x - reach, y), (x - 0.3 * reach, y + 0.7 * reach), (x + reach, y - 0.7 * reach)]
    pen.line(check, "white", 7)
    pen.line(check, GOOD, 4)


def _negative(pen: Pen, box: Box) -> None:
    pen.frame(box, "white", 4)
    pen.broken_frame(_inside(box), BAD, 2, stroke=5, gap=3)
    x, y, reach = _middle(box)
    for color, width in (("white", 6), (BAD, 3)):
        pen.line([(x - reach, y - reach), (x + reach, y + reach)], color, width)
        pen.line([(x - reach, y + reach), (x + reach, y - reach)], color, width)


def _inside(box: Box) -> Box:
    """One pixel of white stays around a frame: it must be seen on a picture of its own color."""
    return (box[0] + 1, box[1] + 1, box[2] - 1, box[3] - 1)


def _middle(box: Box) -> tuple[float, float, float]:
    """The middle of a patch, and how far its mark reaches from there."""
    reach = max(2.0, min(8.0, 0.2 * min(box[2] - box[0], box[3] - box[1])))
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2, reach


def _legend(sheet: Image.Image, explanation: Explanation) -> None:
    """A sample of each mark and what it means, over the sheet."""
    drawing, left, top = ImageDraw.Draw(sheet), _MARGIN, _MARGIN - 6
    for mark, meaning in ((_positive, "taken for the object"), (_negative, "taken for something else")):
        pen = Pen(Image.new("RGB", (22, 22), "white"))
        mark(pen, (0, 0, 22, 22))
        sheet.paste(pen.picture(), (left, top))
        left = _write(drawing, meaning, (left + 30, top + 3), 400, INK) + 28
    rest = "the paler, the less similar to the whole picture"
    if explanation.person is not None:
        rest += "; outlined: on the person, as is known here"
    _write(drawing, rest, (left, top + 3), 640, MUTED)


def _write(drawing: ImageDraw.ImageDraw, text: str, corner: tuple[int, int], width: int, color: str) -> int:
    """One line, cut to a width; returns where it ends."""
    font = ImageFont.load_default(14)
    while text and drawing.textlength(text, font) > width:
        text = text[:-1]
    drawing.text(corner, text, fill=color, font=font)
    return corner[0] + round(drawing.textlength(text, font))
