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

_CELL, _TALL, _GAP, _MARGIN, _CAPTION, _FRAME = 96, 192, 16, 28, 40, 4  # pixels


def save_rank_sheet(rows: Sequence[RankRow], path: Path) -> Path:
    """Draw the rows, one under the other, into a PNG on white ground.

    Args:
        rows: queries with their rankings; at most SHOWN pictures of each are drawn.
        path: where the PNG goes; written beside and then renamed, never half.

    Returns:
        `path`.

    Raises:
        RunError: there is nothing to draw, or the file cannot be written.
    """
    path = Path(path)
    if not rows:
        raise RunError(path, found="no query to draw", expected="at least one row", remedy="Choose some queries first.")
    columns = 1 + max(min(len(row.results), SHOWN) for row in rows)
    width = 2 * _MARGIN + columns * (_CELL + _GAP) + _GAP
    tall = _TALL + _CAPTION + _GAP
    sheet = Image.new("RGB", (width, 2 * _MARGIN + len(rows) * tall - _GAP), "white")
    drawing = ImageDraw.Draw(sheet)
    for number, row in enumerate(rows):
        top = _MARGIN + number * tall
        _draw_query(sheet, drawing, row, top)
        for rank, result in enumerate(row.results[:SHOWN], start=1):
            left = _MARGIN + rank * (_CELL + _GAP) + _GAP
            _draw_result(sheet, drawing, result, (left, top), rank)
    return save_png(sheet, path)


def _draw_query(sheet: Image.Image, drawing: ImageDraw.ImageDraw, row: RankRow, top: int) -> None:
    box = _paste(sheet, row.picture, _MARGIN, top)
    drawing.rectangle(_around(box), outline=INK, width=_FRAME)
    score = "query" if row.average_precision is None else f"query  AP {100 * row.average_precision:.0f} %"
    _write(drawing, score, _MARGIN, top + _TALL + 6, INK)
    _write(drawing, row.camera, _MARGIN, top + _TALL + 22, MUTED)


def _draw_result(
    sheet: Image.Image, drawing: ImageDraw.ImageDraw, result: RankedPicture, corner: tuple[int, int], rank: int
) -> None:
    left, top = corner
    color = GOOD if result.match else BAD
    box = _paste(sheet, result.picture, left, top)
    if result.match:
        drawing.rectangle(_around(box), outline=color, width=_FRAME)
    else:
        broken_frame(drawing, _around(box), color, width=_FRAME)
    _mark(drawing, box, result.match, color)
    _write(drawing, f"{rank}   {result.similarity:.2f}", left, top + _TALL + 6, INK)
    _write(drawing, result.camera, left, top + _TALL + 22, MUTED)


def _paste(sheet: Image.Image, picture: np.ndarray, left: int, top: int) -> tuple[int, int, int, int]:
    """Fit a picture into its cell, its proportions kept; returns the box that it covers."""
    image = Image.fromarray(picture)
    scale = min(_CELL / image.width, _TALL / image.height)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    corner = (left + (_CELL - size[0]) // 2, top + (_TALL - size[1]) // 2)
    sheet.paste(image.resize(size, Image.Resampling.BICUBIC), corner)
    return (*corner, corner[0] + size[0] - 1, corner[1] + size[1] - 1)


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


def _write(drawing: ImageDraw.ImageDraw, text: str, left: int, top: int, color: str) -> None:
    """One line, cut to the width of a cell: camera names may be long."""
    font = ImageFont.load_default(12)
    while text and drawing.textlength(text, font) > _CELL:
        text = text[:-1]
    drawing.text((left, top), text, fill=color, font=font)
