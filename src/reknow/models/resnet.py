"""ResNet-50 as re-identification uses it (Luo et al., "Bag of Tricks", 2019; cluster-contrast's backbone).

torchvision's network without its classifier, under torchvision's state-dict names. The last stage keeps its
resolution (`last_stride` 1 instead of 2: four times the positions, no new weight), and generalized-mean pooling takes
the place of the mean. A recipe may put modules inside its blocks and behind its stages
(:mod:`~reknow.models.insertion`), and give each spectrum its own first convolution and norm (AGW's two streams).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from jaxtyping import Float, Int
from torch import Tensor, nn
from torchvision.models.resnet import Bottleneck, ResNet

from reknow.fields import check_fields
from reknow.models.insertion import AfterStages, MapModuleConfig, Nothing, built_after, check_stages
from reknow.models.pooling import GeneralizedMean
from reknow.models.stems import SpectrumOfRows, check_stems, per_spectrum, through
from reknow.models.tokens import Tokens
from reknow.observation import Spectrum

STAGES = {"layer1": 256, "layer2": 512, "layer3": 1024, "layer4": 2048}
"""Channels that leave each stage."""


@dataclass(frozen=True, kw_only=True)
class ResNetConfig:
    """Shape of a ResNet-50 trunk; it takes images of any size.

    Attributes:
        last_stride: of the last stage; 1 makes a patch of 16 pixels, 2 one of 32.
        within: what stands in every block after the last norm, before the addition.
        after: names of stages (``layer1`` to ``layer4``), each with what follows it.
        stems: spectra that have a first convolution and norm of their own; empty for one for all pictures.
    """

    last_stride: Literal[1, 2] = 1
    within: MapModuleConfig = field(default_factory=Nothing)
    after: AfterStages = ()
    stems: tuple[Spectrum, ...] = ()

    def __post_init__(self) -> None:
        check_fields(self, "network.trunk")
        check_stages(self.after, STAGES)
        check_stems(self.stems)

    def build(self) -> ResNet50:
        """The trunk, with fresh random weights."""
        return ResNet50(self)

    def plain(self) -> ResNetConfig:
        """The same with one stem and nothing put in: what a published file of weights holds."""
        return replace(self, within=Nothing(), after=(), stems=())


class ResNet50(nn.Module):
    """Images to tokens: the pooled map as `cls`, its positions as `patches`, nothing as `extra`.

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
        # The stage reduces in its first block, on both ways through it.
        for reducing in ("layer4.0.conv2", "layer4.0.downsample.0"):
            convolution = self.get_submodule(reducing)
            assert isinstance(convolution, nn.Conv2d)
            convolution.stride = (config.last_stride, config.last_stride)
        self.pool = GeneralizedMean()
        for name, channels in STAGES.items():
            for block in self.get_submodule(name).children():
                block.within = config.within.build(channels)
        self.after = built_after(config.after, STAGES)

    @property
    def dim(self) -> int:
        """D, the size of `cls` and of a patch."""
        return 2048

    def forward(
        self,
        images: Float[Tensor, "batch 3 height width"],
        camera: Int[Tensor, "batch"] | None = None,
        spectrum: SpectrumOfRows | None = None,
    ) -> Tokens:
        """(B, 3, H, W) to tokens; convolutions know no camera, so its code changes nothing.

        Args:
            images: (B, 3, H, W).
            camera: (B,).
            spectrum: of all pictures, or of each; matters only to a trunk with several stems.
        """
        maps = through(self.bn1, through(self.conv1, images, spectrum), spectrum)
        maps = self.maxpool(self.relu(maps))
        for name in STAGES:
            maps = self.get_submodule(name)(maps)
            if name in self.after:
                maps = self.after[name](maps)
        rows, columns = maps.shape[-2:]
        patches = maps.flatten(2).transpose(1, 2)
        return Tokens(self.pool(maps), patches[:, :0], patches, (rows, columns))


class Block(Bottleneck):
    """torchvision's bottleneck with room for a module before the addition.

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
