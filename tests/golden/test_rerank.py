"""Golden case rerank: re-ranked distances from plain Euclidean ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from reknow.evaluation.rerank import k_reciprocal_from_distances

DATA = Path(__file__).parent / "data"


def test_reranked_distances():
    case = load_file(DATA / "rerank.safetensors")
    parts = (case["query_gallery"], case["query_query"], case["gallery_gallery"])
    found = k_reciprocal_from_distances(*parts, k1=20, k2=6, blend=0.3)
    np.testing.assert_allclose(found, case["expected/reranked"], rtol=0, atol=5e-6)
    np.testing.assert_array_equal(np.argsort(found, axis=1), np.argsort(case["expected/reranked"], axis=1))
