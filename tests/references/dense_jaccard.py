"""The plain reference of the k-reciprocal encoding: dense float64 matrices, one line a formula.

It takes O(N^3) time and O(N^2) memory. ``reknow.clustering.k_reciprocal`` is compared with it.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float64, Int


def reference_distances(
    lists: Int[np.ndarray, "rows neighbors"], weights: Float[np.ndarray, "rows rows"], half: int, k2: int
) -> Float64[np.ndarray, "rows rows"]:
    """Jaccard distances of all pairs.

    Args:
        lists: (N, k) nearest rows of each row, itself first.
        weights: (N, N) the weight of a member of a neighborhood, before the division by their sum.
        half: size of the sets that may join a neighborhood.
        k2: number of neighbors over which an encoding is averaged.
    """
    whole, halves = _reciprocal(lists), _reciprocal(lists[:, :half])
    expanded = whole.copy()
    for row in range(len(lists)):
        for candidate in np.flatnonzero(whole[row]):
            if 3 * (halves[candidate] & whole[row]).sum() > 2 * halves[candidate].sum():
                expanded[row] |= halves[candidate]
    encoding = np.where(expanded, weights.astype(np.float64), 0)
    encoding /= encoding.sum(1, keepdims=True)
    encoding = encoding[lists[:, :k2]].mean(1)
    shared = np.minimum(encoding[:, None], encoding[None]).sum(2)
    return 1 - shared / (2 - shared)


def reference_jaccard(
    features: Float[np.ndarray, "rows dim"], k1: int = 30, k2: int = 6
) -> Float64[np.ndarray, "rows rows"]:
    """The dense result of ``jaccard_distances``, for unit rows without ties."""
    similarity = features.astype(np.float64) @ features.T.astype(np.float64)
    np.fill_diagonal(similarity, np.inf)
    lists = np.argsort(-similarity, axis=1, kind="stable")[:, :k1]
    np.fill_diagonal(similarity, 1)
    return reference_distances(lists, np.exp(2 * similarity - 2), round(k1 / 2) + 1, k2)


def _reciprocal(lists: Int[np.ndarray, "rows neighbors"]) -> np.ndarray:
    """(N, N) bool: each row is in the other's list."""
    listed = np.zeros((len(lists), len(lists)), bool)
    np.put_along_axis(listed, lists, True, axis=1)
    return listed & listed.T
