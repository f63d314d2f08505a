"""What EDITOR's studies have in common: the world in three spectra, rows without parts of the method, kept patches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reknow.explain.run import explain_run
from reknow.methods.editor import recipes as editor
from reknow.methods.recipe import Recipe
from reknow.studies.sizes import Size
from reknow.training.train import Outcome

SPECTRA = "spectra=rgb,nir,tir"
DAY, NIGHT, MIXED = "light=day", "light=night", "light=mixed"

WITHOUT_LOSSES: Mapping[str, Any] = {"method.background_weight": 0.0, "method.center_weight": 0.0}
"""Neither background consistency nor centers."""

CONCATENATED: Mapping[str, Any] = {**WITHOUT_LOSSES, "network.aggregate": False}
"""Row A: the trunk's CLS of all spectra, side by side."""

ALONE: Mapping[str, Mapping[str, Any]] = {
    name: {**CONCATENATED, "network.spectra": (spectrum,)}
    for name, spectrum in (("color", "rgb"), ("near infrared", "nir"), ("thermal", "tir"))
}
"""The same trunk and losses on one spectrum, by its name."""


def on_world(size: Size, light: str = NIGHT) -> Recipe:
    """EDITOR, whole, on the people of a world of this size."""
    return size.on_world(editor.world(), SPECTRA, light)


def kept_tokens(outcome: Outcome) -> dict[str, float]:
    """Precision and recall of the kept patches in percent, after training and (``start_...``) before it.

    Nothing for a row that keeps none, such as the concatenated baseline.
    """
    recipe = outcome.recipe
    return explain_run(outcome.run).numbers() if recipe.method.selects_patches(recipe.network) else {}
