"""Re-ranking: from embeddings as from distances, against the dense reference, and where it helps."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dense_jaccard import reference_distances
from reknow.errors import DataError, EvaluationError, RecipeError
from reknow.evaluation.ranking import score
from reknow.evaluation.rerank import k_reciprocal, k_reciprocal_from_distances


def unit(rows: int, dim: int = 16, seed: int = 0, clusters: int = 6) -> np.ndarray:
    generator = np.random.default_rng(seed)
    vectors = np.random.default_rng(99).normal(size=(clusters, dim))[generator.integers(clusters, size=rows)]
    vectors = vectors + 0.8 * generator.normal(size=(rows, dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def euclidean(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.sqrt(np.square(one[:, None].astype(np.float64) - other[None]).sum(2)).astype(np.float32)


def from_distances(query: np.ndarray, gallery: np.ndarray, *settings: float) -> np.ndarray:
    parts = (euclidean(query, gallery), euclidean(query, query), euclidean(gallery, gallery))
    return k_reciprocal_from_distances(*parts, *settings)


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 10**6), queries=st.integers(1, 20), gallery=st.integers(1, 50), k1=st.integers(1, 25),
    k2=st.integers(1, 7), blend=st.sampled_from([0.0, 0.3, 1.0]),
)  # fmt: skip
def test_embeddings_give_what_their_distances_give(seed, queries, gallery, k1, k2, blend):
    one, other = unit(queries, seed=seed), unit(gallery, seed=seed + 1)
    found = k_reciprocal(one, other, k1, k2, blend)
    np.testing.assert_allclose(found, from_distances(one, other, k1, k2, blend), rtol=0, atol=5e-6)


@pytest.mark.parametrize(("k1", "k2", "blend"), [(20, 6, 0.3), (10, 3, 0.0), (7, 1, 0.5)])
def test_the_dense_reference_agrees(k1, k2, blend):
    query, gallery = unit(15), unit(60, seed=1)
    together = np.concatenate([query, gallery])
    squared = np.square(euclidean(together, together).astype(np.float64))
    squared /= squared.max(1, keepdims=True)
    lists = np.argsort(squared, axis=1)[:, : k1 + 1]
    jaccard = reference_distances(lists, np.exp(-squared), round(k1 / 2) + 1, k2)
    expected = (blend * squared + (1 - blend) * jaccard)[:15, 15:]
    np.testing.assert_allclose(k_reciprocal(query, gallery, k1, k2, blend), expected, rtol=0, atol=5e-6)


def test_blocks_and_threads_change_nothing(monkeypatch):
    query, gallery = unit(300), unit(400, seed=1)
    whole, whole_from = k_reciprocal(query, gallery), from_distances(query, gallery)
    monkeypatch.setattr("reknow.evaluation.rerank._BLOCK_ENTRIES", 37 * 700)
    monkeypatch.setattr("faiss.omp_get_max_threads", lambda: 3)
    np.testing.assert_allclose(k_reciprocal(query, gallery), whole, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(from_distances(query, gallery), whole_from)


def test_it_ranks_better():
    generator = np.random.default_rng(0)
    identity = np.repeat(np.arange(20), 15)
    rows = generator.normal(size=(20, 32))[identity] + 1.5 * generator.normal(size=(300, 32))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    query, gallery = rows[::5], rows[np.arange(300) % 5 > 0]
    codes = identity[::5], identity[np.arange(300) % 5 > 0]
    plain, reranked = score(-query @ gallery.T, *codes).mAP, score(k_reciprocal(query, gallery), *codes).mAP
    assert reranked > plain + 0.1


def test_blend_of_one_keeps_the_order_of_the_distances():
    query, gallery = unit(10), unit(40, seed=1)
    found = k_reciprocal(query, gallery, blend=1.0)
    np.testing.assert_array_equal(np.argsort(found, axis=1), np.argsort(-query @ gallery.T, axis=1))


def test_tensors_work():
    query, gallery = unit(5), unit(20, seed=1)
    found = k_reciprocal(torch.from_numpy(query), torch.from_numpy(gallery))
    np.testing.assert_allclose(found, k_reciprocal(query, gallery), atol=1e-6)
    assert found.dtype == np.float32


def test_all_the_same_and_nearly_nothing():
    same = np.tile(unit(1), (30, 1))
    for found in (k_reciprocal(same[:5], same[5:]), from_distances(same[:5], same[5:])):
        assert np.isfinite(found).all()
        assert found.max() < 0.5
    assert k_reciprocal(unit(1), unit(1)).shape == (1, 1)
    assert k_reciprocal(unit(0), unit(3)).shape == (0, 3)
    assert k_reciprocal(unit(3), unit(0)).shape == (3, 0)


def test_what_is_refused():
    with pytest.raises(EvaluationError, match="one recognizer"):
        inspect.unwrap(k_reciprocal)(unit(3, dim=8), unit(3, dim=16))  # else the checked signature would refuse first
    with pytest.raises(EvaluationError, match=r"expected \(2, 2\) and \(3, 3\)"):
        inspect.unwrap(k_reciprocal_from_distances)(np.ones((2, 3)), np.ones((3, 3)), np.ones((2, 2)))
    with pytest.raises(EvaluationError, match="NaN"):
        k_reciprocal_from_distances(np.full((2, 3), np.nan), np.ones((2, 2)), np.ones((3, 3)))
    with pytest.raises(DataError, match="rows 1;"):
        k_reciprocal(unit(2), unit(3) * np.array([[1], [np.nan], [1]], np.float32))
    with pytest.raises(RecipeError, match="blend"):
        k_reciprocal(unit(2), unit(3), blend=1.1)
    with pytest.raises(RecipeError, match="k1"):
        k_reciprocal(unit(2), unit(3), k1=0)
