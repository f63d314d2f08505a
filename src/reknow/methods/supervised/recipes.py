"""Recipes of the supervised baseline. The first line of each is what ``reknow recipes`` prints."""

from __future__ import annotations

from dataclasses import replace

from reknow.data.transforms import Augmentation, Preprocessing
from reknow.methods.recipe import Optimizer, Recipe, Sampling, Schedule
from reknow.methods.sampling import ExhaustiveSampling
from reknow.methods.shipped import SHIPPED_AUGMENTATION, SHIPPED_NETWORK, SHIPPED_PREPROCESSING
from reknow.methods.supervised.method import SupervisedConfig
from reknow.models.embedder import EmbedderConfig
from reknow.models.jigsaw import JigsawConfig
from reknow.models.resnet import ResNetConfig
from reknow.models.transformer import TransformerConfig

__all__ = [
    "market1501",
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

WORLD_CAMERAS = 8
"""Of the hard world's target domain; the easy one has 6."""


def own_data() -> Recipe:
    """Your own labelled pictures, from the shipped weights, on a laptop."""
    return Recipe(
        name="supervised",
        method=SupervisedConfig(),
        network=SHIPPED_NETWORK,
        follow_weights=True,
        preprocessing=SHIPPED_PREPROCESSING,
        augmentation=SHIPPED_AUGMENTATION,
        sampling=Sampling(batch_size=64, instances=4),
        optimizer=Optimizer(kind="adamw", lr=1e-3, weight_decay=0.05, clip=5.0),
        schedule=Schedule(kind="cosine", warmup=2),
        epochs=20,
        status="runs on made data; no published number to reproduce",
    )


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
    return Recipe(
        name="supervised/market1501",
        method=SupervisedConfig(margin=0.3, center_weight=5e-4),
        network=EmbedderConfig(trunk=ResNetConfig(pooling="mean")),
        weights="",  # torchvision's resnet50 file, named with --weights
        preprocessing=Preprocessing(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), interpolation="bilinear"),
        sampling=ExhaustiveSampling(batch_size=64, instances=4),
        optimizer=Optimizer(kind="adam", lr=3.5e-4, weight_decay=5e-4),
        # The authors' epochs count from 1: their warm-up of 10 begins at 0.109 of the rate and has ended in the tenth,
        # and the rate drops before the 40th and the 70th.
        schedule=Schedule(kind="step", warmup=9, warmup_start=0.109, milestones=(39, 69), gamma=0.1),
        epochs=120,
        precision="32",
    )


def transreid() -> Recipe:
    """TransReID on your own labelled pictures, from the shipped weights, on a laptop."""
    assert isinstance(SHIPPED_NETWORK.trunk, TransformerConfig)
    network = JigsawConfig(trunk=SHIPPED_NETWORK.trunk, feature="cls+extra")
    return replace(own_data(), name="supervised/transreid", method=SupervisedConfig(smoothing=0.0), network=network)


def transreid_world() -> Recipe:
    """TransReID on the world's target domain, with a table of its cameras."""
    recipe = transreid()
    assert isinstance(recipe.network, JigsawConfig)
    network = replace(recipe.network, trunk=replace(recipe.network.trunk, cameras=WORLD_CAMERAS))
    return replace(recipe, name="supervised/transreid_world", network=network, data="world:target", epochs=16)


def transreid_market1501() -> Recipe:
    """Market-1501 with labels: TransReID, ViT-B of stride 12 from ImageNet-21k, with cameras and jigsaw."""
    return _transreid("market1501", cameras=6)


def transreid_msmt17() -> Recipe:
    """MSMT17 with labels: TransReID, as on Market-1501."""
    return _transreid("msmt17", cameras=15)


def transreid_dukemtmc() -> Recipe:
    """DukeMTMC-reID with labels: TransReID, for comparison with old papers: its authors withdrew the data."""
    return _transreid("dukemtmc", cameras=8)


def transreid_occluded_duke() -> Recipe:
    """Occluded-Duke with labels: TransReID, as on Market-1501."""
    return _transreid("occluded_duke", cameras=8)


def _transreid(data: str, cameras: int) -> Recipe:
    """What the released configurations ``vit_transreid_stride.yml`` share."""
    return Recipe(
        name=f"supervised/transreid_{data}",
        method=SupervisedConfig(smoothing=0.0),
        network=JigsawConfig(trunk=TransformerConfig(size="base", stride=12, cameras=cameras, drop_path=0.1)),
        weights="",  # vitb_16_224_21k.pth, named with --weights
        preprocessing=Preprocessing(),
        augmentation=Augmentation(
            erase_area=(0.02, 1 / 3), erase_aspect_law="log_uniform", erase_tries=10, erase_value="noise"
        ),
        sampling=ExhaustiveSampling(batch_size=64, instances=4),
        optimizer=Optimizer(kind="sgd", lr=8e-3, bias_lr_factor=2.0, momentum=0.9, weight_decay=1e-4),
        schedule=Schedule(kind="cosine", warmup=5, floor=0.002),
        epochs=120,
        evaluate_every=120,
        seed=1234,
        precision="bf16",  # for the authors' fp16
    )
