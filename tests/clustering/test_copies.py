"""Rows that are equal but for rounding: one stands for all, found exactly, and they never fall into two groups."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reknow.clustering.copies import TOLERANCE, first_copies, with_copies
from reknow.clustering.dbscan import pseudo_labels


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def plainly(rows: np.ndarray) -> np.ndarray:
    """Which earlier row equals each, by comparing all pairs."""
    near = np.abs(rows[:, None] - rows[None]).max(2) < TOLERANCE / 10
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
    rounded, changed = rows + 0.1 * TOLERANCE * direction, rows + 100 * TOLERANCE * direction
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
def test_copies_of_few_pictures_stay_apart(copies):
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
    from reknow.clustering import dbscan

    seen = []
    whole = dbscan.distances_among
    monkeypatch.setattr(dbscan, "distances_among", lambda *given: seen.append(whole(*given)) or seen[-1])
    rows = np.repeat(unit(np.random.default_rng(0).normal(size=(50, 32))), 100, axis=0)
    pseudo_labels(rows, eps=0.6)
    assert seen[0].shape == (50, 50)
