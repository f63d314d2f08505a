"""Recipes of momentum contrast. The first line of each is what ``reknow recipes`` prints."""

from __future__ import annotations

from dataclasses import replace

from reknow.methods.recipe import Optimizer, Recipe, Sampling, Schedule
from reknow.methods.shipped import SHIPPED_AUGMENTATION, SHIPPED_NETWORK, SHIPPED_PREPROCESSING
from reknow_momentum_contrast.method import MomentumContrastConfig

__all__ = ["own_data", "world"]


def own_data() -> Recipe:
    """Your own unlabelled pictures, from the shipped weights, with a momentum encoder."""
    return Recipe(
        name="momentum_contrast",
        # Some hundred steps are a run on a laptop. After 500, MoCo's 0.999 would keep 61 % of the first weights.
        method=MomentumContrastConfig(momentum=0.99),
        network=SHIPPED_NETWORK,
        follow_weights=True,
        preprocessing=SHIPPED_PREPROCESSING,
        augmentation=SHIPPED_AUGMENTATION,
        sampling=Sampling(batch_size=64, instances=4),
        optimizer=Optimizer(kind="adam", lr=3.5e-4, weight_decay=5e-4),
        schedule=Schedule(kind="cosine", warmup=1, floor=0.01),
        epochs=16,
        status="an example; not compared with other methods",
    )


def world() -> Recipe:
    """The world's target domain, without labels."""
    return replace(own_data(), name="momentum_contrast/world", data="world:target")
