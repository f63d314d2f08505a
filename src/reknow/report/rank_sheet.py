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
from reknow.explain.colors import BAD, GOOD, INK, MUTED
from reknow.explain.drawing import Pen, frame, save_png
from reknow.report.content import RANKED_AT_MOST, RankedPicture, RankRow

_TALL, _WIDE = (96, 192), (192, 144)
"""(width, height) of a picture's cell in pixels: people and other tall pictures; vehicles, or spectra side by side."""

_GAP, _MARGIN, _CAPTION, _FRAME, _MARK = 16, 28, 40, 4, 25  # pixels


def save_rank_sheet(rows: Sequence[RankRow], path: Path) -> Path:
    """Draw the rows, one under the other, into a PNG on white ground.

    Args:
        rows: queries with their rankings; at most :data:`RANKED_AT_MOST` pictures of each are drawn. The first query's
            picture decides how wide all cells are; a picture of another shape is scaled to fit.
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
    columns = 1 + max(min(len(row.results), RANKED_AT_MOST) for row in rows)
    across, down = cell[0] + _GAP, cell[1] + _CAPTION + _GAP
    size = (2 * _MARGIN + columns * across + _GAP, 2 * _MARGIN + len(rows) * down - _GAP)
    sheet = _Sheet(Image.new("RGB", size, "white"), *cell)
    for number, row in enumerate(rows):
        top = _MARGIN + number * down
        sheet.query(row, (_MARGIN, top))
        for rank, result in enumerate(row.results[:RANKED_AT_MOST], start=1):
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
        frame(self.drawing, _around(box), INK, width=_FRAME)
        score = row.kind if row.average_precision is None else f"{row.kind}, AP {100 * row.average_precision:.0f} %"
        self._caption(corner, score, row.camera)

    def result(self, result: RankedPicture, corner: tuple[int, int], rank: int) -> None:
        box = self._picture(result.picture, corner)
        if result.match:
            frame(self.drawing, _around(box), GOOD, width=_FRAME)
        else:
            frame(self.drawing, _around(box), BAD, width=_FRAME, stroke=8, gap=4)
        left, top = box[2] - 16, box[1] - 10  # the upper right corner
        ground = self.image.crop((left, top, left + _MARK, top + _MARK))
        self.image.paste(_mark(result.match, ground), (left, top))
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


def _mark(match: bool, ground: Image.Image) -> Image.Image:
    """A check or a cross on a disc, in a square of :data:`_MARK` pixels."""
    pen, middle = Pen(ground), (_MARK / 2, _MARK / 2)
    pen.disc(middle, _MARK / 2, "white")
    pen.disc(middle, _MARK / 2 - 2, GOOD if match else BAD)
    if match:
        pen.check(middle, 5.0, "white", 3)
    else:
        pen.cross(middle, 4.0, "white", 3)
    return pen.picture()
