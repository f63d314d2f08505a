"""Recipes of FIRM. The first line of each is what ``reknow recipes`` prints."""

from __future__ import annotations

from dataclasses import replace

from reknow.data.transforms import Augmentation, Preprocessing
from reknow.methods.clustered import Clustering
from reknow.methods.firm.method import FirmConfig
from reknow.methods.firm.network import FirmNetworkConfig
from reknow.methods.recipe import Optimizer, Recipe, Schedule
from reknow.methods.shipped import OWN_DATA_CLUSTERING, SHIPPED_NETWORK, WORLD_EPOCHS, unsupervised_from_shipped
from reknow.methods.spectrum_sampling import SpectrumSampling
from reknow.models.text import CLIP_TEXT, TextTowerConfig
from reknow.models.transformer import TransformerConfig
from reknow.models.weights.pretrained import CLIP
from reknow.observation import Spectrum

__all__ = ["llcm", "own_data", "regdb", "sysu_mm01", "world_visible_infrared"]


def own_data() -> Recipe:
    """Your own visible and infrared pictures, unpaired, with or without captions, on a laptop."""
    spectra: tuple[Spectrum, ...] = ("rgb", "nir", "tir")
    assert isinstance(SHIPPED_NETWORK.trunk, TransformerConfig)
    network = FirmNetworkConfig(
        trunk=replace(SHIPPED_NETWORK.trunk, stems=spectra),
        spectra=spectra,
        text=TextTowerConfig(),
        gated=(1, 2),
        attended=(3, 4),
        aligned=(1, 2, 3, 4),
    )
    base = unsupervised_from_shipped("firm", FirmConfig(clustering=OWN_DATA_CLUSTERING, apart=0.5))
    return replace(
        base,
        network=network,
        augmentation=replace(base.augmentation, channel_exchange=0.5, grayscale=0.2),
        sampling=SpectrumSampling(batch_size=64, instances=4),
    )


def world_visible_infrared() -> Recipe:
    """The synthetic world's cameras, half of them near infrared at night, with its own captions."""
    return replace(
        own_data(),
        name="firm/world_visible_infrared",
        data="world:target?spectra=rgb,nir&unpaired=cameras&captions=0.1",
        epochs=WORLD_EPOCHS,
    )


def sysu_mm01() -> Recipe:
    """SYSU-MM01 without labels: CLIP ViT-B/16 and a file of captions, the paper's settings."""
    return _published("firm/sysu_mm01", ("rgb", "nir"), eps=0.6, iterations=200)


def regdb() -> Recipe:
    """RegDB without labels, one split: thermal pictures, and half of the radius."""
    return _published("firm/regdb", ("rgb", "tir"), eps=0.3, iterations=100)


def llcm() -> Recipe:
    """LLCM without labels: as SYSU-MM01; the paper does not use it."""
    return replace(sysu_mm01(), name="firm/llcm")


def _published(name: str, spectra: tuple[Spectrum, ...], *, eps: float, iterations: int) -> Recipe:
    trunk = TransformerConfig(stems=spectra, norm_pre=True, activation="quick_gelu", layer_norm_eps=1e-5)
    return Recipe(
        name=name,
        method=FirmConfig(clustering=Clustering(eps=eps)),
        network=FirmNetworkConfig(trunk=trunk, spectra=spectra, text=CLIP_TEXT),
        weights="",  # a CLIP ViT-B/16, named with --weights
        preprocessing=Preprocessing(size=(256, 128), mean=CLIP.mean, std=CLIP.std),
        augmentation=Augmentation(pad=0, erase=0.0),  # mirror images alone (decision 16)
        sampling=SpectrumSampling(batch_size=64, instances=4),
        optimizer=Optimizer(kind="adamw", lr=3e-5, weight_decay=0.05, clip=5.0),
        # The paper warms up for 300 steps; an epoch has 200.
        schedule=Schedule(kind="cosine", counts="steps", warmup=300),
        epochs=60,
        iterations=iterations,
        evaluate_every=10,
        precision="32",
    )
