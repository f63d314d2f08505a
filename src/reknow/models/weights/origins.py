"""Whose weights are these? The names of the tensors tell."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from reknow.errors import WeightsError
from reknow.models.weights import convolutions, transformers
from reknow.models.weights.file import Content, read
from reknow.models.weights.foreign import Foreign


class Adapter(NamedTuple):
    """One origin.

    Attributes:
        origin: its name, for people.
        signs: tensors that each of its files holds, without prefixes.
        understand: the file in our terms; None where the tensors are there but the file is another's.
    """

    origin: str
    signs: tuple[str, ...]
    understand: Callable[[Content], Foreign | None]


_VIT = ("cls_token", "pos_embed", "patch_embed.proj.weight", "blocks.0.attn.qkv.weight", "blocks.0.mlp.fc1.weight")
_PARTS = ("part_token1", "part1_pos", "cls_pos")

ADAPTERS = (  # the more special first
    Adapter("TCMM", (*_VIT, *_PARTS, "token", "token_pos"), transformers.tcmm),
    Adapter("PASS", (*_VIT, *_PARTS), transformers.passes),
    Adapter("reknow's own transformer", _VIT, transformers.ours),
    Adapter("TransReID", _VIT, transformers.transreid),
    Adapter("ImageNet ViT (timm, DeiT)", (*_VIT, "head.weight"), transformers.imagenet),
    Adapter("TransReID-SSL", _VIT, transformers.transreid_ssl),
    Adapter(
        "torchvision ResNet-50",
        ("conv1.weight", "layer1.0.conv3.weight", "layer4.2.bn3.weight"),
        convolutions.torchvision,
    ),
    Adapter(
        "cluster-contrast ResNet-50", ("0.weight", "4.0.conv3.weight", "7.2.bn3.weight"), convolutions.cluster_contrast
    ),
    Adapter(
        "torchreid OSNet", ("conv1.conv.weight", "conv2.0.conv2a.conv1.weight", "fc.0.weight"), convolutions.torchreid
    ),
)


def read_weights(path: Path | str) -> Foreign:
    """Read a file and understand it, whatever it is called.

    Raises:
        WeightsError: no file of weights, one of an unknown origin, or a variant that our trunks cannot hold.
    """
    content = read(Path(path))
    for adapter in ADAPTERS:
        if content.state.keys() >= set(adapter.signs) and (foreign := adapter.understand(content)) is not None:
            return foreign
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
