"""Sparse Jaccard distances against the dense reference, and their laws."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from dense_jaccard import reference_jaccard
from reknow.clustering.jaccard import jaccard_distances
from reknow.errors import RecipeError


def dense(distances: csr_matrix) -> np.ndarray:
    """What is not stored is 1."""
    full = np.ones(distances.shape, np.float32)
    full[np.repeat(np.arange(distances.shape[0]), np.diff(distances.indptr)), distances.indices] = distances.data
    return full


@pytest.mark.parametrize(("k1", "k2"), [(30, 6), (20, 6), (7, 3), (5, 1), (1, 1), (2, 9)])
def test_the_dense_reference_agrees(made_rows, k1, k2):
    rows, _ = made_rows(9, 14, noise=1.0, strangers=20)
    np.testing.assert_allclose(dense(jaccard_distances(rows, k1, k2)), reference_jaccard(rows, k1, k2), atol=5e-6)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), rows=st.integers(1, 60), k1=st.integers(1, 40), k2=st.integers(1, 8))
def test_laws(seed, rows, k1, k2):
    features = np.random.default_rng(seed).normal(size=(rows, 6)).astype(np.float32)
    found = jaccard_distances(features, k1, k2)
    full = dense(found)
    assert (full >= 0).all()
    assert (full <= 1).all()
    assert (full == full.T).all()
    assert (np.diag(full) == 0).all()
    for row in range(rows):
        own = found.indices[found.indptr[row] : found.indptr[row + 1]]
        assert (np.diff(own) > 0).all()
        assert row in own
    # Scale means nothing.
    np.testing.assert_allclose(dense(jaccard_distances(5 * features, k1, k2)), full, atol=1e-5)


@pytest.mark.parametrize("radius", [0.0, 0.3, 0.6, 1.0, 2.0])
def test_a_radius_only_drops_what_is_farther(made_rows, radius):
    rows, _ = made_rows(5, 20, noise=1.2)
    full = dense(jaccard_distances(rows))
    near = jaccard_distances(rows, radius=radius)
    assert near.nnz == (full <= radius).sum() if radius < 1 else near.nnz <= full.size
    np.testing.assert_array_equal(dense(near), np.where(full <= radius, full, 1))


def test_tensors_and_arrays_give_the_same(made_rows):
    rows, _ = made_rows(4, 10)
    one, other = jaccard_distances(rows), jaccard_distances(torch.from_numpy(rows).requires_grad_())
    assert (one != other).nnz == 0


def test_several_threads_give_the_same(made_rows, monkeypatch):
    rows, _ = made_rows(40, 15)
    one = jaccard_distances(rows)
    monkeypatch.setattr("faiss.omp_get_max_threads", lambda: 3)
    other = jaccard_distances(rows)
    np.testing.assert_array_equal(one.data, other.data)
    np.testing.assert_array_equal(one.indices, other.indices)


def test_no_rows_and_one_row():
    assert jaccard_distances(np.empty((0, 8), np.float32)).shape == (0, 0)
    assert jaccard_distances(np.ones((1, 8), np.float32)).toarray().tolist() == [[0.0]]


def test_what_is_refused():
    with pytest.raises(RecipeError, match="k1: 0"):
        jaccard_distances(np.eye(3), k1=0)
    with pytest.raises(RecipeError, match="radius"):
        jaccard_distances(np.eye(3), radius=float("nan"))
