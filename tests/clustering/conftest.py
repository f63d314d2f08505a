"""Made rows around known centers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

MadeRows = Callable[..., tuple[np.ndarray, np.ndarray]]


@pytest.fixture(scope="session")
def made_rows() -> MadeRows:
    """A function: unit rows in random order, and the cluster of each; strangers belong to none (-1)."""

    def make(
        clusters: int, size: int, *, noise: float = 0.6, strangers: int = 0, dim: int = 64, seed: int = 0
    ) -> tuple[np.ndarray, np.ndarray]:
        generator = np.random.default_rng(seed)
        labels = np.repeat(np.arange(clusters), size)
        rows = generator.normal(size=(clusters, dim))[labels] + noise * generator.normal(size=(len(labels), dim))
        rows = np.concatenate([rows, generator.normal(size=(strangers, dim))])
        labels = np.concatenate([labels, np.full(strangers, -1)])
        order = generator.permutation(len(labels))
        rows = rows[order] / np.linalg.norm(rows[order], axis=1, keepdims=True)
        return rows.astype(np.float32), labels[order]

    return make
