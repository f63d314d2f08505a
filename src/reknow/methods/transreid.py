"""TransReID's runs, which RIB's are the same as but for attention and loss: published ones, and small ones.

He et al., "TransReID" (ICCV 2021); the released configurations ``vit_transreid_stride.yml``.
"""

from __future__ import annotations

from dataclasses import replace

from reknow.data.transforms import Augmentation, Preprocessing
from reknow.methods.method import MethodConfig
from reknow.methods.recipe import Optimizer, Recipe, Schedule
from reknow.methods.sampling import ExhaustiveSampling
from reknow.methods.shipped import SHIPPED_NETWORK, supervised_from_shipped
from reknow.models.attention import AttentionConfig, SoftmaxAttention
from reknow.models.jigsaw import JigsawConfig
from reknow.models.transformer import TransformerConfig

AUGMENTATION = Augmentation(
    erase_area=(0.02, 1 / 3), erase_aspect_law="log_uniform", erase_tries=10, erase_value="noise"
)
"""Its erased rectangles are those of timm; EDITOR took them over."""

WORLD_CAMERAS = 8
"""Of the hard world's target domain; the easy one has 6."""


def published(name: str, method: MethodConfig, cameras: int, attention: AttentionConfig | None = None) -> Recipe:
    """ViT-B of stride 12 from ImageNet-21k, with camera embedding and jigsaw; as released for every data set.

    Args:
        name: of the recipe.
        method: its settings.
        cameras: rows of the camera table.
        attention: in all blocks; by default ViT's own.
    """
    trunk = TransformerConfig(
        size="base", stride=12, cameras=cameras, drop_path=0.1, attention=attention or SoftmaxAttention()
    )
    return Recipe(
        name=name,
        method=method,
        network=JigsawConfig(trunk=trunk),
        weights="",  # vitb_16_224_21k.pth, named with --weights
        preprocessing=Preprocessing(),
        augmentation=AUGMENTATION,
        sampling=ExhaustiveSampling(batch_size=64, instances=4),
        optimizer=Optimizer(kind="sgd", lr=8e-3, bias_lr_factor=2.0, momentum=0.9, weight_decay=1e-4),
        schedule=Schedule(kind="cosine", warmup=5, floor=0.002),
        epochs=120,
        evaluate_every=120,
        seed=1234,
        precision="bf16",  # for the authors' fp16
    )


def small(name: str, method: MethodConfig, cameras: int = 0, attention: AttentionConfig | None = None) -> Recipe:
    """The shipped trunk with a jigsaw of its patches, for labelled pictures on a laptop; arguments as above."""
    assert isinstance(SHIPPED_NETWORK.trunk, TransformerConfig)
    trunk = replace(SHIPPED_NETWORK.trunk, cameras=cameras, attention=attention or SoftmaxAttention())
    return supervised_from_shipped(name, method, JigsawConfig(trunk=trunk, feature="cls+extra"))
