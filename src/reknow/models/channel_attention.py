"""Attention over the channels of maps, for convolutional trunks: SE and CBAM, as timm has them.

SE (Hu et al., "Squeeze-and-Excitation Networks", CVPR 2018, section 3) weighs channels by the mean over the whole map.
CBAM (Woo et al., "Convolutional Block Attention Module", ECCV 2018, section 3) weighs channels by mean and maximum,
then weighs positions. Inside residual blocks: ``ResNetConfig(within=SqueezeExcitation())``.
"""

from __future__ import annotations

from dataclasses import dataclass

from timm.layers.cbam import CbamModule
from timm.layers.squeeze_excite import SEModule

from reknow.fields import PositiveInt, check_fields
from reknow.models.insertion import MapModuleConfig


@dataclass(frozen=True)
class SqueezeExcitation(MapModuleConfig):
    """SE.

    Attributes:
        reduction: number of channels divided by the number of hidden units of its two layers; the paper has 16.

    Example:
        >>> import torch
        >>> SqueezeExcitation().build(64)(torch.ones(2, 64, 4, 2)).shape
        torch.Size([2, 64, 4, 2])
    """

    reduction: PositiveInt = 16

    def __post_init__(self) -> None:
        check_fields(self, "network.trunk.within")

    def build(self, channels: int) -> SEModule:
        """The module for a map of so many channels."""
        return SEModule(channels, rd_channels=max(channels // self.reduction, 1))


@dataclass(frozen=True)
class ConvolutionalBlockAttention(MapModuleConfig):
    """CBAM: channels, then positions.

    Attributes:
        reduction: number of channels divided by the number of hidden units of its two layers; the paper has 16.
        kernel: edge of the convolution over positions; the paper has 7. An odd number keeps the map's size.
    """

    reduction: PositiveInt = 16
    kernel: PositiveInt = 7

    def __post_init__(self) -> None:
        check_fields(self, "network.trunk.within")

    def build(self, channels: int) -> CbamModule:
        """The module for a map of so many channels."""
        hidden = max(channels // self.reduction, 1)
        return CbamModule(channels, rd_channels=hidden, spatial_kernel_size=self.kernel)
