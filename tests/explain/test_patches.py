"""Boxes tile the picture as tokens come, and a mask's share of each is counted in pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reknow.explain.patches import boxes, covered


@given(st.tuples(st.integers(1, 9), st.integers(1, 9)), st.tuples(st.integers(9, 40), st.integers(9, 40)))
def test_boxes_cover_every_pixel_once_in_the_order_of_tokens(grid, size):
    times, order = np.zeros(size, dtype=int), []
    for left, top, right, bottom in boxes(grid, size):
        times[top:bottom, left:right] += 1
        order.append((top, left))
    assert (times == 1).all()
    assert order == sorted(order) and len(order) == grid[0] * grid[1]


def test_boxes_of_a_picture_that_the_grid_divides_are_the_stems_patches():
    assert boxes((2, 2), (32, 16)) == [(0, 0, 8, 16), (8, 0, 16, 16), (0, 16, 8, 32), (8, 16, 16, 32)]


@given(st.integers(0, 2**32 - 1), st.tuples(st.integers(1, 6), st.integers(1, 6)))
def test_shares_add_up_to_the_mask(seed, grid):
    mask = np.random.default_rng(seed).random((24, 12)) < 0.4
    areas = [(right - left) * (bottom - top) for left, top, right, bottom in boxes(grid, mask.shape)]
    shares = covered(mask, grid)
    assert ((shares >= 0) & (shares <= 1)).all()
    assert shares @ areas == pytest.approx(mask.sum())


def test_a_mask_by_hand():
    mask = np.zeros((8, 4), dtype=bool)
    mask[1:6, 2:] = True  # the right column: three quarters of the upper box, half of the lower one
    assert covered(mask, (2, 2)).tolist() == [0.0, 0.75, 0.0, 0.5]
