"""Adapters of convolutional networks: ResNet-50 and OSNet.

torchvision's ResNet-50 and torchreid's OSNet (github KaiyangZhou/deep-person-reid) have our names. cluster-contrast
(github alibaba/cluster-contrast-reid) numbers torchvision's stages in one sequence, pools by a learned exponent or by
the mean, and ends in a batch-norm neck.
"""

from __future__ import annotations

import torch

from reknow.models.osnet import WIDTHS, OSNetConfig
from reknow.models.resnet import ResNetConfig
from reknow.models.weights.file import Content
from reknow.models.weights.foreign import IMAGENET, Foreign, sorted_out

STAGES = {"0": "conv1", "1": "bn1", "4": "layer1", "5": "layer2", "6": "layer3", "7": "layer4", "gap": "pool"}
"""cluster-contrast's numbers (2 is the ReLU, 3 the maximum) and its name of the pooling, to torchvision's and ours."""


def torchvision(content: Content) -> Foreign:
    """torchvision's ResNet-50 from ImageNet, or our own."""
    return sorted_out(content, "torchvision ResNet-50", ResNetConfig(), normalization=IMAGENET, neck="neck.")


def cluster_contrast(content: Content) -> Foreign:
    """cluster-contrast's ResNet-50 with its neck.

    A file without an exponent is of a network that pools by the mean, which is an exponent of 1.
    """
    state = {}
    for name, tensor in content.state.items():
        stage, dot, rest = name.partition(".")
        state[STAGES.get(stage, stage) + dot + rest] = tensor
    state.setdefault("pool.p", torch.ones(1))
    return sorted_out(
        content,
        "cluster-contrast ResNet-50",
        ResNetConfig(),
        state=state,
        normalization=IMAGENET,
        neck="feat_bn.",
    )


def torchreid(content: Content) -> Foreign:
    """torchreid's OSNet of any width, which is found from its channels."""
    channels = content.state["conv1.conv.weight"].shape[0]
    width = min(WIDTHS, key=lambda choice: abs(OSNetConfig(width=choice).channels[0] - channels))
    return sorted_out(
        content,
        f"torchreid OSNet x{width}",
        OSNetConfig(width=width),
        feature="projected",
        normalization=IMAGENET,
        neck="neck.",
    )
