"""The pen leaves alone what it does not touch, and a PNG is written whole or not at all."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from reknow.errors import RunError
from reknow.explain.drawing import Pen, save_png


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
    pen.broken_frame((0, 0, 16, 24), "#ff0000", 1, stroke=4, gap=2)
    left = (np.asarray(pen.picture())[1:-1, 0] == (255, 0, 0)).all(axis=1)
    assert 0.5 < left.mean() < 0.8


def test_a_png_that_cannot_be_written_leaves_nothing(noise, tmp_path):
    with Image.open(save_png(noise, tmp_path / "a.png")) as written:
        assert np.array_equal(np.asarray(written), np.asarray(noise))
    with pytest.raises(RunError, match="cannot be written"):
        save_png(noise, tmp_path / "absent" / "a.png")
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]
