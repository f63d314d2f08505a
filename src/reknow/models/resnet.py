"""ResNet-50 as re-identification uses it (Luo et al., "Bag of Tricks", 2019; cluster-contrast's backbone).

torchvision's network without its classifier, under torchvision's state-dict names. The last stage keeps its
resolution (`last_stride` 1 instead of 2: four times the positions, no new weight), and generalized-mean pooling takes
the place of the mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float, Int
from torch import Tensor, nn
from torchvision.models import resnet50

from reknow.fields import check_fields
from reknow.models.pooling import GeneralizedMean
from reknow.models.tokens import Tokens


@dataclass(frozen=True, kw_only=True)
class ResNetConfig:
    """Shape of a ResNet-50 trunk; it takes images of any size.

    Attributes:
        last_stride: of the last stage; 1 makes a patch of 16 pixels, 2 one of 32.
    """

    last_stride: Literal[1, 2] = 1

    def __post_init__(self) -> None:
        check_fields(self, "network.trunk")

    def build(self) -> ResNet50:
        """The trunk, with fresh random weights."""
        return ResNet50(self.last_stride)


class ResNet50(nn.Module):
    """Images to tokens: the pooled map as `cls`, its positions as `patches`, nothing as `extra`.

    Args:
        last_stride: of the last stage.
    """

    def __init__(self, last_stride: Literal[1, 2] = 1) -> None:
        super().__init__()
        whole = resnet50(weights=None)
        for name in ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4"):
            self.add_module(name, whole.get_submodule(name))
        # The stage reduces in its first block, on both ways through it.
        for reducing in ("layer4.0.conv2", "layer4.0.downsample.0"):
            convolution = self.get_submodule(reducing)
            assert isinstance(convolution, nn.Conv2d)
            convolution.stride = (last_stride, last_stride)
        self.pool = GeneralizedMean()

    @property
    def dim(self) -> int:
        """D, the size of `cls` and of a patch."""
        return 2048

    def forward(
        self, images: Float[Tensor, "batch 3 height width"], camera: Int[Tensor, "batch"] | None = None
    ) -> Tokens:
        """(B, 3, H, W) to tokens; convolutions know no camera, so its code changes nothing."""
        maps = images
        for name, stage in self.named_children():
            if name != "pool":
                maps = stage(maps)
        rows, columns = maps.shape[-2:]
        patches = maps.flatten(2).transpose(1, 2)
        return Tokens(self.pool(maps), patches[:, :0], patches, (rows, columns))
