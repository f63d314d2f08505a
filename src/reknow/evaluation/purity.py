"""Purity: how clusters agree with identities, where those are known. Nothing that trains ever sees it."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int


def purity(labels: Int[np.ndarray, "rows"], identities: Int[np.ndarray, "rows"]) -> dict[str, float]:
    """How clusters agree with identities, where those are known; empty where they are not.

    Returns:
        ``purity``: share of clustered rows whose identity is their cluster's most frequent one;
        ``identities``: how many there are.
    """
    known = (labels >= 0) & (identities >= 0)
    if not known.any():
        return {}
    pairs, counts = np.unique(np.stack([labels[known], identities[known]]), axis=1, return_counts=True)
    most = np.zeros(labels.max() + 1, dtype=np.int64)
    np.maximum.at(most, pairs[0], counts)
    return {"purity": float(most.sum() / known.sum()), "identities": float(len(np.unique(identities[identities >= 0])))}
