"""Network: whatever turns an observation's images into the retrieval vector, as recipes and recognizers hold it.

:class:`~reknow.models.embedder.Embedder` looks at one spectrum. A method that joins several brings its own network and
config beside itself; loop, recognizer, gallery and reports need nothing of it but this contract.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Literal

from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from reknow.models.osnet import OSNet, OSNetConfig
from reknow.models.resnet import ResNet50, ResNetConfig
from reknow.models.transformer import TransformerConfig, VisionTransformer

TrunkConfig = TransformerConfig | ResNetConfig | OSNetConfig
Trunk = VisionTransformer | ResNet50 | OSNet

Spectrum = Literal["rgb", "nir", "tir"]
"""As the columns of a manifest; networks stand below it and name them anew."""

Images = Float[Tensor, "batch 3 height width"] | Mapping[Any, Float[Tensor, "batch 3 height width"]]
"""Pictures (B, 3, H, W) of a network's first spectrum, or a batch's images by spectrum."""


class NetworkConfig(ABC):
    """Shape of a network: a frozen dataclass that builds it.

    Attributes:
        trunk: shape of its trunk, which files of weights fill.
    """

    trunk: Any  # each config names the kind of trunk that it can build

    @abstractmethod
    def build(self) -> Network:
        """The network, with fresh random weights."""

    @abstractmethod
    def around(self, trunk: TrunkConfig, feature: Any) -> NetworkConfig:
        """The same network around another trunk, for recipes that follow their weights.

        Args:
            trunk: shape of the trunk that a file holds.
            feature: which of its tokens the file's authors use.

        Raises:
            RecipeError: a kind of trunk that this network cannot be built on.
        """


class Network(nn.Module, ABC):
    """Observations to vectors of length 1.

    Attributes:
        trunk: from pictures to tokens.
    """

    trunk: Any  # a Trunk; each network names the kind that it is made for

    @property
    @abstractmethod
    def dim(self) -> int:
        """D, the size of the embedding."""

    @property
    @abstractmethod
    def spectra(self) -> tuple[Spectrum, ...]:
        """What it looks at; pictures of no stated spectrum are of the first."""

    @abstractmethod
    def forward(
        self,
        images: Images,
        present: Mapping[Any, Bool[Tensor, "batch"]] | None = None,
        camera: Int[Tensor, "batch"] | None = None,
    ) -> Float[Tensor, "batch dim"]:
        """Unit-norm retrieval vectors.

        Args:
            images: (B, 3, H, W), or a batch's images by spectrum.
            present: per spectrum, (B,): which observations have it.
            camera: (B,) camera codes, -1 where unknown.

        Raises:
            DataError: an observation without what this network needs.
        """
