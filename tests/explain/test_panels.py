"""Panels: all sets in one picture, or the reasons for what is kept one by one; each drawn where its patches are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageColor

from reknow.explain import colors
from reknow.explain.drawing import CHECK, CROSS, DISC, ZIGZAG
from reknow.explain.panels import (
    NARROW,
    PALENESS,
    WIDE,
    blanked,
    empty,
    enlarged,
    marks_of,
    outlined,
    paled,
    paleness,
    panels_of,
)
from reknow.methods.selected import PatchSet, SelectedPatches

COLUMNS = ["picture", "rollout", "spatial", "frequency", "kept", "dropped"]
BLUE, ORANGE, GREEN, RED = (ImageColor.getrgb(color) for color in (colors.BLUE, colors.ORANGE, colors.GOOD, colors.BAD))


def where(panel: np.ndarray, color: tuple[int, ...]) -> set[int]:
    """Which of the 2 x 2 patches of a panel hold pixels of a color."""
    rows, columns = np.nonzero((panel == color).all(axis=2))
    tall, wide = panel.shape[:2]
    return set((rows // (tall // 2) * 2 + columns // (wide // 2)).tolist())


# --- All sets in one picture ------------------------------------------------------------------------------------------


def test_the_positive_is_green_the_negative_red_each_in_its_patch(explanation):
    drawn = panels_of(explanation(known=False), 0)[""]
    assert list(drawn) == ["picture", "before training", "after training"]
    assert drawn["after training"].shape == (WIDE, WIDE // 2, 3)
    assert where(drawn["after training"], GREEN) == {0} and where(drawn["after training"], RED) == {3}
    assert where(drawn["before training"], GREEN) == {3} and where(drawn["before training"], RED) == {0}
    assert where(drawn["picture"], GREEN) == where(drawn["picture"], RED) == set()


def test_a_patch_is_the_paler_the_less_similar_it_is(explanation):
    panel = panels_of(explanation(known=False), 0)[""]["after training"]
    high, middle, low = panel[30, 30, 0], panel[40, 120, 0], panel[WIDE - 30, WIDE // 2 - 30, 0]
    assert high == 100
    assert middle == round(100 + 0.5 * PALENESS * 155)
    assert low == round(100 + PALENESS * 155)


def test_patches_on_the_person_are_outlined_where_they_are_known(explanation):
    known, unknown = (panels_of(explanation(known=known), 0)[""]["picture"] for known in (True, False))
    assert (unknown == 100).all()
    # Patches 0 and 1 are on the person: a line along the middle.
    assert (known[WIDE // 2, 20:-20] < 60).all()
    assert np.argwhere((known != unknown).any(axis=2))[:, 0].max() < WIDE // 2 + 4


def test_pictures_of_any_shape_are_drawn(explanation):
    made = explanation(known=False, before=False)
    wide = replace(made, pictures={"rgb": np.zeros((2, 10, 90, 3), dtype=np.uint8)})
    assert list(panels_of(wide, 0)[""]) == ["picture", "after training"]
    assert panels_of(wide, 0)[""]["after training"].shape[1] == WIDE


def test_the_first_set_lies_on_top_and_scores_may_be_missing(explanation):
    made = explanation(known=False, before=False)
    first = made.after["positives"]
    second = replace(made.after["negatives"], patches=first.patches)
    changed = replace(made, selected={"after": replace(made.after, sets=(first, second), scores=None)})
    panel = panels_of(changed, 0)[""]
    assert where(panel["after training"], GREEN) == {0}
    assert panel["after training"][-30, -30].tolist() == [100, 100, 100]  # nothing is pale without scores


# --- Reasons one by one -----------------------------------------------------------------------------------------------


def patches_that_are(panel: np.ndarray, value: int) -> set[int]:
    """Which of the 2 x 2 patches of a panel have this gray away from lines and marks, in their lower left corner."""
    corners = [(NARROW // 2 * (row + 1) - 12, NARROW // 4 * column + 8) for row in range(2) for column in range(2)]
    return {patch for patch, (row, column) in enumerate(corners) if abs(int(panel[row, column, 0]) - value) <= 1}


def test_columns_say_what_was_asked_for_kept_and_dropped(selection):
    drawn = panels_of(selection(known=True), 0)
    assert list(drawn) == ["rgb", "nir"]
    assert list(drawn["rgb"]) == [*COLUMNS, "kept before"]
    pale = round(100 + PALENESS * 155)
    for spectrum, attended in (("rgb", {0}), ("nir", {2})):
        line = drawn[spectrum]
        assert where(line["spatial"], BLUE) == attended == patches_that_are(line["spatial"], 100)
        assert where(line["frequency"], ORANGE) == {1} == patches_that_are(line["frequency"], 100)
        assert where(line["kept"], BLUE) == attended and where(line["kept"], ORANGE) == {1}
        assert patches_that_are(line["kept"], 100) == {0, 1, 2} and patches_that_are(line["kept"], pale) == {3}
        assert patches_that_are(line["dropped"], 100) == {3}
        assert patches_that_are(line["kept before"], 100) == {3}
        assert patches_that_are(line["rollout"], 100) == {0} and patches_that_are(line["rollout"], pale) == {3}
    assert not np.array_equal(drawn["rgb"]["picture"], drawn["nir"]["picture"])  # each outlined by its own mask


def test_a_spectrum_that_is_missing_is_blank_and_says_so(selection):
    panels = panels_of(selection(known=True), 1)["nir"]
    assert panels["picture"].min() < 160
    assert {len(np.unique(panel.reshape(-1, 3), axis=0)) for title, panel in panels.items() if title != "picture"} == {
        1
    }
    assert len({panel.shape for panel in panels.values()}) == 1


def test_without_a_start_there_is_no_column_for_it(selection):
    assert list(panels_of(selection(known=False, before=False), 0)["rgb"]) == COLUMNS


# --- Which set has which mark -----------------------------------------------------------------------------------------


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


# --- Over the patches of one picture ----------------------------------------------------------------------------------


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
