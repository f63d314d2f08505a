"""Recipes of cluster contrast. The first line of each is what ``reknow recipes`` prints."""

from __future__ import annotations

from dataclasses import replace

from reknow.data.transforms import Augmentation, Preprocessing
from reknow.methods.cluster_contrast.across_spectra import AcrossSpectraConfig
from reknow.methods.cluster_contrast.method import ClusterContrastConfig, Clustering
from reknow.methods.recipe import Optimizer, Recipe, Sampling, Schedule
from reknow.methods.shipped import (
    CHARACTERS,
    OWN_DATA_CLUSTERING,
    SHIPPED_AUGMENTATION,
    SHIPPED_NETWORK,
    WORLD_EPOCHS,
    unsupervised_from_shipped,
)
from reknow.methods.spectrum_sampling import SpectrumSampling
from reknow.models.cross_spectrum import CrossSpectrumConfig
from reknow.models.embedder import EmbedderConfig
from reknow.models.resnet import ResNetConfig
from reknow.observation import Spectrum

__all__ = [
    "dukemtmc",
    "llcm",
    "market1501",
    "msmt17",
    "omniglot",
    "own_data",
    "personx",
    "regdb",
    "sysu_mm01",
    "visible_infrared",
    "world",
    "world_visible_infrared",
]


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


def visible_infrared() -> Recipe:
    """Your own visible and infrared pictures, unpaired and unlabelled, from the shipped weights, on a laptop."""
    spectra: tuple[Spectrum, ...] = ("rgb", "nir", "tir")
    shipped = SHIPPED_NETWORK
    network = CrossSpectrumConfig(trunk=replace(shipped.trunk, stems=spectra), feature=shipped.feature, spectra=spectra)
    return replace(
        own_data(),
        name="cluster_contrast/visible_infrared",
        method=AcrossSpectraConfig(clustering=OWN_DATA_CLUSTERING),
        network=network,
        augmentation=replace(SHIPPED_AUGMENTATION, channel_exchange=0.5, grayscale=0.2),
        sampling=SpectrumSampling(batch_size=64, instances=4),
    )


def world_visible_infrared() -> Recipe:
    """The synthetic world's cameras, half of them visible by day and half near infrared at night."""
    return replace(
        visible_infrared(),
        name="cluster_contrast/world_visible_infrared",
        data="world:target?spectra=rgb,nir&unpaired=cameras",
    )


def sysu_mm01() -> Recipe:
    """SYSU-MM01 without labels: ResNet-50 with two first layers, the settings that ADCA and RPNR share."""
    return _across("cluster_contrast/sysu_mm01", ("rgb", "nir"), eps=0.6, iterations=200)


def regdb() -> Recipe:
    """RegDB without labels, one split: thermal pictures, and half of the radius, as ADCA has it."""
    return _across("cluster_contrast/regdb", ("rgb", "tir"), eps=0.3, iterations=100)


def llcm() -> Recipe:
    """LLCM without labels: as SYSU-MM01; no method without labels that we know of has published settings for it."""
    return replace(sysu_mm01(), name="cluster_contrast/llcm")


def _across(name: str, spectra: tuple[Spectrum, ...], *, eps: float, iterations: int) -> Recipe:
    return Recipe(
        name=name,
        method=AcrossSpectraConfig(clustering=Clustering(eps=eps), momentum=0.1, update="plain"),
        network=CrossSpectrumConfig(trunk=ResNetConfig(stems=spectra), spectra=spectra),
        weights="",  # torchvision's resnet50 file, named with --weights
        preprocessing=Preprocessing(size=(288, 144), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
        augmentation=Augmentation(channel_exchange=0.5),
        sampling=SpectrumSampling(batch_size=256, instances=16, statistics_over=64),
        optimizer=Optimizer(kind="adam", lr=3.5e-4, weight_decay=5e-4),
        # Both stages of 50 epochs begin at the full rate (decision 20).
        schedule=Schedule(kind="step", milestones=(70, 90), gamma=0.1),
        epochs=100,
        iterations=iterations,
        evaluate_every=10,
        precision="32",
    )
