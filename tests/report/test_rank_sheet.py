"""The rank sheet as a PNG: hits and misses where they belong, and written whole."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageColor

from reknow.errors import RunError
from reknow.explain.colors import BAD, GOOD
from reknow.report.content import RankedPicture, RankRow
from reknow.report.rank_sheet import save_rank_sheet

GREEN, RED = ImageColor.getrgb(GOOD), ImageColor.getrgb(BAD)


def gray_row(*matches: bool) -> RankRow:
    gray = np.full((64, 32, 3), 128, dtype=np.uint8)
    results = [RankedPicture(gray, match, 0.5, camera="a very long camera name that must be cut") for match in matches]
    return RankRow("best", gray, "q", 0.5, results)


def colored(path, color) -> np.ndarray:
    """(columns,) how many pixels of a color each column of the sheet has."""
    with Image.open(path) as sheet:
        return (np.asarray(sheet) == color).all(axis=2).sum(axis=0)


def test_hits_are_green_and_whole_misses_red_and_broken(tmp_path):
    path = save_rank_sheet([gray_row(True, False)], tmp_path / "sheet.png")
    green, red = colored(path, GREEN), colored(path, RED)
    assert np.flatnonzero(green).max() < np.flatnonzero(red).min()
    # The upright edges: one whole line of the picture's height, and one with gaps.
    assert green.max() > 192
    assert 0.5 * 192 < red[np.flatnonzero(red)[0]] < 0.8 * 192


def test_rows_of_different_length_and_shape_fit_on_one_sheet(tmp_path):
    wide = np.zeros((20, 90, 3), dtype=np.uint8)
    short = RankRow("worst", wide, "q", None, [RankedPicture(wide, False, -0.2)])
    path = save_rank_sheet([gray_row(*[True] * 12), short], tmp_path / "sheet.png")
    with Image.open(path) as sheet:
        assert sheet.format == "PNG" and sheet.width < 11 * 120 + 100
    assert [file.name for file in tmp_path.iterdir()] == ["sheet.png"]


def test_equal_rows_give_equal_files(tmp_path):
    first, second = (save_rank_sheet([gray_row(True)], tmp_path / name) for name in ("a.png", "b.png"))
    assert first.read_bytes() == second.read_bytes()


def test_nothing_to_draw_and_nowhere_to_write_are_errors(tmp_path):
    with pytest.raises(RunError, match="no query to draw"):
        save_rank_sheet([], tmp_path / "sheet.png")
    with pytest.raises(RunError, match="cannot be written"):
        save_rank_sheet([gray_row(True)], tmp_path / "absent" / "sheet.png")


def test_a_query_without_results_is_drawn_alone(tmp_path):
    path = save_rank_sheet([replace(gray_row(), camera="c1")], tmp_path / "sheet.png")
    with Image.open(path) as sheet:
        assert sheet.width < 250


def test_wide_pictures_have_wide_cells(tmp_path):
    wide = np.full((64, 196, 3), 128, dtype=np.uint8)
    row = RankRow("best", wide, "q", 0.5, [RankedPicture(wide, True, 0.5)])
    path = save_rank_sheet([row], tmp_path / "sheet.png")
    assert (colored(path, GREEN) > 0).sum() > 192
