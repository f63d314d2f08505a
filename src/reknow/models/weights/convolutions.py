"""Adapters of convolutional networks: ResNet-50, OSNet and MobileNetV2.

torchvision's ResNet-50 and torchreid's OSNet (github KaiyangZhou/deep-person-reid) have the names of our trunks.
cluster-contrast (github alibaba/cluster-contrast-reid) numbers torchvision's stages in one sequence, and torchvision
the blocks of its MobileNetV2. Many others keep
torchvision's names and add layers of their own behind the stages. These layers identify the origin, and so the pooling,
the stride of the last stage, and the side of the neck on which features are compared: bag of tricks (github
michuanhaohao/reid-strong-baseline, and TransReID's ResNet-50) and fast-reid (github JDAI-CV/fast-reid) have stride 1
and compare behind the neck, torchreid's plain network has stride 2 and no neck. Decision: a ResNet-50 with other layers
behind its stages is refused, because it would be compared without them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from reknow.errors import WeightsError
from reknow.models.inverted_residuals import MobileNetV2Config
from reknow.models.osnet import WIDTHS, OSNetConfig
from reknow.models.resnet import ResNetConfig
from reknow.models.weights.file import Content
from reknow.models.weights.pretrained import (
    IMAGENET,
    Normalization,
    PretrainedWeights,
    of_rank,
    partitioned,
    refuse_options,
)

STAGES = {"0": "conv1", "1": "bn1", "4": "layer1", "5": "layer2", "6": "layer3", "7": "layer4", "gap": "pool"}
"""cluster-contrast's numbers (2 is the ReLU, 3 the maximum) and its name of the pooling, and our trunk's names."""

TRUNK = re.compile(r"(conv1|bn1|layer[1-4])\.")

MEAN = "pooled by the mean, as no exponent is in the file"


class Layers(NamedTuple):
    """The layers behind a ResNet-50's stages, for one origin.

    Attributes:
        origin: its name, for people.
        names: a pattern that every tensor behind the stages matches.
        sign: a pattern that one of them matches and that no other origin has; empty if no such tensor is needed.
        last_stride: stride of the last stage.
        neck: prefix of the batch-norm neck's tensors; empty for none.
        exponent: name of the pooling's exponent; empty if the maps are pooled by the mean.
        inside: whether the network must lie in a module of this name.
    """

    origin: str
    names: str
    sign: str
    last_stride: Literal[1, 2]
    neck: str = ""
    exponent: str = ""
    inside: str = ""


_BATCH_NORM = r"(weight|bias|running_mean|running_var|num_batches_tracked)"
_CLASSIFIER = r"classifier\.(weight|bias)"

LAYERS = (  # the more special first
    Layers("reknow ResNet-50", rf"pool\.p|neck\.{_BATCH_NORM}", r"pool\.p", 1, "neck.", "pool.p"),
    Layers(
        "fast-reid ResNet-50",
        rf"heads\.(bottleneck\.0|bottleneck|bnneck)\.{_BATCH_NORM}|heads\.pool_layer\.p|heads\.(classifier\.)?weight|pixel_.*",
        r"heads\..*",
        1,
        exponent="heads.pool_layer.p",
    ),
    Layers(
        "bag of tricks ResNet-50", rf"bottleneck\.{_BATCH_NORM}|{_CLASSIFIER}", r"bottleneck\.weight", 1, "bottleneck."
    ),
    Layers("bag of tricks ResNet-50 without a neck", _CLASSIFIER, _CLASSIFIER, 1, inside="base."),
    Layers("torchreid ResNet-50", _CLASSIFIER, _CLASSIFIER, 2),
    Layers("MoCo ResNet-50", r"fc\..*|encoder_k\..*|queue.*|predictor\..*", "", 2, inside="encoder_q."),
    Layers("torchvision ResNet-50", r"fc\.(weight|bias)", "", 2),
)


def resnet(content: Content) -> PretrainedWeights:
    """A ResNet-50 under torchvision's names; the layers behind its stages determine the origin."""
    refuse_options(content, "size", "stride", "neck", "normalization")
    if inside := [name for name in content.state if re.search(r"\.bn\d\.(IN|BN)\.|^NL_|\.se\.|^layer4\.3\.", name)]:
        raise WeightsError(
            content.path,
            found=f"a ResNet with other layers inside, such as '{inside[0]}' (instance norm, non-local blocks, "
            "attention over channels, or more blocks)",
            expected="a plain ResNet-50",
            remedy="Choose weights of the plain network.",
        )
    behind = [name for name in content.state if not TRUNK.match(name)]
    layers = next((choice for choice in LAYERS if _has(choice, behind, content.prefixes)), None)
    neck = layers.neck if layers else ""
    if layers and layers.origin.startswith("fast-reid"):
        neck = next((name[: -len("weight")] for name in behind if re.search(r"neck\.(0\.)?weight$", name)), "")
        if neck and content.state[neck + "weight"].ndim != 1:  # the feature is reduced before its neck
            layers = None
    if layers is None:
        known = ("fc.", "classifier.", "heads.", "bottleneck.", "neck.", "pool.")
        unknown = next((name for name in behind if not name.startswith(known)), behind[0])
        raise WeightsError(
            content.path,
            found=f"a ResNet-50 with layers of its own behind, such as '{unknown}'",
            expected=f"those of {', '.join(choice.origin for choice in LAYERS)}, since features leave the last layer",
            remedy="Choose weights of one of these. To take the stages alone, save a state dict of them.",
        )
    return _pooled(content, layers, neck)


def _has(layers: Layers, behind: list[str], prefixes: tuple[str, ...]) -> bool:
    return (
        (not layers.inside or layers.inside in prefixes)
        and all(re.fullmatch(layers.names, name) for name in behind)
        and (not layers.sign or any(re.fullmatch(layers.sign, name) for name in behind))
    )


def _pooled(content: Content, layers: Layers, neck: str) -> PretrainedWeights:
    state, notes = dict(content.state), []
    exponent = state.pop(layers.exponent, None)
    classifies = layers.last_stride == 2  # trained on ImageNet, or like such networks: no exponent
    if exponent is not None:
        state["pool.p"] = exponent.reshape(1)
    elif not classifies:
        state["pool.p"] = torch.ones(1)
        notes.append(MEAN)
    last_stride = _last_stride(content, layers.last_stride)
    notes.append(_of_stride(content, last_stride))
    return partitioned(
        content,
        layers.origin,
        ResNetConfig(last_stride=last_stride),
        state=state,
        normalization=_normalization(content.state),
        neck=neck,
        notes=tuple(notes),
    )


def _last_stride(content: Content, published: Literal[1, 2]) -> Literal[1, 2]:
    match content.options.stride:
        case None:
            return published
        case 16:
            return 1
        case 32:
            return 2
        case other:
            raise WeightsError(
                f"{content.path}, option 'stride'",
                found=f"{other}",
                expected="16 or 32 pixels, for a last stage of stride 1 or 2",
                remedy="Correct the value.",
            )


def _of_stride(content: Content, last_stride: int) -> str:
    return f"last stage of stride {last_stride}" + ("" if content.options.stride else ", as its authors have it")


def _normalization(state: Mapping[str, Tensor]) -> Normalization:
    """ImageNet's, or the values in fast-reid's older files, in levels of 0 to 255."""
    if not {"pixel_mean", "pixel_std"} <= state.keys():
        return IMAGENET
    mean, std = (tuple(value / 255 for value in state[f"pixel_{name}"].flatten().tolist()) for name in ("mean", "std"))
    return (
        Normalization((mean[0], mean[1], mean[2]), (std[0], std[1], std[2])) if len(mean) == len(std) == 3 else IMAGENET
    )


def cluster_contrast(content: Content) -> PretrainedWeights:
    """cluster-contrast's ResNet-50 with its neck.

    A file without an exponent belongs to a network that pools by the mean, which is an exponent of 1.
    """
    refuse_options(content, "size", "stride", "neck", "normalization")
    state = {}
    for name, tensor in content.state.items():
        stage, dot, rest = name.partition(".")
        state[STAGES.get(stage, stage) + dot + rest] = tensor
    if "feat.weight" in state:
        raise WeightsError(
            content.path,
            found="cluster-contrast's ResNet-50 with a reduced feature ('feat.weight'), which our network lacks",
            remedy="Choose weights without the reduction.",
        )
    notes = () if "pool.p" in state else (MEAN,)
    state.setdefault("pool.p", torch.ones(1))
    return partitioned(
        content,
        "cluster-contrast ResNet-50",
        ResNetConfig(last_stride=_last_stride(content, 1)),
        state=state,
        normalization=IMAGENET,
        neck="feat_bn.",
        notes=notes,
    )


def torchreid(content: Content) -> PretrainedWeights:
    """torchreid's OSNet; its width is determined from its channels."""
    refuse_options(content, "size", "neck", "normalization")
    channels = len(of_rank(content, content.state, "conv1.conv.weight", 4))
    width = min(WIDTHS, key=lambda choice: abs(OSNetConfig(width=choice).channels[0] - channels))
    return partitioned(
        content,
        f"torchreid OSNet x{width}",
        OSNetConfig(width=width),
        feature="projected",
        normalization=IMAGENET,
        neck="neck.",
    )


def mobilenet(content: Content) -> PretrainedWeights:
    """torchvision's MobileNetV2 of width 1, which numbers first convolution, blocks and last convolution in one
    sequence."""
    refuse_options(content, "size", "stride", "neck", "normalization")
    last_stride = _last_stride(content, 2)
    trunk = MobileNetV2Config(last_stride=last_stride)
    blocks = [f"{name}.{number}" for name, stage in trunk.table.items() for number in range(stage.blocks)]
    places = {f"features.{number}": place for number, place in enumerate(("stem", *blocks, "head"))}
    state = {}
    for name, tensor in content.state.items():
        number = ".".join(name.split(".")[:2])
        state[places.get(number, number) + name.removeprefix(number)] = tensor
    return partitioned(
        content,
        "torchvision MobileNetV2",
        trunk,
        state=state,
        normalization=IMAGENET,
        notes=(_of_stride(content, last_stride),),
    )
