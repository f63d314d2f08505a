"""What is drawn over a picture stands where the patches are, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from reknow.explain.panels import PALENESS, blanked, empty, enlarged, outlined, paled, paleness


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
