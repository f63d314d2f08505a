"""Marks are told apart by their form, and two reasons fit in one patch."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from PIL import Image

from reknow.explain.drawing import BLUE, ORANGE, Pen
from reknow.explain.marks import Mark, attended, negative, positive, salient, sample

MARKS = (positive, negative, attended, salient)


def drawn(*marks: Mark, edge: int = 28) -> np.ndarray:
    pen = Pen(Image.new("RGB", (edge, edge), (128, 128, 128)))
    for mark in marks:
        mark(pen, (0, 0, edge, edge))
    return np.asarray(pen.picture())


def pixels(picture: np.ndarray, color: str) -> int:
    return int((picture == [int(color[at : at + 2], 16) for at in (1, 3, 5)]).all(axis=2).sum())


@pytest.mark.parametrize(
    "pair", list(combinations(MARKS, 2)), ids=lambda pair: "-".join(mark.__name__ for mark in pair)
)
def test_without_color_marks_differ_still(pair):
    one, other = (drawn(mark).mean(axis=2) != 128 for mark in pair)
    assert (one != other).mean() > 0.05


def test_a_positives_frame_is_whole_and_a_negatives_has_gaps():
    whole, broken = drawn(positive, edge=160), drawn(negative, edge=160)
    assert (whole[1:-1, 1] == (0x13, 0x80, 0x3F)).all()
    strokes = (broken[1:-1, -2] == (0xC4, 0x2B, 0x2B)).all(axis=1)
    assert 0.5 < strokes.mean() < 0.8


@pytest.mark.parametrize("edge", [14, 28, 56])
def test_both_reasons_are_seen_in_one_patch(edge):
    both = drawn(attended, salient, edge=edge)
    for mark, color in ((attended, BLUE), (salient, ORANGE)):
        assert pixels(both, color) > 0.8 * pixels(drawn(mark, edge=edge), color) > 0


def test_a_sample_holds_the_mark():
    assert pixels(np.asarray(sample(attended)), BLUE) > 10
