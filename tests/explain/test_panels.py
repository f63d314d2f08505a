"""What is drawn over a picture stands where the patches are, and nowhere else; marks are told apart by their form."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from PIL import Image

from reknow.explain.drawing import BLUE, ORANGE, Pen
from reknow.explain.panels import (
    CHECK,
    CROSS,
    DISC,
    PALENESS,
    ZIGZAG,
    Mark,
    blanked,
    empty,
    enlarged,
    marks_of,
    numbered,
    outlined,
    paled,
    paleness,
)
from reknow.methods.selected import PatchSet, SelectedPatches


@pytest.fixture
def gray() -> Image.Image:
    return Image.new("RGB", (40, 80), (100, 100, 100))


def test_the_longer_side_is_as_long_as_asked_for():
    assert enlarged(np.zeros((128, 64, 3), np.uint8), 224).size == (112, 224)
    assert enlarged(np.zeros((64, 128, 3), np.uint8), 224).size == (224, 112)


def test_the_largest_value_is_not_pale_and_equal_values_are_alike():
    assert paleness(np.array([3.0, 1.0, 2.0])).tolist() == pytest.approx([0.0, PALENESS, PALENESS / 2])
    assert len(set(paleness(np.zeros(3)).tolist())) == 1


def test_each_patch_is_paled_by_its_own_share(gray):
    pixels = np.asarray(paled(gray, np.array([0.0, 1.0, 0.5, 0.2]), (2, 2)))
    assert [pixels[row, column, 0] for row in (10, 70) for column in (5, 35)] == [100, 255, 178, 131]


def test_an_outline_goes_around_an_area_and_not_through_it(gray):
    pixels = np.asarray(outlined(gray, np.array([True, True, False, False]), (2, 2)))
    assert (pixels[40, 5:-5] < 60).all()
    assert (pixels[5:35, 20] == 100).all() and (pixels[50:] == 100).all()


def test_what_is_blanked_out_is_light_with_strokes_and_the_rest_stays(gray):
    pixels = np.asarray(blanked(gray, np.array([False, True, False, False]), (2, 2)))
    assert (pixels[:40, 20:] > 180).all() and len(np.unique(pixels[:40, 20:])) > 2
    assert (pixels[:, :20] == 100).all() and (pixels[40:] == 100).all()


def test_an_empty_panel_says_why():
    assert len(np.unique(np.asarray(empty((60, 30))))) == len("ink")  # one color of three channels
    assert np.asarray(empty((60, 30), "no nir")).min() < 160


# --- Marks ------------------------------------------------------------------------------------------------------------

MARKS = (CHECK, CROSS, DISC, ZIGZAG, numbered(4), numbered(5))


def drawn(*marks: Mark, edge: int = 28) -> np.ndarray:
    pen = Pen(Image.new("RGB", (edge, edge), (128, 128, 128)))
    for mark in marks:
        mark.draw(pen, (0, 0, edge, edge))
    return np.asarray(pen.picture())


def pixels(picture: np.ndarray, color: str) -> int:
    return int((picture == [int(color[at : at + 2], 16) for at in (1, 3, 5)]).all(axis=2).sum())


@pytest.mark.parametrize("pair", list(combinations(MARKS, 2)), ids=lambda pair: "-".join(mark.form for mark in pair))
def test_without_color_marks_differ_still(pair):
    one, other = (drawn(mark).mean(axis=2) for mark in pair)
    assert (np.abs(one - other) > 40).mean() > 0.02


def test_a_positives_frame_is_whole_and_a_negatives_has_gaps():
    whole, broken = drawn(CHECK, edge=160), drawn(CROSS, edge=160)
    assert (whole[1:-1, 1] == (0x13, 0x80, 0x3F)).all()
    strokes = (broken[1:-1, -2] == (0xC4, 0x2B, 0x2B)).all(axis=1)
    assert 0.5 < strokes.mean() < 0.8


@pytest.mark.parametrize("edge", [14, 28, 56])
def test_both_reasons_are_seen_in_one_patch(edge):
    both = drawn(DISC, ZIGZAG, edge=edge)
    for mark, color in ((DISC, BLUE), (ZIGZAG, ORANGE)):
        assert pixels(both, color) > 0.8 * pixels(drawn(mark, edge=edge), color) > 0


def test_a_sample_holds_the_mark():
    assert pixels(np.asarray(DISC.sample()), BLUE) > 10


def sets(**expected: str) -> tuple[PatchSet, ...]:
    nothing = {"rgb": np.zeros((1, 1), dtype=bool)}
    return tuple(PatchSet(name=name, meaning="", patches=nothing, expected=place) for name, place in expected.items())


def test_any_number_of_sets_has_marks_that_differ():
    many = sets(a="object", b="background", c="object", d="object", e="object", f="background")
    marks = marks_of(SelectedPatches(grid=(1, 1), sets=many))
    assert list(marks) == ["a", "b", "c", "d", "e", "f"]
    assert list(marks.values())[:4] == [CHECK, CROSS, DISC, ZIGZAG]
    assert [marks[name].form for name in "ef"] == ["the number 5", "the number 6"]


def test_what_is_kept_needs_no_mark():
    kept = SelectedPatches(grid=(1, 1), sets=sets(kept="object", a="object", b="object"), drops=True)
    assert marks_of(kept) == {"a": DISC, "b": ZIGZAG}
    assert marks_of(SelectedPatches(grid=(1, 1), sets=sets(kept="object"), drops=True)) == {}
