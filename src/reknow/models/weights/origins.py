"""The origin of a file of weights, determined from the names of its tensors."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from reknow.errors import WeightsError
from reknow.models.weights import clip, convolutions, transformers
from reknow.models.weights.file import Content, read
from reknow.models.weights.pretrained import PretrainedWeights
from reknow.models.weights.source import FileOptions, Source


class Adapter(NamedTuple):
    """One origin.

    Attributes:
        origin: its name, for people.
        signs: tensors that each of its files holds, without prefixes.
        understand: the file as :class:`PretrainedWeights`; None if it has the tensors but is of another origin.
    """

    origin: str
    signs: tuple[str, ...]
    understand: Callable[[Content], PretrainedWeights | None]


_VIT = ("cls_token", "pos_embed", "patch_embed.proj.weight", "blocks.0.attn.qkv.weight", "blocks.0.mlp.fc1.weight")
_PARTS = ("part_token1", "part1_pos", "cls_pos")
_CLIP = ("class_embedding", "positional_embedding", "conv1.weight", "transformer.resblocks.0.attn.in_proj_weight")

ADAPTERS = (  # the more special first
    Adapter("TCMM", (*_VIT, *_PARTS, "token", "token_pos"), transformers.tcmm),
    Adapter("PASS", (*_VIT, *_PARTS), transformers.passes),
    Adapter("reknow's own transformer", _VIT, transformers.own_transformer),
    Adapter("TransReID", _VIT, transformers.transreid),
    Adapter("CLIP (OpenAI, open_clip)", tuple(f"visual.{name}" for name in _CLIP), clip.towers),
    Adapter("CLIP's image tower", _CLIP, clip.towers),
    Adapter("CLIP (timm)", (*_VIT, "norm_pre.weight"), clip.timm),
    Adapter("ImageNet ViT (timm, DeiT)", (*_VIT, "head.weight"), transformers.imagenet),
    Adapter("TransReID-SSL", _VIT, transformers.transreid_ssl),
    Adapter(
        "ResNet-50 (torchvision, bag of tricks, fast-reid, torchreid)",
        ("conv1.weight", "layer1.0.conv3.weight", "layer4.2.bn3.weight"),
        convolutions.resnet,
    ),
    Adapter(
        "cluster-contrast ResNet-50", ("0.weight", "4.0.conv3.weight", "7.2.bn3.weight"), convolutions.cluster_contrast
    ),
    Adapter(
        "torchvision MobileNetV2",
        ("features.0.0.weight", "features.1.conv.1.weight", "features.18.0.weight"),
        convolutions.mobilenet,
    ),
    Adapter(
        "torchreid OSNet", ("conv1.conv.weight", "conv2.0.conv2a.conv1.weight", "fc.0.weight"), convolutions.torchreid
    ),
)


VARIANTS = (
    (r"\.ls_?[12]\.gamma$|\.gamma_[12]$", "layer scale (DINOv2, DeiT III, CaiT)"),
    (r"\.mlp\.(w12|w1|w2|w3|fc1_g|fc1_x)\.", "a gated MLP (SwiGLU)"),
    (r"\.mlp\.norm\.", "a norm inside the MLP (EVA)"),
    (r"\.attn\.(q_norm|k_norm|q_bias|v_bias)|rel_pos|relative_position|rope", "another attention (EVA, BEiT, Swin)"),
    (r"^fc_norm\.", "the mean of its patches as feature (MAE fine-tuned, BEiT)"),
    (r"^(visual\.)?(reg_token|attn_pool\.)", "registers or a pooling of its own"),
    (r"^layers\.\d+\.blocks\.|^stages\.\d+\.", "stages of several resolutions (Swin, ConvNeXt)"),
)
"""Tensors of other networks that act inside the trunk, so that our trunk must not be filled without them."""


def read_weights(source: Source | Path | str, fallback: FileOptions | None = None) -> PretrainedWeights:
    """Read a file and determine its origin from its tensors, not from its name.

    Args:
        source: the file, with options after a question mark.
        fallback: what a recipe's network states; used if neither the user nor anything published does.

    Raises:
        WeightsError: no file of weights, one of an unknown origin, or a variant that our trunks cannot hold.
    """
    content = read(source, fallback)
    for pattern, variant in VARIANTS:
        if tensor := next((name for name in content.state if re.search(pattern, name)), None):
            raise WeightsError(
                content.path,
                found=f"a network with {variant}: '{tensor}'",
                expected="one that our trunks can hold",
                remedy="Choose weights of a plain ViT, ResNet-50, OSNet or MobileNetV2.",
            )
    for adapter in ADAPTERS:
        if content.state.keys() >= set(adapter.signs) and (pretrained := adapter.understand(content)) is not None:
            return pretrained
    raise _unknown(content)


def _unknown(content: Content) -> WeightsError:
    def share(adapter: Adapter) -> float:
        return len(content.state.keys() & set(adapter.signs)) / len(adapter.signs)

    examples = ", ".join(list(content.state)[:3])
    nearest = max(ADAPTERS, key=share)
    missing = next((sign for sign in nearest.signs if sign not in content.state), "")
    hint = f"nearest is {nearest.origin}, but '{missing}' is missing" if share(nearest) else "it resembles none"
    return WeightsError(
        content.path,
        found=f"weights of an unknown origin ({len(content.state)} tensors: {examples}, ...; {hint})",
        expected=f"one of {', '.join(adapter.origin for adapter in ADAPTERS)}",
        remedy="Choose weights of one of these, or rename the tensors to those of the trunk.",
    )
