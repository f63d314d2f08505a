"""Golden case jaccard: distances, DBSCAN labels with their numbering, and the neighbor lists they start from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from reknow.clustering.dbscan import pseudo_labels
from reknow.clustering.jaccard import jaccard_distances
from reknow.clustering.neighbors import nearest_neighbors, unit_rows

DATA = Path(__file__).parent / "data"
CASES = ["jaccard_n150_k20", "jaccard_n150_k30", "jaccard_n400_k20", "jaccard_n400_k30"]


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> tuple[dict[str, np.ndarray], int]:
    """The tensors, and k1. The larger cases are not copied into the repository."""
    path = DATA / f"{request.param}.safetensors"
    if not path.is_file():
        path = request.getfixturevalue("shared") / "golden" / path.name
    return load_file(path), int(request.param[-2:])


def test_distances(case):
    tensors, k1 = case
    distances = jaccard_distances(tensors["features"], k1, 6)
    expected = tensors["expected/jaccard"]
    dense = np.ones(distances.shape, np.float32)
    stored = np.repeat(np.arange(len(dense)), np.diff(distances.indptr))
    dense[stored, distances.indices] = distances.data
    np.testing.assert_allclose(dense, expected, rtol=0, atol=5e-6)


@pytest.mark.parametrize("eps", [0.6, 0.7])
def test_labels(case, eps):
    tensors, k1 = case
    found = pseudo_labels(tensors["features"], eps=eps, k1=k1)
    expected = tensors[f"expected/dbscan_eps{eps}"]
    np.testing.assert_array_equal(found.labels, expected)
    assert found.num_clusters == expected.max() + 1
    assert found.num_outliers == (expected == -1).sum()
    assert found.warning is None


def test_neighbors(case):
    tensors, k1 = case
    neighbors = nearest_neighbors(unit_rows(tensors["features"]), k1)
    np.testing.assert_array_equal(neighbors.rows[:, :16], tensors["expected/knn_first16"])
