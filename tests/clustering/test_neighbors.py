"""Exact neighbors: both searches, the tie rule, what is refused; copies are found exactly and never form two groups."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reknow.clustering.dbscan import pseudo_labels
from reknow.clustering.neighbors import (
    COPY_TOLERANCE,
    blocked_neighbors,
    first_copies,
    nearest_neighbors,
    unit_rows,
    with_copies,
)
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
    for features in (
        scaled.astype(np.float32),
        scaled,
        torch.from_numpy(scaled),
        torch.from_numpy(scaled).requires_grad_(),
    ):
        np.testing.assert_allclose(unit_rows(features).numpy(), expected, atol=1e-6)


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


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def plainly(rows: np.ndarray) -> np.ndarray:
    """Which earlier row equals each, by comparing all pairs."""
    near = np.abs(rows[:, None] - rows[None]).max(2) < COPY_TOLERANCE / 10
    return near.argmax(1)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(1, 12), st.sampled_from([2, 16, 64]))
def test_equal_rows_have_one_first(seed, count, different, dim):
    generator = np.random.default_rng(seed)
    rows = unit(generator.normal(size=(different, dim)))[generator.integers(0, different, count)]
    np.testing.assert_array_equal(first_copies(rows), plainly(rows))


def test_rounding_makes_no_difference_and_a_visible_change_does():
    generator = np.random.default_rng(1)
    rows = unit(generator.normal(size=(300, 96)))
    direction = unit(generator.normal(size=(300, 96)))
    rounded, changed = rows + 0.1 * COPY_TOLERANCE * direction, rows + 100 * COPY_TOLERANCE * direction
    first = first_copies(np.concatenate([rows, rounded, changed]).astype(np.float32))
    assert len(np.unique(first)) == 600
    np.testing.assert_array_equal(first[:300], first[300:600])
    np.testing.assert_array_equal(first[600:], np.arange(600, 900))
    np.testing.assert_array_equal(first[first], first)


def test_many_equal_rows_take_no_quadratic_time():
    rows = np.repeat(unit(np.random.default_rng(0).normal(size=(3, 32))), 40_000, axis=0)
    assert np.unique(first_copies(rows)).tolist() == [0, 40_000, 80_000]


def test_no_rows_and_one():
    assert first_copies(np.empty((0, 4), np.float32)).tolist() == []
    assert first_copies(np.ones((1, 1), np.float32)).tolist() == [0]


def test_lists_repeat_what_counts_several_times():
    lists = np.array([[0, 1, 2, 3], [1, 0, 2, 3], [2, 3, 0, 1], [3, 2, 1, 0]])
    assert with_copies(lists, np.array([3, 1, 9, 1])).tolist() == [
        [0, 0, 0, 1], [1, 0, 0, 0], [2, 2, 2, 2], [3, 2, 2, 2],
    ]  # fmt: skip


@pytest.mark.parametrize("rows", [31, 512, 1030])
@pytest.mark.parametrize("noise", [0, 1e-7])
@pytest.mark.parametrize("eps", [0.6, "auto"])
def test_identical_pictures_are_one_group(rows, noise, eps):
    generator = np.random.default_rng(rows)
    same = np.repeat(generator.normal(size=(1, 320)), rows, axis=0)
    found = pseudo_labels(unit(same + noise * generator.normal(size=same.shape)), eps=eps)
    assert found.labels.tolist() == [0] * rows
    assert found.num_copies == rows - 1


@pytest.mark.parametrize("copies", [5, 40])
def test_copies_of_several_pictures_stay_apart(copies):
    pictures = unit(np.random.default_rng(3).normal(size=(30, 64)))
    found = pseudo_labels(np.tile(pictures, (copies, 1)), eps=0.5, k1=5)
    np.testing.assert_array_equal(found.labels, np.tile(np.arange(30), copies))
    assert found.num_copies == 30 * (copies - 1)
    assert f"{30 * (copies - 1):,} of {30 * copies:,} rows are copies" in " ".join(found.notes)


def test_copies_change_nothing_for_the_others(made_rows):
    rows, _ = made_rows(10, 14, noise=0.8)
    without = pseudo_labels(rows, eps=0.6, k1=15)
    # One picture 60 times: its neighbors' lists would hold nothing else.
    found = pseudo_labels(np.concatenate([rows, np.repeat(rows[:1], 59, axis=0)]), eps=0.6, k1=15)
    apart = without.labels != without.labels[0]
    np.testing.assert_array_equal(found.labels[:140][apart], without.labels[apart])
    assert set(found.labels[140:]) == {found.labels[0]} != {-1}


def test_equal_rows_make_no_dense_graph(monkeypatch):
    from reknow.clustering import graph

    graphs = []
    whole = graph.distances_among
    monkeypatch.setattr(graph, "distances_among", lambda *given: graphs.append(whole(*given)) or graphs[-1])
    rows = np.repeat(unit(np.random.default_rng(0).normal(size=(50, 32))), 100, axis=0)
    pseudo_labels(rows, eps=0.6)
    assert graphs[0].shape == (50, 50)
