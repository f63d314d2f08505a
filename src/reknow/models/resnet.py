"""ResNet-50 as re-identification uses it (Luo et al., "Bag of Tricks", 2019; cluster-contrast's backbone).

torchvision's network without its classifier, under torchvision's state-dict names. The last stage keeps its resolution
(`last_stride` 1 instead of 2: four times the positions, no new weight). `pooling` is the generalized mean
(Radenović et al., TPAMI 2019, eq. 3), the mean or the maximum. A recipe may insert modules into the blocks and behind
the stages (:mod:`~reknow.models.insertion`), and give each spectrum its own first convolution and norm (AGW's two
streams).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torchvision.models.resnet import Bottleneck, ResNet

from reknow.models.insertion import ConvolutionalConfig, ConvolutionalTrunk, built_after
from reknow.models.stems import SpectrumOfRows, per_spectrum, through

STAGES = {"layer1": 256, "layer2": 512, "layer3": 1024, "layer4": 2048}
"""Channels that leave each stage."""


@dataclass(frozen=True, kw_only=True)
class ResNetConfig(ConvolutionalConfig):
    """Shape of a ResNet-50 trunk; it takes images of any size.

    Attributes:
        last_stride: stride of the last stage; with 1 a patch has 16 pixels, with 2 it has 32.
        pooling: of the last map, generalized_mean (cluster contrast), mean (the strong baseline, torchvision) or
            maximum (MGN).
        within: the module in every block, after the last norm and before the addition.
        after: names of stages (layer1 to layer4), each with the module that follows it.
        stems: spectra that have a first convolution and norm of their own; empty for one for all pictures.
    """

    last_stride: Literal[1, 2] = 1
    pooling: Literal["generalized_mean", "mean", "maximum"] = "generalized_mean"

    @property
    def stages(self) -> Mapping[str, int]:
        """Names of the stages, and the channels that leave them."""
        return STAGES

    def build(self) -> ResNet50:
        """The trunk, with fresh random weights."""
        return ResNet50(self)


class ResNet50(ConvolutionalTrunk):
    """Images to tokens; see :class:`~reknow.models.insertion.ConvolutionalTrunk`.

    Args:
        config: its shape.
    """

    def __init__(self, config: ResNetConfig) -> None:
        super().__init__()
        self.config = config
        whole = ResNet(Block, [3, 4, 6, 3])
        self.conv1 = per_spectrum(whole.conv1, config.stems)
        self.bn1 = per_spectrum(whole.bn1, config.stems)
        self.relu = whole.relu
        self.maxpool = whole.maxpool
        for name in STAGES:
            self.add_module(name, whole.get_submodule(name))
        stride_last_stage(self, config.last_stride)
        self.pool = {"generalized_mean": GeneralizedMean, "mean": Mean, "maximum": Maximum}[config.pooling]()
        for name, channels in STAGES.items():
            for block in self.get_submodule(name).children():
                block.within = config.within.build(channels)
        self.after = built_after(config.after, STAGES)

    @property
    def dim(self) -> int:
        """D, the size of `cls` and of a patch."""
        return 2048

    def before_stages(
        self, images: Float[Tensor, "batch 3 height width"], spectrum: SpectrumOfRows | None
    ) -> Float[Tensor, "batch 64 rows columns"]:
        """Images to maps of a quarter of their height and width."""
        maps = through(self.bn1, through(self.conv1, images, spectrum), spectrum)
        return self.maxpool(self.relu(maps))

    def pooled(
        self, maps: Float[Tensor, "batch dim rows columns"], patches: Float[Tensor, "batch patches dim"]
    ) -> Float[Tensor, "batch dim"]:
        """The mean over positions, the generalized one, or the maximum."""
        return self.pool(maps)


def stride_last_stage(stages: nn.Module, stride: Literal[1, 2]) -> None:
    """Let layer4 of a module with torchvision's names have this stride."""
    # The stage reduces the map in its first block, in the main path and in the shortcut.
    for reducing in ("layer4.0.conv2", "layer4.0.downsample.0"):
        convolution = stages.get_submodule(reducing)
        assert isinstance(convolution, nn.Conv2d)
        convolution.stride = (stride, stride)


class Block(Bottleneck):
    """torchvision's bottleneck with a place for a module before the addition.

    Attributes:
        within: from maps to maps of the same size.
    """

    within: nn.Module

    def forward(self, x: Float[Tensor, "batch inputs height width"]) -> Float[Tensor, "batch outputs rows columns"]:
        """(B, C, H, W) to (B, C', H / stride, W / stride)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        maps = self.relu(self.bn1(self.conv1(x)))
        maps = self.relu(self.bn2(self.conv2(maps)))
        maps = self.within(self.bn3(self.conv3(maps)))
        return self.relu(maps + shortcut)


class Mean(nn.Module):
    """Pooling by the mean over positions."""

    def forward(self, maps: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch channels"]:
        """Pool (B, C, H, W) to (B, C)."""
        return maps.mean(dim=(2, 3))


class Maximum(nn.Module):
    """Pooling by the maximum over positions."""

    def forward(self, maps: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch channels"]:
        """Pool (B, C, H, W) to (B, C)."""
        return maps.amax(dim=(2, 3))


class GeneralizedMean(nn.Module):
    """Pooling by (mean over positions of x^p)^(1/p): the mean for p = 1, the maximum for p → ∞; all channels share p.

    Args:
        power: initial p, which is learned; the paper's is 3.
        eps: smaller activations are raised to it, so that the root has a gradient.

    Example:
        >>> pool = GeneralizedMean(power=1.0)
        >>> pool(torch.tensor([[[[1.0, 3.0]]]])).item()
        2.0
    """

    def __init__(self, power: float = 3.0, eps: float = 1e-6) -> None:
        super().__init__()
        self.p = nn.Parameter(torch.tensor([power]))
        self.eps = eps

    def forward(self, maps: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch channels"]:
        """Pool (B, C, H, W) to (B, C)."""
        return maps.clamp(min=self.eps).pow(self.p).mean(dim=(2, 3)).pow(1 / self.p)
