"""An explanation by hand: gray pictures of 2 x 2 patches with known marks."""

from __future__ import annotations

import numpy as np
import pytest

from reknow.explain.choice import PatchChoice
from reknow.explain.shares import shares
from reknow.explain.tokens import Explanation


def explanation(*, known: bool, pictures: int = 2, before: bool = True) -> Explanation:
    """Patch 0 is positive and patch 3 negative after training; before, it is the other way round."""
    first, last = np.zeros((2, pictures, 4), dtype=bool)
    first[:, 0], last[:, 3] = True, True
    similarity = np.tile(np.array([1.0, 0.5, 0.5, 0.0], np.float32), (pictures, 1))
    after = PatchChoice(similarity, first, last, (2, 2))
    choices = {"before": PatchChoice(similarity[:, ::-1].copy(), last, first, (2, 2))} if before else {}
    choices["after"] = after
    person = np.tile(np.array([0.9, 0.6, 0.1, 0.0]), (pictures, 1)) if known else None
    return Explanation(
        tuple(f"picture {number}" for number in range(pictures)),
        np.full((pictures, 32, 16, 3), 100, dtype=np.uint8),
        person,
        choices,
        () if person is None else shares(choices, person),
    )


@pytest.fixture(name="explanation")
def explanation_fixture():
    return explanation
