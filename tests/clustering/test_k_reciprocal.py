"""The k-reciprocal core on lists that can be checked by hand; jaccard and rerank compare it with the reference."""

from __future__ import annotations

import numpy as np
import pytest

from reknow.clustering.k_reciprocal import (
    SparseRows,
    expanded_sets,
    fill_similarities,
    half_length,
    normalized,
    query_expanded,
    transposed,
)


def as_sets(sparse: SparseRows) -> list[dict[int, float]]:
    pairs = list(zip(sparse.column.tolist(), sparse.value.tolist(), strict=True))
    return [dict(pairs[first:last]) for first, last in zip(sparse.start[:-1], sparse.start[1:], strict=True)]


@pytest.mark.parametrize(("k1", "expected"), [(1, 1), (2, 2), (3, 3), (4, 3), (5, 3), (7, 5), (20, 11), (30, 16)])
def test_halves_are_rounded_to_even(k1, expected):
    assert half_length(k1) == expected


def test_expansion_takes_more_than_two_thirds():
    # Halves are pairs: 0-1, 2-3. R(0) = {0, 1, 2}; R(2) half = {2, 3}: one of two shared, 1/2 < 2/3, stays out.
    lists = np.array([[0, 1, 2], [1, 0, 2], [2, 3, 0], [3, 2, 1]], np.int32)
    known = np.arange(12, dtype=np.float32).reshape(4, 3)
    found = as_sets(expanded_sets(lists, known, 2))
    assert found[0] == {0: 0, 1: 1, 2: 2}
    # 1 lists 2, but 2 does not list 1.
    assert found[1] == {1: 3, 0: 4}
    assert found[2] == {2: 6, 3: 7, 0: 8}


def test_a_member_that_only_the_expansion_brings_has_no_value_yet():
    # R(3, half) = {3, 4, 5, 6}, of which R(0) has 3, 4, 5: three of four, more than two thirds, so 6 joins.
    lists = np.array(
        [[0, 3, 4, 5], [1, 2, 0, 3], [2, 1, 0, 3], [3, 0, 4, 5], [4, 3, 0, 5], [5, 3, 4, 0], [6, 5, 4, 3]], np.int32
    )
    known = np.zeros(lists.shape, np.float32)
    assert set(as_sets(expanded_sets(lists, known, 4))[0]) == {0, 3, 4, 5}
    lists[3] = [3, 4, 5, 6]
    lists[4] = [4, 3, 0, 5]
    lists[5] = [5, 3, 0, 4]
    found = as_sets(expanded_sets(lists, known, 4))
    assert set(found[4]) == {4, 3, 0, 5, 6}
    assert np.isnan(found[4][6])
    assert found[4][3] == 0


def test_missing_values_become_products_and_known_ones_stay():
    sets = SparseRows(np.array([0, 2]), np.array([0, 1], np.int32), np.array([7, np.nan], np.float32))
    unit = np.array([[0.6, 0.8], [1, 0]], np.float32)
    fill_similarities(sets, unit)
    np.testing.assert_allclose(sets.value, [7, 0.6])


def test_rows_are_normalized_averaged_and_inverted():
    sets = SparseRows(np.array([0, 2, 3]), np.array([0, 1, 1], np.int32), np.zeros(3, np.float32))
    encoding = normalized(sets, np.array([1, 3, 5], np.float32))
    assert as_sets(encoding) == [{0: 0.25, 1: 0.75}, {1: 1}]
    mean = query_expanded(encoding, np.array([[0, 1], [1, 0]], np.int32), 2)
    assert as_sets(mean) == [{0: 0.125, 1: 0.875}] * 2
    assert as_sets(query_expanded(encoding, np.array([[0, 1], [1, 0]], np.int32), 1)) == as_sets(encoding)
    index, place = transposed(encoding, 3)
    assert as_sets(index) == [{0: 0.25}, {0: 0.75, 1: 1}, {}]
    np.testing.assert_array_equal(index.column[place], encoding.row)


def test_many_rows_in_many_chunks(monkeypatch):
    generator = np.random.default_rng(0)
    lists = np.argsort(generator.random((700, 40)), axis=1)[:, :6].astype(np.int32)
    encoding = normalized(
        SparseRows(np.arange(0, 700 * 6 + 1, 6), lists.ravel(), np.zeros(4200, np.float32)), np.ones(4200, np.float32)
    )
    one = query_expanded(encoding, lists, 6)
    monkeypatch.setattr("faiss.omp_get_max_threads", lambda: 4)
    several = query_expanded(encoding, lists, 6)
    assert as_sets(one) == as_sets(several)
    np.testing.assert_allclose(np.add.reduceat(one.value, one.start[:-1]), 1, rtol=1e-5)
