"""Recipes of cluster contrast. The first line of each is what ``reknow recipes`` prints."""

from __future__ import annotations

from dataclasses import replace

from reknow.data.transforms import Augmentation, Preprocessing
from reknow.methods.cluster_contrast.method import ClusterContrastConfig, Clustering
from reknow.methods.recipe import Optimizer, Recipe, Sampling, Schedule
from reknow.methods.shipped import CHARACTERS, OWN_DATA_CLUSTERING, WORLD_EPOCHS, unsupervised_from_shipped
from reknow.models.embedder import EmbedderConfig
from reknow.models.resnet import ResNetConfig

__all__ = ["dukemtmc", "market1501", "msmt17", "omniglot", "own_data", "personx", "world"]


def own_data() -> Recipe:
    """Your own unlabelled pictures, from the shipped weights, on a laptop."""
    return unsupervised_from_shipped("cluster_contrast", ClusterContrastConfig(clustering=OWN_DATA_CLUSTERING))


def world() -> Recipe:
    """The demo: the shipped trunk adapts to the world's target domain without labels."""
    return replace(own_data(), name="cluster_contrast/world", data="world:target", epochs=WORLD_EPOCHS)


def omniglot() -> Recipe:
    """Omniglot's characters without labels; strokes want small rotations and shears, and no mirror image."""
    return replace(own_data(), name="cluster_contrast/omniglot", epochs=30, augmentation=CHARACTERS)


def market1501() -> Recipe:
    """Market-1501 without labels: ResNet-50 from ImageNet weights, the authors' settings."""
    return Recipe(
        name="cluster_contrast/market1501",
        method=ClusterContrastConfig(clustering=Clustering(eps=0.6), momentum=0.1, update="plain"),
        network=EmbedderConfig(trunk=ResNetConfig()),
        weights="",  # torchvision's resnet50 file, named with --weights
        preprocessing=Preprocessing(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
        augmentation=Augmentation(),
        # The authors have four GPUs, and normalize over the 64 pictures of each (decision 12).
        sampling=Sampling(batch_size=256, instances=16, statistics_over=64),
        optimizer=Optimizer(kind="adam", lr=3.5e-4, weight_decay=5e-4),
        schedule=Schedule(kind="step", every=20, gamma=0.1),
        epochs=50,
        iterations=200,
        evaluate_every=10,
        precision="32",
    )


def msmt17() -> Recipe:
    """MSMT17 without labels: as Market-1501, with twice the steps per epoch."""
    return replace(market1501(), name="cluster_contrast/msmt17", iterations=400)


def dukemtmc() -> Recipe:
    """DukeMTMC-reID without labels, for comparison with old papers: its authors withdrew it."""
    return replace(market1501(), name="cluster_contrast/dukemtmc")


def personx() -> Recipe:
    """PersonX without labels: as Market-1501."""
    return replace(market1501(), name="cluster_contrast/personx")
