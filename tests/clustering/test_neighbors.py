"""Exact neighbors: both searches, the tie rule, and what is refused."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import torch

from reknow.clustering.neighbors import blocked_neighbors, nearest_neighbors, unit_rows
from reknow.errors import DataError


def test_searches_agree_with_a_full_sort(made_rows):
    rows, _ = made_rows(8, 12)
    similarity = rows @ rows.T
    expected = np.argsort(-similarity, axis=1, kind="stable")[:, :10]
    flat = nearest_neighbors(torch.from_numpy(rows), 10)
    # Blocks of 7 rows, the last one shorter.
    blocked, smallest = blocked_neighbors(torch.from_numpy(rows), 10, block_entries=7 * len(rows))
    for found in (flat, blocked):
        np.testing.assert_array_equal(found.rows, expected)
        np.testing.assert_allclose(found.similarity, np.take_along_axis(similarity, expected, 1), atol=1e-6)
        assert found.rows.dtype == np.int32
    np.testing.assert_allclose(smallest, similarity.min(1), atol=1e-6)


@pytest.mark.parametrize("search", [nearest_neighbors, lambda unit, count: blocked_neighbors(unit, count)[0]])
def test_a_row_comes_first_and_equal_ones_in_row_order(search):
    # Axis vectors: their products are exactly 0 or 1.
    unit = torch.eye(3)[[0, 1, 0, 2, 0, 1]]
    found = search(unit, 3)
    assert found.rows[0].tolist() == [0, 2, 4]
    assert found.rows[2].tolist() == [2, 0, 4]
    assert found.rows[4].tolist() == [4, 0, 2]
    assert found.rows[5, :2].tolist() == [5, 1]
    assert (found.similarity[:, 0] == 1).all()


def test_a_row_that_many_equal_is_still_its_own_first_neighbor():
    rows = torch.eye(4)[[0] * 40]
    found = nearest_neighbors(rows, 5)
    np.testing.assert_array_equal(found.rows[:, 0], np.arange(40))
    assert all(len(set(row)) == 5 for row in found.rows.tolist())


def test_rows_of_any_length_become_unit_rows():
    rows = np.random.default_rng(0).normal(size=(5, 8))
    expected = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    scaled = rows * np.array([1e30, 1e-30, 1, 3, 7])[:, None]
    for given in (
        scaled.astype(np.float32),
        scaled,
        torch.from_numpy(scaled),
        torch.from_numpy(scaled).requires_grad_(),
    ):
        np.testing.assert_allclose(unit_rows(given).numpy(), expected, atol=1e-6)


def test_unit_rows_are_not_copied_and_never_changed():
    rows = np.eye(4, dtype=np.float32)
    assert unit_rows(rows).data_ptr() == rows.ctypes.data
    doubled = 2 * rows
    unit_rows(doubled)
    np.testing.assert_array_equal(doubled, 2 * rows)
    rows.flags.writeable = False
    np.testing.assert_array_equal(unit_rows(rows).numpy(), rows)
    np.testing.assert_array_equal(unit_rows(rows[::-1]).numpy(), rows[::-1])


@pytest.mark.parametrize("bad", [np.nan, np.inf, 0])
def test_rows_without_a_direction_are_named(bad):
    rows = np.eye(8, dtype=np.float32)
    rows[[2, 5]] = bad
    with pytest.raises(DataError, match=r"2 of 8 rows .* rows 2, 5;"):
        unit_rows(rows)


def test_many_bad_rows_are_counted_not_listed():
    with pytest.raises(DataError, match=r"9 of 9 rows .*: rows 0, 1, 2, 3, 4, …;"):
        unit_rows(np.full((9, 2), np.nan))


def test_one_vector_is_no_matrix():
    # Unwrapped: in tests the checked signature would refuse it first.
    with pytest.raises(DataError, match=r"shape \(4,\); expected \(N, D\)"):
        inspect.unwrap(unit_rows)(np.ones(4, np.float32))
