"""Marks stand where the chosen patches are, and differ by more than color."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from reknow.errors import RunError
from reknow.explain.sheet import PALENESS, PANEL, panels, save_token_sheet

GREEN, RED = (0x13, 0x80, 0x3F), (0xC4, 0x2B, 0x2B)


def where(panel: np.ndarray, color: tuple[int, int, int]) -> set[int]:
    """Which of the 2 x 2 patches of a panel hold pixels of a color."""
    rows, columns = np.nonzero((panel == color).all(axis=2))
    return set((rows // (PANEL // 2) * 2 + columns // (PANEL // 4)).tolist())


def test_the_positive_is_green_the_negative_red_each_in_its_patch(explanation):
    drawn = panels(explanation(known=False), 0)
    assert list(drawn) == ["picture", "before", "after"]
    assert drawn["after"].shape == (PANEL, PANEL // 2, 3)
    assert where(drawn["after"], GREEN) == {0} and where(drawn["after"], RED) == {3}
    assert where(drawn["before"], GREEN) == {3} and where(drawn["before"], RED) == {0}
    assert where(drawn["picture"], GREEN) == where(drawn["picture"], RED) == set()


def test_a_positives_frame_is_whole_and_a_negatives_has_gaps(explanation):
    panel = panels(explanation(known=False), 0)["after"]
    # One pixel of white, then the frame.
    assert (panel[1 : PANEL // 2 - 1, 1] == GREEN).all()
    lower = (panel[PANEL // 2 + 1 : -1, PANEL // 2 - 2] == RED).all(axis=1)
    assert 0.5 < lower.mean() < 0.8


def test_a_patch_is_the_paler_the_less_similar_it_is(explanation):
    panel = panels(explanation(known=False), 0)["after"]
    high, middle, low = panel[30, 30, 0], panel[40, 120, 0], panel[PANEL - 30, PANEL // 2 - 30, 0]
    assert high == 100
    assert middle == round(100 + 0.5 * PALENESS * 155)
    assert low == round(100 + PALENESS * 155)


def test_patches_on_the_person_are_outlined_where_they_are_known(explanation):
    known, unknown = (panels(explanation(known=known), 0)["picture"] for known in (True, False))
    changed = np.argwhere((known != unknown).any(axis=2))
    assert (unknown == 100).all()
    # Patches 0 and 1 are on the person: a line along the middle, none between the two.
    assert (known[PANEL // 2, 20:-20] < 60).all()
    assert (known[20 : PANEL // 2 - 20, PANEL // 4] == 100).all()
    assert changed[:, 0].max() < PANEL // 2 + 4


@pytest.mark.parametrize("pictures", [1, 7])
def test_a_sheet_holds_as_many_pictures_as_asked_for_and_there_are(explanation, tmp_path, pictures):
    path = save_token_sheet(explanation(known=True, pictures=pictures), tmp_path / "sheet.png", shown=5)
    with Image.open(path) as sheet:
        pixels = np.asarray(sheet)
    # A frame's left edge: so many pixels for each picture before and after, and one sample in the legend.
    greens = (pixels == GREEN).all(axis=2).sum()
    alone = (panels(explanation(known=True), 0)["after"] == GREEN).all(axis=2).sum()
    assert 2 * min(pictures, 5) * alone < greens < (2 * min(pictures, 5) + 1) * alone


def test_equal_explanations_give_equal_files_and_none_is_half_written(explanation, tmp_path):
    first, second = (save_token_sheet(explanation(known=True), tmp_path / name, 2) for name in ("a.png", "b.png"))
    assert first.read_bytes() == second.read_bytes()
    with pytest.raises(RunError, match="cannot be written"):
        save_token_sheet(explanation(known=True), tmp_path / "absent" / "sheet.png", 2)


def test_pictures_of_any_shape_are_drawn(explanation, tmp_path):
    made = explanation(known=False, before=False)
    wide = replace(made, pictures=np.zeros((2, 10, 90, 3), dtype=np.uint8), names=("a" * 300, "b"))
    assert list(panels(wide, 0)) == ["picture", "after"]
    assert panels(wide, 0)["after"].shape[1] == PANEL
    with Image.open(save_token_sheet(wide, tmp_path / "sheet.png", 2)) as sheet:
        assert sheet.width < 1700
