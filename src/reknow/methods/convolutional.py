"""Runs of convolutional networks, which RIB's are the same as but for modules in the trunk and the bound.

- :func:`strong_baseline`: ResNet-50 of Luo et al., "Bag of Tricks" (CVPR workshops 2019), as released;
- :func:`inverted_residuals`: MobileNetV2 and FBNetV2, with the settings that the authors of RIB released for them;
- :func:`multiple_granularities`: MGN (Wang et al., ACM Multimedia 2018);
- :func:`small`: OSNet of width 0.25 for own pictures, on a laptop.
"""

from __future__ import annotations

from dataclasses import replace

from reknow.data.transforms import Augmentation, Preprocessing
from reknow.methods.method import MethodConfig
from reknow.methods.recipe import Optimizer, Recipe, Schedule
from reknow.methods.sampling import ExhaustiveSampling
from reknow.methods.shipped import supervised_from_shipped
from reknow.models.channel_search import FoundConfig, SupernetConfig
from reknow.models.channel_selection import ChannelSelectionBlock
from reknow.models.embedder import EmbedderConfig
from reknow.models.insertion import AfterStages, MapModuleConfig
from reknow.models.inverted_residuals import FBNetV2Config, MobileNetV2Config
from reknow.models.multiple_granularities import MultipleGranularitiesConfig
from reknow.models.osnet import OSNetConfig
from reknow.models.resnet import ResNetConfig

PREPROCESSING = Preprocessing(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), interpolation="bilinear")
"""That of ImageNet's networks in torchvision, at 256 x 128."""


def strong_baseline(name: str, method: MethodConfig, trunk: ResNetConfig) -> Recipe:
    """The released settings of the strong baseline.

    Args:
        name: of the recipe.
        method: its settings.
        trunk: a ResNet-50, with or without modules in it.
    """
    return Recipe(
        name=name,
        method=method,
        network=EmbedderConfig(trunk=trunk),
        weights="",  # torchvision's resnet50 file, named with --weights
        preprocessing=PREPROCESSING,
        sampling=ExhaustiveSampling(batch_size=64, instances=4),
        optimizer=Optimizer(kind="adam", lr=3.5e-4, weight_decay=5e-4),
        # The authors' epochs count from 1: their warm-up of 10 begins at 0.109 of the rate and has ended in the tenth,
        # and the rate drops before the 40th and the 70th.
        schedule=Schedule(kind="step", warmup=9, warmup_start=0.109, milestones=(39, 69), gamma=0.1),
        epochs=120,
        precision="32",
    )


def inverted_residuals(
    name: str, method: MethodConfig, trunk: MobileNetV2Config | FBNetV2Config | SupernetConfig | FoundConfig
) -> Recipe:
    """The settings that RIB's authors released for such trunks; arguments as of :func:`strong_baseline`."""
    return Recipe(
        name=name,
        method=method,
        network=EmbedderConfig(trunk=trunk),
        weights="",  # torchvision's mobilenet_v2 file, named with --weights; or random
        preprocessing=PREPROCESSING,
        sampling=ExhaustiveSampling(batch_size=64, instances=4),
        optimizer=Optimizer(kind="sgd", lr=0.035, momentum=0.9, weight_decay=5e-4),
        schedule=Schedule(kind="step", warmup=10, warmup_start=0.1, milestones=(800, 1000, 1200, 1300), gamma=0.1),
        epochs=1400,
        checkpoint_every=10,
        precision="32",
    )


def multiple_granularities(name: str, method: MethodConfig, after: AfterStages = ()) -> Recipe:
    """The paper's settings of MGN at 384 x 128.

    Args:
        name: of the recipe.
        method: its settings.
        after: names of stages, each with the module that follows it.
    """
    network = MultipleGranularitiesConfig()
    return Recipe(
        name=name,
        method=method,
        network=replace(network, trunk=replace(network.trunk, after=after)),
        weights="",  # torchvision's resnet50 file, named with --weights
        preprocessing=replace(PREPROCESSING, size=(384, 128)),
        augmentation=Augmentation(pad=0, erase=0.0),
        sampling=ExhaustiveSampling(batch_size=64, instances=4),
        optimizer=Optimizer(kind="sgd", lr=1e-2, momentum=0.9, weight_decay=5e-4),
        schedule=Schedule(kind="step", milestones=(40, 60), gamma=0.1),
        epochs=80,
        precision="32",
    )


def small(name: str, method: MethodConfig, within: MapModuleConfig) -> Recipe:
    """OSNet of width 0.25 with a module in every block, for labelled pictures on a laptop.

    Args:
        name: of the recipe.
        method: its settings.
        within: the module.
    """
    network = EmbedderConfig(trunk=OSNetConfig(width=0.25, within=within), feature="projected")
    return replace(supervised_from_shipped(name, method, network), weights="")  # torchreid's file, named with --weights


def selection_after(*stages: str) -> AfterStages:
    """RIB's block behind each of the stages.

    Example:
        >>> [stage for stage, _ in selection_after("layer3", "layer4")]
        ['layer3', 'layer4']
    """
    return tuple((stage, ChannelSelectionBlock()) for stage in stages)
