"""Trunks of inverted residuals: MobileNetV2, and one in the style of FBNetV2 with fixed sizes.

Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks" (CVPR 2018, section 3.4 and table 2). A block
widens its maps by the expansion, filters each channel by itself and narrows them again; where it neither strides nor
changes the number of channels, its input is added. Blocks and convolutions are torchvision's. RIB searches its own
network among the sizes of FBNetV2 (Wan et al., "FBNetV2", CVPR 2020) in :mod:`~reknow.models.channel_search`;
:class:`FBNetV2Config` has the largest of them, and the blocks of MobileNetV2 in place of FBNetV2's choice of kernels
and activations.

A stage is a line of the table: blocks of as many channels, of which the first strides. The last map is pooled by the
mean. As in a ResNet, a recipe may insert modules into the blocks and behind the stages, and give each spectrum its own
first convolution (:mod:`~reknow.models.insertion`). Decision: re-identification keeps the resolution of the last
strided stage, as in a ResNet-50 (Luo et al., "Bag of Tricks", 2019), so a patch has 16 pixels.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torchvision.models.mobilenetv2 import InvertedResidual
from torchvision.ops import Conv2dNormActivation

from reknow.models.insertion import ConvolutionalConfig, ConvolutionalTrunk, built_after
from reknow.models.stems import SpectrumOfRows, per_spectrum, through


class Stage(NamedTuple):
    """A line of a table.

    Attributes:
        expansion: channels inside a block over those that come in.
        channels: that leave it.
        blocks: how many.
        stride: of the first of them.
    """

    expansion: int
    channels: int
    blocks: int
    stride: int


class InvertedResidualsConfig(ConvolutionalConfig):
    """What tables of inverted residuals have in common; they take images of any size."""

    @property
    @abstractmethod
    def ends(self) -> tuple[int, int]:
        """Channels of the first convolution, which strides, and of the 1 x 1 convolution that ends the map: D."""

    @property
    @abstractmethod
    def table(self) -> Mapping[str, Stage]:
        """The stages by their names."""

    @property
    def stages(self) -> Mapping[str, int]:
        """Names of the stages, and the channels that leave them."""
        return {name: stage.channels for name, stage in self.table.items()}

    def build(self) -> InvertedResiduals:
        """The trunk, with fresh random weights."""
        return InvertedResiduals(self)


@dataclass(frozen=True, kw_only=True)
class MobileNetV2Config(InvertedResidualsConfig):
    """Shape of a MobileNetV2 of width 1.

    Attributes:
        last_stride: stride of stage6, the last that has one; with 1 a patch has 16 pixels, with 2 it has 32.
        within: the module in every block, after the last norm and before the addition.
        after: names of stages (stage1 to stage7), each with the module that follows it.
        stems: spectra that have a first convolution of their own; empty for one for all pictures.
    """

    last_stride: Literal[1, 2] = 1

    @property
    def ends(self) -> tuple[int, int]:
        """32, and 1280 at the end."""
        return 32, 1280

    @property
    def table(self) -> Mapping[str, Stage]:
        """Table 2 of the paper."""
        return {
            "stage1": Stage(1, 16, 1, 1),
            "stage2": Stage(6, 24, 2, 2),
            "stage3": Stage(6, 32, 3, 2),
            "stage4": Stage(6, 64, 4, 2),
            "stage5": Stage(6, 96, 3, 1),
            "stage6": Stage(6, 160, 3, self.last_stride),
            "stage7": Stage(6, 320, 1, 1),
        }


@dataclass(frozen=True, kw_only=True)
class FBNetV2Config(InvertedResidualsConfig):
    """Shape of the largest network in RIB's search space; a patch has 16 pixels.

    Attributes:
        within: the module in every block, after the last norm and before the addition.
        after: names of stages (stage1 to stage5), each with the module that follows it.
        stems: spectra that have a first convolution of their own; empty for one for all pictures.
    """

    @property
    def ends(self) -> tuple[int, int]:
        """16, and 1984 at the end."""
        return 16, 1984

    @property
    def table(self) -> Mapping[str, Stage]:
        """The numbers of blocks of the authors' code, with the most channels of each searched unit."""
        return {
            "stage1": Stage(1, 16, 1, 1),
            "stage2": Stage(6, 28, 3, 2),
            "stage3": Stage(6, 40, 12, 2),
            "stage4": Stage(6, 128, 21, 2),
            "stage5": Stage(6, 216, 12, 1),
        }


class InvertedResiduals(ConvolutionalTrunk):
    """Images to tokens; see :class:`~reknow.models.insertion.ConvolutionalTrunk`.

    Args:
        config: its shape.

    Example:
        >>> tokens = MobileNetV2Config().build().eval()(torch.zeros(2, 3, 128, 64))
        >>> tokens.cls.shape, tokens.patches.shape, tokens.grid
        (torch.Size([2, 1280]), torch.Size([2, 32, 1280]), (8, 4))
    """

    config: Any  # an InvertedResidualsConfig; a supernet names its own

    def __init__(self, config: InvertedResidualsConfig) -> None:
        super().__init__()
        self.config = config
        channels, last = config.ends
        self.stem = _convolution(3, channels, kernel_size=3, stride=2)
        for name, stage in config.table.items():
            blocks = nn.Sequential()
            for number in range(stage.blocks):
                stride = stage.stride if number == 0 else 1
                blocks.append(Block(channels, stage.channels, stride, stage.expansion))
                channels = stage.channels
            self.add_module(name, blocks)
        self.head = _convolution(channels, last, kernel_size=1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                # By what comes in: counted by what leaves, as torchvision does, a depthwise filter of C channels is
                # sqrt(C) too small, and the features of a fresh network are 1e-9.
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        self.stem = per_spectrum(self.stem, config.stems)
        for name, channels in config.stages.items():
            for block in self.get_submodule(name).children():
                block.within = config.within.build(channels)
        self.after = built_after(config.after, config.stages)

    @property
    def dim(self) -> int:
        """D, the size of `cls` and of a patch: the channels of the last map."""
        return self.config.ends[1]

    def before_stages(
        self, images: Float[Tensor, "batch 3 height width"], spectrum: SpectrumOfRows | None
    ) -> Float[Tensor, "batch channels rows columns"]:
        """Images to maps of half their height and width."""
        # Channels last: forward and backward of 8 pictures of 256 x 128 took a MobileNetV2 0.43 s instead of 0.63 s.
        return through(self.stem, images.contiguous(memory_format=torch.channels_last), spectrum)

    def after_stages(
        self, maps: Float[Tensor, "batch channels rows columns"]
    ) -> Float[Tensor, "batch dim rows columns"]:
        """The 1 x 1 convolution that ends the map."""
        return self.head(maps)

    def pooled(
        self, maps: Float[Tensor, "batch dim rows columns"], patches: Float[Tensor, "batch patches dim"]
    ) -> Float[Tensor, "batch dim"]:
        """The mean over positions."""
        return patches.mean(1)


class Block(InvertedResidual):
    """torchvision's inverted residual with a place for a module before the addition.

    Attributes:
        within: from maps to maps of the same size.
    """

    within: nn.Module

    def forward(self, x: Float[Tensor, "batch inputs height width"]) -> Float[Tensor, "batch outputs rows columns"]:
        """(B, C, H, W) to (B, C', H / stride, W / stride)."""
        maps = self.within(self.conv(x))
        return maps + x if self.use_res_connect else maps


def _convolution(inputs: int, outputs: int, **shape: Any) -> nn.Module:
    """Convolution, batch norm and ReLU6."""
    return Conv2dNormActivation(inputs, outputs, norm_layer=nn.BatchNorm2d, activation_layer=nn.ReLU6, **shape)
