"""OSNet: a small convolutional trunk made for re-identification (Zhou et al., "Omni-Scale Feature Learning", 2019).

A block processes its input in four streams of 1, 2, 3 and 4 light 3 x 3 convolutions, so with receptive fields of 3, 5,
7 and 9. One gate, which all streams share, weighs their channels for each picture (sections 3.1 and 3.2). Three stages
of two blocks follow a strided 7 x 7 convolution; a 1 x 1 convolution ends the map (table 2). The width multiplies all
channels. Names in the state dict are torchreid's, so that its published weights fit, without the classifier. Variants
with instance norm (OSNet-IBN, OSNet-AIN) are other networks.

The mean of the last map's positions, which the network pools anyway, is `cls`. :meth:`OSNet.project` gives the 512
numbers that torchreid compares. As in a ResNet, a recipe may insert modules into the blocks and behind the stages
(:mod:`~reknow.models.insertion`), and give each spectrum its own first convolution.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reknow.errors import RecipeError
from reknow.models.insertion import ConvolutionalConfig, ConvolutionalTrunk, built_after
from reknow.models.stems import SpectrumOfRows, per_spectrum, through

WIDTHS = (0.25, 0.5, 0.75, 1.0)
"""The widths that the paper trains (its section 4.1)."""

STREAMS = "abcd"
"""Stream number n, counted from 1, is a chain of n light convolutions."""

GATE_REDUCTION = 16
"""Channels over hidden units of the gate's two layers (paper: r = 16)."""


@dataclass(frozen=True, kw_only=True)
class OSNetConfig(ConvolutionalConfig):
    """Shape of an OSNet trunk; it takes images of at least 16 pixels each way.

    Attributes:
        width: factor of all channels: 0.25, 0.5, 0.75 or 1.0.
        within: the module in every block, after the last norm and before the addition.
        after: names of stages (conv2 to conv4), each with the module that follows it.
        stems: spectra that have a first convolution of their own; empty for one for all pictures.
    """

    width: float = 0.25

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width not in WIDTHS:
            raise RecipeError(
                "network.trunk.width",
                found=f"{self.width}",
                expected=", ".join(map(str, WIDTHS)),
                remedy="Choose one of these: no weights are published for others.",
            )

    @property
    def channels(self) -> tuple[int, int, int, int]:
        """Channels of the first convolution and of the three stages.

        Example:
            >>> OSNetConfig(width=0.25).channels
            (16, 64, 96, 128)
        """
        stem, first, second, third = (round(channels * self.width) for channels in (64, 256, 384, 512))
        return stem, first, second, third

    @property
    def stages(self) -> Mapping[str, int]:
        """Names of the stages, and the channels that leave them."""
        return dict(zip(("conv2", "conv3", "conv4"), self.channels[1:], strict=True))

    def build(self) -> OSNet:
        """The trunk, with fresh random weights."""
        return OSNet(self)


class OSNet(ConvolutionalTrunk):
    """Images to tokens; see :class:`~reknow.models.insertion.ConvolutionalTrunk`.

    Args:
        config: its shape.

    Example:
        >>> import torch
        >>> trunk = OSNetConfig(width=0.25).build().eval()
        >>> tokens = trunk(torch.zeros(2, 3, 128, 64))
        >>> tokens.cls.shape, tokens.patches.shape, tokens.grid, trunk.project(tokens.cls).shape
        (torch.Size([2, 128]), torch.Size([2, 32, 128]), (8, 4), torch.Size([2, 512]))
    """

    projected_dim = 512

    def __init__(self, config: OSNetConfig) -> None:
        super().__init__()
        self.config = config
        stem, first, second, third = config.channels
        self.conv1 = Convolution(3, stem, kernel=7, stride=2)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.conv2 = nn.Sequential(Block(stem, first), Block(first, first), _halved(first))
        self.conv3 = nn.Sequential(Block(first, second), Block(second, second), _halved(second))
        self.conv4 = nn.Sequential(Block(second, third), Block(third, third))
        self.conv5 = Convolution(third, third)
        self.fc = nn.Sequential(
            nn.Linear(third, self.projected_dim), nn.BatchNorm1d(self.projected_dim), nn.ReLU(inplace=True)
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        self.conv1 = per_spectrum(self.conv1, config.stems)
        for block in self.modules():
            if isinstance(block, Block):
                block.within = config.within.build(block.conv3.bn.num_features)
        self.after = built_after(config.after, config.stages)

    @property
    def dim(self) -> int:
        """D, the size of `cls` and of a patch: the channels of the last map."""
        return self.config.channels[-1]

    def before_stages(
        self, images: Float[Tensor, "batch 3 height width"], spectrum: SpectrumOfRows | None
    ) -> Float[Tensor, "batch channels rows columns"]:
        """Images to maps of a quarter of their height and width."""
        # Channels last: on a core with bf16, 340 instead of 200 pictures of 128 x 64 a second were trained.
        return self.maxpool(through(self.conv1, images.contiguous(memory_format=torch.channels_last), spectrum))

    def after_stages(self, maps: Float[Tensor, "batch dim rows columns"]) -> Float[Tensor, "batch dim rows columns"]:
        """The 1 x 1 convolution that ends the map; a patch is 16 pixels."""
        return self.conv5(maps)

    def pooled(
        self, maps: Float[Tensor, "batch dim rows columns"], patches: Float[Tensor, "batch patches dim"]
    ) -> Float[Tensor, "batch dim"]:
        """The mean over positions."""
        return patches.mean(1)

    def project(self, cls: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch 512"]:
        """The pooled vector (B, D) through the network's own last layer: linear, batch norm, ReLU."""
        return self.fc(cls)


class Block(nn.Module):
    """Omni-scale residual block (paper, figure 4b): squeeze, four gated streams summed, expand, add.

    Args:
        inputs: channels that come in.
        outputs: channels that leave; streams have a quarter of them.

    Attributes:
        within: the module that a recipe inserts before the addition; the identity by default.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        narrow = outputs // 4
        self.conv1 = Convolution(inputs, narrow)
        self.conv2a = LightConvolution(narrow)  # published names: a chain of one convolution is no list
        for length, stream in enumerate(STREAMS[1:], start=2):
            self.add_module(f"conv2{stream}", nn.Sequential(*(LightConvolution(narrow) for _ in range(length))))
        self.gate = Gate(narrow)
        self.conv3 = Convolution(narrow, outputs, activated=False)
        self.downsample = Convolution(inputs, outputs, activated=False) if inputs != outputs else nn.Identity()
        self.within: nn.Module = nn.Identity()
        self.activation = nn.ReLU(inplace=True)

    def forward(self, maps: Float[Tensor, "batch inputs height width"]) -> Float[Tensor, "batch outputs height width"]:
        """(B, C, H, W) to maps of the same height and width."""
        squeezed = self.conv1(maps)
        streams = (self.get_submodule(f"conv2{stream}")(squeezed) for stream in STREAMS)
        mixed = sum(self.gate(stream) for stream in streams)
        return self.activation(self.within(self.conv3(mixed)) + self.downsample(maps))


class Gate(nn.Module):
    """Unified aggregation gate (paper, section 3.2): a picture's channels are weighed by the pooled map.

    Args:
        channels: of the maps.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = channels // GATE_REDUCTION
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(channels, hidden, 1)
        self.activation = nn.ReLU(inplace=True)
        self.fc2 = nn.Conv2d(hidden, channels, 1)

    def forward(
        self, maps: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch channels height width"]:
        """Weigh (B, C, H, W) by weights (B, C) between 0 and 1."""
        return maps * self.fc2(self.activation(self.fc1(self.pool(maps)))).sigmoid()


class Convolution(nn.Module):
    """Convolution, batch norm and, unless a residual follows, ReLU; padded by half the kernel."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, activated: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(outputs)
        self.activation = nn.ReLU(inplace=True) if activated else nn.Identity()

    def forward(self, maps: Float[Tensor, "batch inputs height width"]) -> Float[Tensor, "batch outputs rows columns"]:
        """(B, C, H, W) to (B, C', H / stride, W / stride)."""
        return self.activation(self.bn(self.conv(maps)))


class LightConvolution(nn.Module):
    """A 3 x 3 convolution in two: across channels, then within each of them (paper, figure 3b).

    Args:
        channels: in and out.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 1, bias=False)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        self.bn = nn.BatchNorm2d(channels)
        self.activation = nn.ReLU(inplace=True)

    def forward(
        self, maps: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch channels height width"]:
        """(B, C, H, W) to the same size."""
        return self.activation(self.bn(self.conv2(self.conv1(maps))))


def _halved(channels: int) -> nn.Sequential:
    """The end of a stage: a 1 x 1 convolution, then the mean of 2 x 2 positions."""
    return nn.Sequential(Convolution(channels, channels), nn.AvgPool2d(2))
