"""A rank sheet as one PNG, for a paper or a message.

A hit has a green, whole frame and a check mark; a miss a red, broken frame and a cross, so that the sheet can be read
without telling the colors apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from reknow.errors import RunError
from reknow.explain.drawing import BAD, GOOD, INK, MUTED, broken_frame, save_png
from reknow.report.content import RankedPicture, RankRow

SHOWN = 10
"""Gallery pictures per query."""

_TALL, _WIDE = (96, 192), (192, 144)
"""(width, height) of a picture's cell in pixels: people and other tall pictures; vehicles, or spectra side by side."""

_GAP, _MARGIN, _CAPTION, _FRAME = 16, 28, 40, 4  # pixels


def save_rank_sheet(rows: Sequence[RankRow], path: Path) -> Path:
    """Draw the rows, one under the other, into a PNG on white ground.

    Args:
        rows: queries with their rankings; at most SHOWN pictures of each are drawn. The first says how wide all cells
            are, and a picture of another form is made to fit.
        path: where the PNG goes; written beside and then renamed, never half.

    Returns:
        `path`.

    Raises:
        RunError: there is nothing to draw, or the file cannot be written.
    """
    path = Path(path)
    if not rows:
        raise RunError(path, found="no query to draw", expected="at least one row", remedy="Choose some queries first.")
    height, width = rows[0].picture.shape[:2]
    cell = _WIDE if width > height else _TALL
    columns = 1 + max(min(len(row.results), SHOWN) for row in rows)
    across, down = cell[0] + _GAP, cell[1] + _CAPTION + _GAP
    size = (2 * _MARGIN + columns * across + _GAP, 2 * _MARGIN + len(rows) * down - _GAP)
    sheet = _Sheet(Image.new("RGB", size, "white"), *cell)
    for number, row in enumerate(rows):
        top = _MARGIN + number * down
        sheet.query(row, (_MARGIN, top))
        for rank, result in enumerate(row.results[:SHOWN], start=1):
            sheet.result(result, (_MARGIN + rank * across + _GAP, top), rank)
    return save_png(sheet.image, path)


class _Sheet:
    """An image of cells, each a picture with two lines under it.

    Args:
        image: what is drawn on.
        width, height: of a cell's picture.
    """

    def __init__(self, image: Image.Image, width: int, height: int) -> None:
        self.image = image
        self.drawing = ImageDraw.Draw(image)
        self.width = width
        self.height = height

    def query(self, row: RankRow, corner: tuple[int, int]) -> None:
        box = self._picture(row.picture, corner)
        self.drawing.rectangle(_around(box), outline=INK, width=_FRAME)
        score = row.kind if row.average_precision is None else f"{row.kind}, AP {100 * row.average_precision:.0f} %"
        self._caption(corner, score, row.camera)

    def result(self, result: RankedPicture, corner: tuple[int, int], rank: int) -> None:
        color = GOOD if result.match else BAD
        box = self._picture(result.picture, corner)
        if result.match:
            self.drawing.rectangle(_around(box), outline=color, width=_FRAME)
        else:
            broken_frame(self.drawing, _around(box), color, width=_FRAME)
        _mark(self.drawing, box, result.match, color)
        self._caption(corner, f"{rank}   {result.similarity:.2f}", result.camera)

    def _picture(self, picture: np.ndarray, corner: tuple[int, int]) -> tuple[int, int, int, int]:
        """Fit a picture into its cell, its proportions kept; returns the box that it covers."""
        image = Image.fromarray(picture)
        scale = min(self.width / image.width, self.height / image.height)
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        left, top = corner[0] + (self.width - size[0]) // 2, corner[1] + (self.height - size[1]) // 2
        self.image.paste(image.resize(size, Image.Resampling.BICUBIC), (left, top))
        return (left, top, left + size[0] - 1, top + size[1] - 1)

    def _caption(self, corner: tuple[int, int], first: str, second: str) -> None:
        """Two lines, cut to the width of the cell: camera names may be long."""
        font = ImageFont.load_default(12)
        for below, text, color in ((6, first, INK), (22, second, MUTED)):
            while text and self.drawing.textlength(text, font) > self.width:
                text = text[:-1]
            self.drawing.text((corner[0], corner[1] + self.height + below), text, fill=color, font=font)


def _around(box: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """The frame lies outside the picture: it hides nothing and stands on white."""
    return (box[0] - _FRAME, box[1] - _FRAME, box[2] + _FRAME, box[3] + _FRAME)


def _mark(drawing: ImageDraw.ImageDraw, box: tuple[int, int, int, int], match: bool, color: str) -> None:
    """A check or a cross in the upper right corner."""
    x, y = box[2] - 14, box[1] - 8
    drawing.ellipse((x - 2, y - 2, x + 22, y + 22), fill="white")
    drawing.ellipse((x, y, x + 20, y + 20), fill=color)
    if match:
        drawing.line([(x + 5, y + 10), (x + 9, y + 14), (x + 15, y + 6)], fill="white", width=3)
    else:
        drawing.line([(x + 6, y + 6), (x + 14, y + 14)], fill="white", width=3)
        drawing.line([(x + 14, y + 6), (x + 6, y + 14)], fill="white", width=3)
