"""Recipes of momentum contrast. The first line of each is what ``reknow recipes`` prints."""

from __future__ import annotations

from dataclasses import replace

from reknow.methods.recipe import Recipe
from reknow.methods.shipped import unsupervised_from_shipped
from reknow_momentum_contrast.method import MomentumContrastConfig

__all__ = ["own_data", "world"]


def own_data() -> Recipe:
    """Your own unlabelled pictures, from the shipped weights, with a momentum encoder."""
    # A run on a laptop has some hundred steps. After 500, MoCo's 0.999 would keep 61 % of the first weights.
    recipe = unsupervised_from_shipped("momentum_contrast", MomentumContrastConfig(momentum=0.99))
    return replace(recipe, status="an example; not compared with other methods")


def world() -> Recipe:
    """The world's target domain, without labels."""
    return replace(own_data(), name="momentum_contrast/world", data="world:target")
