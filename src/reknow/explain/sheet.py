"""Sheets: observations with the patches that networks selected in them, or with what they attend to, as one picture.

Marks differ by more than color, and are explained at the top.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from reknow.explain.attention_explanation import AttentionExplanation
from reknow.explain.attention_panels import attention_panels
from reknow.explain.colors import INK, MUTED
from reknow.explain.drawing import SAMPLE, Mark, save_png
from reknow.explain.explanation import Explanation
from reknow.explain.panels import Lines, legend_of, panels_of

_WIDTH = 1840  # pixels of a sheet: three pictures of three panels side by side, or two of seven
_GAP, _MARGIN, _LINE = 8, 28, 22
_SIDE = 36  # where several lines say which they are


def save_token_sheet(explanation: Explanation, path: Path, shown: int) -> Path:
    """Draw what was selected in the first observations into a PNG on white ground.

    Args:
        explanation: what was selected.
        path: where the PNG goes.
        shown: how many observations.

    Returns:
        `path`.

    Raises:
        RunError: the file cannot be written.
    """
    blocks = {name: panels_of(explanation, row) for row, name in enumerate(explanation.names[:shown])}
    return _save(explanation.about, legend_of(explanation), blocks, path)


def save_attention_sheet(explanation: AttentionExplanation, path: Path, shown: int) -> Path:
    """Draw what networks attend to in the first observations; arguments as of :func:`save_token_sheet`.

    Raises:
        RunError: the file cannot be written.
    """
    blocks = {name: attention_panels(explanation, row) for row, name in enumerate(explanation.names[:shown])}
    return _save(explanation.about, (), blocks, path)


def _save(about: str, legend: Sequence[tuple[Mark, str]], observations: Mapping[str, Lines], path: Path) -> Path:
    """What the sheet shows in words, the marks and what they mean, and the panels of each observation by its name."""
    blocks = [_block(name, lines) for name, lines in observations.items()]
    wide, tall = blocks[0].size
    beside = min(len(blocks), max(1, (_WIDTH - 2 * _MARGIN + 4 * _GAP) // (wide + 4 * _GAP)))
    across = beside * (wide + 4 * _GAP) - 4 * _GAP
    head = _head(about, legend, max(across, _WIDTH // 2))
    down = -(-len(blocks) // beside)
    size = (2 * _MARGIN + max(across, head.width), 2 * _MARGIN + head.height + down * (tall + 3 * _GAP))
    sheet = Image.new("RGB", size, "white")
    sheet.paste(head, (_MARGIN, _MARGIN))
    for number, block in enumerate(blocks):
        left = _MARGIN + (number % beside) * (wide + 4 * _GAP)
        sheet.paste(block, (left, _MARGIN + head.height + (number // beside) * (tall + 3 * _GAP)))
    return save_png(sheet, path)


def _block(name: str, lines: Lines) -> Image.Image:
    """One observation: its name, the titles of the columns, and the lines of panels."""
    titles = next(iter(lines.values()))
    tall, wide = next(iter(titles.values())).shape[:2]
    side = _SIDE if any(lines) else 0
    size = (side + len(titles) * (wide + _GAP) - _GAP, 2 * _LINE + len(lines) * (tall + _GAP) - _GAP)
    block = Image.new("RGB", size, "white")
    drawing = ImageDraw.Draw(block)
    _write(drawing, name, (0, 0), size[0], INK)
    for column, title in enumerate(titles):
        _write(drawing, title, (side + column * (wide + _GAP), _LINE), wide, MUTED)
    for row, (line, panels) in enumerate(lines.items()):
        top = 2 * _LINE + row * (tall + _GAP)
        _write(drawing, line, (0, top), side, MUTED)
        for column, panel in enumerate(panels.values()):
            block.paste(Image.fromarray(np.asarray(panel)), (side + column * (wide + _GAP), top))
    return block


def _head(about: str, legend: Sequence[tuple[Mark, str]], width: int) -> Image.Image:
    """What the sheet shows in words, then a sample of each mark and what it means."""
    lines = _wrapped(about, width)
    head = Image.new("RGB", (width, len(lines) * _LINE + (2 * _LINE if legend else 0) + _GAP), "white")
    drawing = ImageDraw.Draw(head)
    for number, line in enumerate(lines):
        _write(drawing, line, (0, number * _LINE), width, MUTED)
    left, top = 0, len(lines) * _LINE + _GAP // 2
    for mark, meaning in legend:
        head.paste(mark.sample(), (left, top))
        left = _write(drawing, meaning, (left + SAMPLE + _GAP, top + 3), width, INK) + 28
    return head


def _wrapped(text: str, width: int) -> list[str]:
    """Lines of whole words that are at most so many pixels wide."""
    font, lines = _font(), [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _write(drawing: ImageDraw.ImageDraw, text: str, corner: tuple[int, int], width: int, color: str) -> int:
    """One line, cut to a width; returns where it ends."""
    font = _font()
    while text and drawing.textlength(text, font) > width:
        text = text[:-1]
    drawing.text(corner, text, fill=color, font=font)
    return corner[0] + round(drawing.textlength(text, font))


def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(14)
