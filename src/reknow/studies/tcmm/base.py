"""What TCMM's studies have in common: the paper's settings on a world.

The recipe for own data departs from the paper's (decision 21 in docs/methods/tcmm.md), and the studies ask what the
paper's parts give.
"""

from __future__ import annotations

from reknow.methods.recipe import Recipe
from reknow.methods.shipped import OWN_DATA_CLUSTERING
from reknow.methods.tcmm import recipes as tcmm
from reknow.methods.tcmm.method import TCMMConfig
from reknow.studies.sizes import Size
from reknow.studies.study import replaced

PAPER = TCMMConfig(clustering=OWN_DATA_CLUSTERING)
"""The paper's updates, weights and outliers; clustered as own data are."""


def on_world(size: Size, *options: str) -> Recipe:
    """TCMM by the paper's settings on a world of this size."""
    return replaced(size.on_world(tcmm.world(), *options), "method", PAPER)


def without_parts(recipe: Recipe) -> Recipe:
    """TCMM's base: neither the token constraint nor the instance memory."""
    return replaced(replaced(recipe, "method.token_weight", 0.0), "method.instance_weight", 0.0)
