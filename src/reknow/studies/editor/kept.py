"""Kept tokens: how well EDITOR's choice of patches meets the object, as columns of its studies."""

from __future__ import annotations

from reknow.explain.run import explain_run
from reknow.training.train import Outcome


def kept_tokens(outcome: Outcome) -> dict[str, float]:
    """Precision and recall of the kept patches in percent, after training and (``start_...``) before it.

    Nothing for a row that keeps none, such as the concatenated baseline.
    """
    recipe = outcome.recipe
    return explain_run(outcome.run).numbers() if recipe.method.selects_patches(recipe.network) else {}
