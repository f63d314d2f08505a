"""Recipes of the supervised baseline. The first line of each is what ``reknow recipes`` prints."""

from __future__ import annotations

from dataclasses import replace

from reknow.methods.convolutional import inverted_residuals, multiple_granularities, strong_baseline
from reknow.methods.recipe import Recipe
from reknow.methods.shipped import SHIPPED_AUGMENTATION, supervised_from_shipped
from reknow.methods.supervised.method import SupervisedConfig
from reknow.methods.transreid import WORLD_CAMERAS, published, small
from reknow.models.inverted_residuals import FBNetV2Config, MobileNetV2Config
from reknow.models.resnet import ResNetConfig

__all__ = [
    "fbnetv2_market1501",
    "market1501",
    "mgn_market1501",
    "mobilenetv2_market1501",
    "own_data",
    "transreid",
    "transreid_dukemtmc",
    "transreid_market1501",
    "transreid_msmt17",
    "transreid_occluded_duke",
    "transreid_world",
    "world_source",
    "world_target",
]

TRANSREID = SupervisedConfig(smoothing=0.0)
"""Its losses: plain cross-entropy, and triplets with a soft margin."""

STRONG_BASELINE = SupervisedConfig(margin=0.3, center_weight=5e-4)
"""Its losses: smoothed cross-entropy, triplets with a margin, centers. Small trunks have them, too."""


def own_data() -> Recipe:
    """Your own labelled pictures, from the shipped weights, on a laptop."""
    return supervised_from_shipped("supervised", SupervisedConfig())


def world_source() -> Recipe:
    """The package's own small trunk: many identities of the world's source domain, with labels."""
    return replace(
        own_data(),
        name="supervised/world_source",
        data="world:source?train_identities=1500&test_identities=100",
        weights="random",
        augmentation=replace(SHIPPED_AUGMENTATION, brightness=0.3, contrast=0.3),
        epochs=20,
        evaluate_every=5,
        precision="bf16",
        status="reproduced: its score is on the card beside the shipped weights",
        license="Apache-2.0",
    )


def world_target() -> Recipe:
    """What labels would give on the world's target domain: the ceiling that adaptation without labels is held to."""
    return replace(own_data(), name="supervised/world_target", data="world:target", epochs=16)


def market1501() -> Recipe:
    """Market-1501 with labels: ResNet-50 from ImageNet weights, the strong baseline of Luo et al. (2019)."""
    return strong_baseline("supervised/market1501", STRONG_BASELINE, ResNetConfig(pooling="mean"))


def mgn_market1501() -> Recipe:
    """Market-1501 with labels: MGN, three branches on ResNet-50 from ImageNet weights (Wang et al., 2018)."""
    return multiple_granularities("supervised/mgn_market1501", SupervisedConfig(smoothing=0.0, margin=1.2))


def mobilenetv2_market1501() -> Recipe:
    """Market-1501 with labels: MobileNetV2 from ImageNet weights, trained for 1,400 epochs."""
    return inverted_residuals("supervised/mobilenetv2_market1501", STRONG_BASELINE, MobileNetV2Config())


def fbnetv2_market1501() -> Recipe:
    """Market-1501 with labels: a trunk in the style of FBNetV2, trained for 1,400 epochs."""
    return inverted_residuals("supervised/fbnetv2_market1501", STRONG_BASELINE, FBNetV2Config())


def transreid() -> Recipe:
    """TransReID on your own labelled pictures, from the shipped weights, on a laptop."""
    return small("supervised/transreid", TRANSREID)


def transreid_world() -> Recipe:
    """TransReID on the world's target domain, with a table of its cameras."""
    recipe = small("supervised/transreid_world", TRANSREID, cameras=WORLD_CAMERAS)
    return replace(recipe, data="world:target", epochs=16)


def transreid_market1501() -> Recipe:
    """Market-1501 with labels: TransReID, ViT-B of stride 12 from ImageNet-21k, with cameras and jigsaw."""
    return published("supervised/transreid_market1501", TRANSREID, cameras=6)


def transreid_msmt17() -> Recipe:
    """MSMT17 with labels: TransReID, as on Market-1501."""
    return published("supervised/transreid_msmt17", TRANSREID, cameras=15)


def transreid_dukemtmc() -> Recipe:
    """DukeMTMC-reID with labels: TransReID, for comparison with old papers: its authors withdrew the data."""
    return published("supervised/transreid_dukemtmc", TRANSREID, cameras=8)


def transreid_occluded_duke() -> Recipe:
    """Occluded-Duke with labels: TransReID, as on Market-1501."""
    return published("supervised/transreid_occluded_duke", TRANSREID, cameras=8)
