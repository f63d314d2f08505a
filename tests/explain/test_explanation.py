"""What was selected, as panels and words: all sets in one picture, or the reasons for what is kept one by one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from reknow.explain.explanation import NARROW, WIDE
from reknow.explain.panels import PALENESS

COLUMNS = ["picture", "rollout", "spatial", "frequency", "kept", "dropped"]
BLUE, ORANGE = (0x2A, 0x5B, 0xD7), (0xA4, 0x5A, 0x00)
GREEN, RED = (0x13, 0x80, 0x3F), (0xC4, 0x2B, 0x2B)


def where(panel: np.ndarray, color: tuple[int, int, int]) -> set[int]:
    """Which of the 2 x 2 patches of a panel hold pixels of a color."""
    rows, columns = np.nonzero((panel == color).all(axis=2))
    tall, wide = panel.shape[:2]
    return set((rows // (tall // 2) * 2 + columns // (wide // 2)).tolist())


# --- All sets in one picture ------------------------------------------------------------------------------------------


def test_the_positive_is_green_the_negative_red_each_in_its_patch(explanation):
    drawn = explanation(known=False).panels(0)[""]
    assert list(drawn) == ["picture", "before training", "after training"]
    assert drawn["after training"].shape == (WIDE, WIDE // 2, 3)
    assert where(drawn["after training"], GREEN) == {0} and where(drawn["after training"], RED) == {3}
    assert where(drawn["before training"], GREEN) == {3} and where(drawn["before training"], RED) == {0}
    assert where(drawn["picture"], GREEN) == where(drawn["picture"], RED) == set()


def test_a_patch_is_the_paler_the_less_similar_it_is(explanation):
    panel = explanation(known=False).panels(0)[""]["after training"]
    high, middle, low = panel[30, 30, 0], panel[40, 120, 0], panel[WIDE - 30, WIDE // 2 - 30, 0]
    assert high == 100
    assert middle == round(100 + 0.5 * PALENESS * 155)
    assert low == round(100 + PALENESS * 155)


def test_patches_on_the_person_are_outlined_where_they_are_known(explanation):
    known, unknown = (explanation(known=known).panels(0)[""]["picture"] for known in (True, False))
    assert (unknown == 100).all()
    # Patches 0 and 1 are on the person: a line along the middle.
    assert (known[WIDE // 2, 20:-20] < 60).all()
    assert np.argwhere((known != unknown).any(axis=2))[:, 0].max() < WIDE // 2 + 4


def test_pictures_of_any_shape_are_drawn(explanation):
    made = explanation(known=False, before=False)
    wide = replace(made, pictures={"rgb": np.zeros((2, 10, 90, 3), dtype=np.uint8)})
    assert list(wide.panels(0)[""]) == ["picture", "after training"]
    assert wide.panels(0)[""]["after training"].shape[1] == WIDE


def test_a_set_in_the_patch_of_another_is_seen_and_scores_may_be_missing(explanation):
    made = explanation(known=False, before=False)
    first = made.after["positives"]
    second = replace(made.after["negatives"], patches=first.patches)
    panel = replace(made, selected={"after": replace(made.after, sets=(first, second), scores=None)}).panels(0)[""]
    assert where(panel["after training"], GREEN) == {0}
    assert panel["after training"][-30, -30].tolist() == [100, 100, 100]  # nothing is pale without scores


def test_words_say_what_is_marked_and_counted(explanation):
    made = explanation(known=True)
    assert made.summary == "2 observations in rgb: of the 4 patches of each picture, positives 1, negatives 1"
    assert "Negatives: patches taken for something else. Similarity: to the whole; the paler" in made.about
    assert "The outline" in made.about and "Precision" not in made.basis
    assert [share.name for share in made.leading] == ["right", "negatives_on_background"]


# --- Reasons one by one -----------------------------------------------------------------------------------------------


def patches_that_are(panel: np.ndarray, value: int) -> set[int]:
    """Which of the 2 x 2 patches of a panel have this gray away from lines and marks, in their lower left corner."""
    corners = [(NARROW // 2 * (row + 1) - 12, NARROW // 4 * column + 8) for row in range(2) for column in range(2)]
    return {patch for patch, (row, column) in enumerate(corners) if abs(int(panel[row, column, 0]) - value) <= 1}


def test_columns_say_what_was_asked_for_kept_and_dropped(selection):
    drawn = selection(known=True).panels(0)
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
    panels = selection(known=True).panels(1)["nir"]
    assert panels["picture"].min() < 160
    assert {len(np.unique(panel.reshape(-1, 3), axis=0)) for title, panel in panels.items() if title != "picture"} == {
        1
    }
    assert len({panel.shape for panel in panels.values()}) == 1


def test_without_a_start_there_is_no_column_for_it(selection):
    assert list(selection(known=False, before=False).panels(0)["rgb"]) == COLUMNS


def test_words_say_what_is_kept_and_dropped(selection):
    made = selection(known=True)
    assert made.summary.endswith("of the 4 patches of each picture, kept 3, spatial 1, frequency 1")
    assert "Dropped: what is left without the kept patches." in made.about
    assert [meaning for _, meaning in made.legend] == ["picked by attention, disc", "picked by frequency, zigzag"]
    assert "Recall: the share of the object's patches" in made.basis
