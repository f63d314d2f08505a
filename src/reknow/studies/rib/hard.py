"""``rib-hard``: what ``rib`` asks, on the world that is as hard as real photographs."""

from __future__ import annotations

from reknow.studies.rib.components import OCCLUDED, QUESTION, components
from reknow.studies.sizes import HARD_ROWS_WITH_LABELS, Scale
from reknow.studies.study import Study


def study(scale: Scale) -> Study:
    """The four rows on the hard world, half of whose crops are occluded."""
    return components("rib-hard", QUESTION, scale, HARD_ROWS_WITH_LABELS[scale], OCCLUDED, "difficulty=hard")
