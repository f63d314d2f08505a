"""The pen leaves alone what it does not touch, marks differ by their form, and a PNG is written whole or not at all."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from PIL import Image, ImageColor

from reknow.errors import RunError
from reknow.explain.colors import BAD, BLUE, GOOD, ORANGE
from reknow.explain.drawing import CHECK, CROSS, DISC, ZIGZAG, Mark, Pen, numbered, save_png


@pytest.fixture
def noise() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 255, (24, 16, 3), dtype=np.uint8))


def test_a_frame_is_the_boxs_own_edge_and_everything_else_stays(noise):
    pen = Pen(noise)
    pen.frame((2, 4, 12, 20), "#ff0000", 3)
    frame = np.zeros((24, 16), dtype=bool)
    frame[4:20, 2:12] = True
    frame[7:17, 5:9] = False
    drawn, before = np.asarray(pen.picture()), np.asarray(noise)
    assert (drawn[frame] == (255, 0, 0)).all()
    assert np.array_equal(drawn[~frame], before[~frame])


def test_a_broken_frame_has_gaps_of_the_picture(noise):
    pen = Pen(noise)
    pen.frame((0, 0, 16, 24), "#ff0000", 1, stroke=4, gap=2)
    left = (np.asarray(pen.picture())[1:-1, 0] == (255, 0, 0)).all(axis=1)
    assert 0.5 < left.mean() < 0.8


def test_a_png_that_cannot_be_written_leaves_nothing(noise, tmp_path):
    with Image.open(save_png(noise, tmp_path / "a.png")) as written:
        assert np.array_equal(np.asarray(written), np.asarray(noise))
    with pytest.raises(RunError, match="cannot be written"):
        save_png(noise, tmp_path / "absent" / "a.png")
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]


# --- Marks ------------------------------------------------------------------------------------------------------------

MARKS = (CHECK, CROSS, DISC, ZIGZAG, numbered(4), numbered(5))


def drawn(*marks: Mark, edge: int = 28) -> np.ndarray:
    pen = Pen(Image.new("RGB", (edge, edge), (128, 128, 128)))
    for mark in marks:
        mark.draw(pen, (0, 0, edge, edge))
    return np.asarray(pen.picture())


def pixels(picture: np.ndarray, color: str) -> int:
    return int((picture == ImageColor.getrgb(color)).all(axis=2).sum())


@pytest.mark.parametrize("pair", list(combinations(MARKS, 2)), ids=lambda pair: "-".join(mark.form for mark in pair))
def test_without_color_marks_differ_still(pair):
    first, second = (drawn(mark).mean(axis=2) for mark in pair)
    assert (np.abs(first - second) > 40).mean() > 0.02


def test_a_positives_frame_is_whole_and_a_negatives_has_gaps():
    whole, broken = drawn(CHECK, edge=160), drawn(CROSS, edge=160)
    assert (whole[1:-1, 1] == ImageColor.getrgb(GOOD)).all()
    strokes = (broken[1:-1, -2] == ImageColor.getrgb(BAD)).all(axis=1)
    assert 0.5 < strokes.mean() < 0.8


@pytest.mark.parametrize("edge", [14, 28, 56])
def test_both_reasons_show_in_one_patch(edge):
    both = drawn(DISC, ZIGZAG, edge=edge)
    for mark, color in ((DISC, BLUE), (ZIGZAG, ORANGE)):
        assert pixels(both, color) > 0.8 * pixels(drawn(mark, edge=edge), color) > 0


def test_a_sample_holds_the_mark():
    assert pixels(np.asarray(DISC.sample()), BLUE) > 10
