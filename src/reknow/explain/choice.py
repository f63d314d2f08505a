"""Choice: the one place that knows which method chooses patches, and how it is explained.

A method whose selection joins adds its case here.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from reknow.explain.explanation import Explanation
from reknow.explain.sample import Looking
from reknow.explain.selection import explain_selection
from reknow.explain.tokens import explain_tokens
from reknow.methods.editor.method import EditorConfig
from reknow.methods.editor.network import EditorNetworkConfig
from reknow.methods.recipe import Recipe
from reknow.methods.tcmm.method import TCMMConfig
from reknow.methods.tcmm.token_constraint import TokenConstraint

CHOOSING = "tcmm with method.token_weight above 0, or of editor with network.aggregate or method.background_weight"
"""The methods that choose patches, for messages."""

Explain = Callable[[Looking], Explanation]


def explainer_of(recipe: Recipe) -> Explain | None:
    """How the choices of a recipe's method are explained; None where it chooses no patches."""
    match recipe.method, recipe.network:
        case TCMMConfig() as method, _ if method.token_weight:
            return partial(explain_tokens, TokenConstraint(method.alpha, method.normalize, method.temperature))
        case EditorConfig() as method, EditorNetworkConfig() as network if (
            network.aggregate or method.background_weight
        ):
            return explain_selection
        case _:
            return None
