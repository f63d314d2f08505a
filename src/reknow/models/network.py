"""Network: whatever turns an observation's images into the retrieval vector, as recipes and recognizers hold it.

:class:`~reknow.models.embedder.Embedder` looks at one spectrum. A method that joins several brings its own network and
config beside itself; loop, recognizer, gallery and reports need nothing of it but this contract.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from jaxtyping import Float, Shaped
from torch import Tensor, nn

from reknow.models.osnet import OSNet, OSNetConfig
from reknow.models.resnet import ResNet50, ResNetConfig
from reknow.models.transformer import TransformerConfig, VisionTransformer
from reknow.observation import Batch, Spectrum

TrunkConfig = TransformerConfig | ResNetConfig | OSNetConfig
Trunk = VisionTransformer | ResNet50 | OSNet


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

    def fillable(self) -> Mapping[str, nn.Module]:
        """The modules that published weights, or another network's, may fill; whoever loads them asks nothing else.

        Returns:
            modules by the name of what fills them. ``trunk`` is a file's trunk; a part with a head, a neck or a text
            tower adds them under a name that says which weights fit, as ``batch-norm neck of 'cls'`` does.
        """
        return {"trunk": self.trunk}

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of a manifest that it reads beside pictures and cameras, such as the one with captions."""
        return ()

    def annotations(self, columns: Mapping[str, Sequence[str | None]]) -> Mapping[str, Shaped[Tensor, "rows ..."]]:
        """What a batch shall carry beside pictures, made of the columns that :attr:`columns` names.

        Whoever makes batches, in training or in use, calls this once for all rows of a manifest.

        Args:
            columns: the cells of each column, None where empty; all empty where a manifest lacks the column.

        Returns:
            by name, (N, ...) tensors on the CPU; they arrive as :attr:`Batch.annotations`.
        """
        return {}

    @abstractmethod
    def forward(self, batch: Batch) -> Float[Tensor, "batch dim"]:
        """Unit-norm retrieval vectors.

        Args:
            batch: B observations; labels and rows do not matter.

        Raises:
            DataError: an observation without what this network needs.
        """
