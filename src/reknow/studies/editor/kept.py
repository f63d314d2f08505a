"""Kept tokens: how well EDITOR's choice of patches meets the object, as columns of its studies."""

from __future__ import annotations

from reknow.explain.run import kept_numbers
from reknow.training.train import Outcome


def kept_tokens(outcome: Outcome) -> dict[str, float]:
    """Precision and recall of the kept patches in percent, after training and (``start_...``) before it.

    Nothing for a row that keeps none, such as the concatenated baseline.
    """
    recipe = outcome.recipe
    return kept_numbers(outcome.run) if recipe.method.selects_patches(recipe.network) else {}
