"""Network: the contract of what turns an observation's images into the retrieval vector.

:class:`~reknow.models.embedder.Embedder` reads one spectrum. A method that joins several has its own network and
config. Training loop, recognizer and reports use a network only through this contract. A :class:`FeatureNetwork` also
hands out the features that its vector is made of, for losses on identities.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from jaxtyping import Float, Shaped
from torch import Tensor, nn

from reknow.models.channel_search import FoundConfig, SupernetConfig
from reknow.models.inverted_residuals import FBNetV2Config, InvertedResiduals, MobileNetV2Config
from reknow.models.osnet import OSNet, OSNetConfig
from reknow.models.resnet import ResNet50, ResNetConfig
from reknow.models.transformer import TransformerConfig, VisionTransformer
from reknow.observation import Batch, Spectrum

TrunkConfig = (
    TransformerConfig | ResNetConfig | OSNetConfig | MobileNetV2Config | FBNetV2Config | SupernetConfig | FoundConfig
)
Trunk = VisionTransformer | ResNet50 | OSNet | InvertedResiduals


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
        """A config of the same network with another trunk, for recipes that follow their weights.

        Args:
            trunk: shape of the trunk in a file.
            feature: the tokens that the file's authors use.

        Raises:
            RecipeError: a kind of trunk that this network cannot be built on.
        """


class Network(nn.Module, ABC):
    """Observations to vectors of length 1.

    Attributes:
        trunk: from pictures to tokens.
        feature: which of the trunk's tokens make its feature, such as ``cls+extra``; ``cls`` unless it says otherwise.
    """

    trunk: Any  # a Trunk; each network names the kind that it is made for
    feature: Any = "cls"  # a FeatureKind; each network names those that it can have

    @property
    @abstractmethod
    def dim(self) -> int:
        """D, the size of the embedding."""

    @property
    @abstractmethod
    def spectra(self) -> tuple[Spectrum, ...]:
        """The spectra that it reads; pictures without a stated spectrum belong to the first."""

    def fillable(self) -> Mapping[str, nn.Module]:
        """The modules that published weights, or another network's weights, may fill.

        Returns:
            modules by the name of the weights that fill them. ``trunk`` is a file's trunk. A network with a head, a
            neck or a text tower adds these under a name that says which weights fit, such as ``batch-norm neck of
            'cls'``.
        """
        return {"trunk": self.trunk}

    @property
    def needed(self) -> tuple[str, ...]:
        """The names of those fillable modules that a file must fill beside the trunk.

        A file without one of them, or with one of another size, is refused: the network trains only a part of it, and
        random numbers that are never trained say nothing. By default there are none.
        """
        return ()

    def after_filling(self, filled: Collection[str]) -> Mapping[str, nn.Module]:
        """Weights have filled some of the fillable modules; a module that begins as a copy of another follows it here.

        Args:
            filled: the names of those modules.

        Returns:
            the modules that followed, each by the sentence that says so.
        """
        return {}

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of a manifest that it reads beside pictures and cameras, such as a column of captions."""
        return ()

    def annotations(self, columns: Mapping[str, Sequence[str | None]]) -> Mapping[str, Shaped[Tensor, "rows ..."]]:
        """The tensors that a batch carries beside pictures, from the columns that :attr:`columns` names.

        It is called once for all rows of a manifest, in training and in use, before batches are made.

        Args:
            columns: the cells of each column, None if empty; all cells are None if a manifest lacks the column.

        Returns:
            by name, (N, ...) tensors on the CPU; a batch holds its rows of them in :attr:`Batch.annotations`.
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


class Feature(NamedTuple):
    """A feature on both sides of its neck, not normalized; twice the same where a network has no neck.

    Attributes:
        before: (B, D).
        behind: (B, D).
    """

    before: Float[Tensor, "batch dim"]
    behind: Float[Tensor, "batch dim"]


class Shares(NamedTuple):
    """What each feature of a network counts in a loss, global one first; each sums to 1.

    Attributes:
        identity: in the loss of the classifiers.
        triplet: in the triplet loss; 0 for a feature that is in no triplet.
    """

    identity: tuple[float, ...]
    triplet: tuple[float, ...]


class FeatureNetwork(Network):
    """A network of one or several features, which losses read (:mod:`reknow.methods.classified`).

    Attributes:
        dims: the sizes of its features, global one first.
    """

    dims: tuple[int, ...]

    @property
    def dim(self) -> int:
        """D, the size of the embedding: of all features together."""
        return sum(self.dims)

    @property
    def shares(self) -> Shares:
        """TransReID's: of several features the global one counts one half, the others share the other half."""
        local = len(self.dims) - 1
        shares = (0.5, *(0.5 / local,) * local) if local else (1.0,)
        return Shares(shares, shares)

    @abstractmethod
    def features(self, batch: Batch) -> tuple[Feature, ...]:
        """Its features on both sides of their necks, global one first."""
