"""A sheet holds what was asked for, whatever the method, and is written whole."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageColor

from reknow.errors import RunError
from reknow.explain.attention_panels import attention_panels
from reknow.explain.colors import GOOD
from reknow.explain.panels import panels_of
from reknow.explain.sheet import save_attention_sheet, save_token_sheet

GREEN = ImageColor.getrgb(GOOD)


@pytest.mark.parametrize("pictures", [1, 7])
def test_a_sheet_holds_as_many_pictures_as_asked_for_and_there_are(explanation, tmp_path, pictures):
    path = save_token_sheet(explanation(known=True, pictures=pictures), tmp_path / "sheet.png", shown=5)
    with Image.open(path) as sheet:
        pixels = np.asarray(sheet)
    # A frame's left edge: so many pixels for each picture before and after, and one sample in the legend.
    greens = (pixels == GREEN).all(axis=2).sum()
    alone = (panels_of(explanation(known=True), 0)[""]["after training"] == GREEN).all(axis=2).sum()
    assert 2 * min(pictures, 5) * alone < greens < (2 * min(pictures, 5) + 1) * alone


def test_every_panel_of_every_line_is_on_the_sheet(selection, tmp_path):
    made = selection(known=True)
    with Image.open(save_token_sheet(made, tmp_path / "sheet.png", shown=1)) as sheet:
        pixels = np.asarray(sheet)
    white = (pixels == 255).all(axis=2)
    corners = np.argwhere(~white[1:, 1:] & white[:-1, 1:] & white[1:, :-1]) + 1  # panels stand on white ground
    for line in panels_of(made, 0).values():
        for title, panel in line.items():
            tall, wide = panel.shape[:2]
            assert any(np.array_equal(pixels[top : top + tall, left : left + wide], panel) for top, left in corners), (
                title
            )


@pytest.mark.parametrize("known", [True, False])
def test_every_panel_of_attention_is_on_the_sheet(attention, tmp_path, known):
    made = attention(known=known)
    with Image.open(save_attention_sheet(made, tmp_path / "sheet.png", shown=5)) as sheet:
        pixels = np.asarray(sheet)
    white = (pixels == 255).all(axis=2)
    corners = np.argwhere(~white[1:, 1:] & white[:-1, 1:] & white[1:, :-1]) + 1
    for row in range(2):
        for title, panel in attention_panels(made, row)[""].items():
            tall, wide = panel.shape[:2]
            places = (pixels[top : top + tall, left : left + wide] for top, left in corners)
            assert any(np.array_equal(place, panel) for place in places), title


def test_equal_explanations_give_equal_files_and_none_is_half_written(explanation, tmp_path):
    first, second = (save_token_sheet(explanation(known=True), tmp_path / name, 2) for name in ("a.png", "b.png"))
    assert first.read_bytes() == second.read_bytes()
    with pytest.raises(RunError, match="cannot be written"):
        save_token_sheet(explanation(known=True), tmp_path / "absent" / "sheet.png", 2)


def test_long_names_do_not_widen_the_sheet(explanation, tmp_path):
    wide = replace(
        explanation(known=False), pictures={"rgb": np.zeros((2, 10, 90, 3), dtype=np.uint8)}, names=("a" * 900, "b")
    )
    with Image.open(save_token_sheet(wide, tmp_path / "sheet.png", 2)) as sheet:
        assert sheet.width < 1900
