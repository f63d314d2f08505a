"""Recipes of TCMM. The first line of each is what ``reknow recipes`` prints."""

from __future__ import annotations

from dataclasses import replace

from reknow.data.transforms import Augmentation, Preprocessing
from reknow.methods.clustered import Clustering
from reknow.methods.recipe import Optimizer, Recipe, Sampling, Schedule
from reknow.methods.shipped import CHARACTERS, OWN_DATA_CLUSTERING, WORLD_EPOCHS, unsupervised_from_shipped
from reknow.methods.tcmm.method import TCMMConfig
from reknow.models.embedder import EmbedderConfig
from reknow.models.transformer import TransformerConfig

__all__ = ["dukemtmc", "market1501", "msmt17", "omniglot", "own_data", "personx", "world"]

PASS_NETWORK = EmbedderConfig(
    trunk=TransformerConfig(size="small", extra_tokens=3, registers=1, drop_path=0.3), feature="cls+extra"
)
"""ViT-S/16 with CLS, three PART tokens and the EXTRA token, a register; 768 numbers (decision 13 in
docs/methods/tcmm.md)."""

OWN_DATA = TCMMConfig(
    clustering=OWN_DATA_CLUSTERING,
    update="plain",
    momentum=0.1,
    instance_weight=0.1,
    weigh_by_agreement=True,
    refresh_outliers=True,
)
"""Both parts, let loose less than by the paper, and the memory only as far as two halves of the embeddings agree: where
clusters are impure, the least similar picture of a cluster is mostly another individual (decision 21 in
docs/methods/tcmm.md)."""


def own_data() -> Recipe:
    """Your own unlabelled pictures, from the shipped weights or from a file of yours, on a laptop."""
    return unsupervised_from_shipped("tcmm", OWN_DATA)


def world() -> Recipe:
    """The shipped trunk adapts to the world's target domain without labels, with TCMM's three losses."""
    return replace(own_data(), name="tcmm/world", data="world:target", epochs=WORLD_EPOCHS)


def omniglot() -> Recipe:
    """Omniglot's characters without labels; strokes want small rotations and shears, and no mirror image."""
    return replace(own_data(), name="tcmm/omniglot", epochs=30, augmentation=CHARACTERS)


def market1501() -> Recipe:
    """Market-1501 without labels: ViT-S from PASS's LUPerson weights, the authors' settings."""
    return Recipe(
        name="tcmm/market1501",
        # Decisions 1, 5 and 9 in docs/methods/tcmm.md.
        method=TCMMConfig(clustering=Clustering(eps=0.6), normalize="as_released", negatives=8),
        network=PASS_NETWORK,
        weights="",  # PASS's pass_vit_small_full.pth, named with --weights
        preprocessing=Preprocessing(),
        augmentation=Augmentation(),
        # The authors have four GPUs with 128 pictures each (decision 12).
        sampling=Sampling(batch_size=512, instances=8, statistics_over=128),
        optimizer=Optimizer(kind="sgd", lr=3.5e-4, momentum=0.9, weight_decay=5e-4),
        schedule=Schedule(kind="step", every=20, gamma=0.1),
        epochs=80,
        iterations=200,
        evaluate_every=10,
        precision="32",
    )


def msmt17() -> Recipe:
    """MSMT17 without labels: eps 0.7 and four negatives, as the checkpoint of the published number is named."""
    return replace(
        market1501(),
        name="tcmm/msmt17",
        method=TCMMConfig(clustering=Clustering(eps=0.7), normalize="as_released", negatives=4),
    )


def personx() -> Recipe:
    """PersonX without labels: no settings were published, so Market-1501's."""
    return replace(market1501(), name="tcmm/personx")


def dukemtmc() -> Recipe:
    """DukeMTMC-reID without labels, for comparison with old papers: its authors withdrew it. Market-1501's settings."""
    return replace(market1501(), name="tcmm/dukemtmc")
