"""Embedder: the network from a picture to the unit-norm retrieval vector.

trunk → feature (which tokens) → batch-norm neck → length 1. Losses that need the feature on either side of the neck
take it from :meth:`Embedder.features`, and those that look at tokens take these steps one by one. It looks at one
spectrum; methods that join several bring their own network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from reknow.errors import DataError, RecipeError
from reknow.fields import check_fields
from reknow.models.neck import BatchNormNeck
from reknow.models.network import Network, NetworkConfig, Trunk, TrunkConfig
from reknow.models.osnet import OSNet, OSNetConfig
from reknow.models.tokens import Tokens
from reknow.models.transformer import TransformerConfig
from reknow.observation import Batch, Spectrum

Feature = Literal["cls", "cls+extra", "cls+patches", "projected"]
"""``cls`` alone (TransReID), with the mean extra token behind it (PASS, TCMM), with the mean patch behind it, or as the
trunk itself projects it (OSNet)."""


@dataclass(frozen=True, kw_only=True)
class EmbedderConfig(NetworkConfig):
    """Shape of an embedder.

    Attributes:
        trunk: shape of its trunk.
        feature: which tokens make the feature.
        spectrum: which of an observation's images it looks at.
    """

    trunk: TrunkConfig
    feature: Feature = "cls"
    spectrum: Spectrum = "rgb"

    def __post_init__(self) -> None:
        check_fields(self, "network")
        extra_tokens = self.trunk.extra_tokens if isinstance(self.trunk, TransformerConfig) else 0
        if self.feature == "cls+extra" and not extra_tokens:
            raise RecipeError(
                "network, field 'feature'",
                found="'cls+extra' on a trunk without extra tokens",
                expected="'cls' or 'cls+patches'",
                remedy="Change it, or give the trunk extra_tokens.",
            )
        if self.trunk.stems and self.spectrum not in self.trunk.stems:
            raise RecipeError(
                "network, field 'spectrum'",
                found=f"'{self.spectrum}' on a trunk with stems for {', '.join(self.trunk.stems)}",
                expected="one of these",
                remedy="Change it, or the trunk's stems.",
            )
        if self.feature == "projected" and not isinstance(self.trunk, OSNetConfig):
            raise RecipeError(
                "network, field 'feature'",
                found="'projected' on a trunk without a projection of its own",
                expected="'cls' or 'cls+patches'",
                remedy="Change it, or take an OSNet trunk.",
            )

    def build(self) -> Embedder:
        """The embedder, with fresh random weights."""
        return Embedder(self.trunk.build(), self.feature, self.spectrum)

    def around(self, trunk: TrunkConfig, feature: Feature) -> EmbedderConfig:
        """The same spectrum, with another trunk and its feature."""
        return EmbedderConfig(trunk=trunk, feature=feature, spectrum=self.spectrum)


class Embedder(Network):
    """Pictures to unit vectors.

    Args:
        trunk: images and cameras to :class:`~reknow.models.tokens.Tokens`.
        feature: which tokens make the feature.
        spectrum: which of an observation's images it looks at.

    Example:
        >>> trunk = TransformerConfig(image_size=(32, 16), width=8, depth=1, heads=2)
        >>> embedder = EmbedderConfig(trunk=trunk, feature="cls+patches").build().eval()
        >>> vectors = embedder(Batch.of({"rgb": torch.rand(3, 3, 32, 16)}))
        >>> vectors.shape, torch.allclose(vectors.norm(dim=1), torch.ones(3))
        (torch.Size([3, 16]), True)
    """

    def __init__(self, trunk: Trunk, feature: Feature = "cls", spectrum: Spectrum = "rgb") -> None:
        super().__init__()
        self.trunk = trunk
        self.feature: Feature = feature
        self.spectrum: Spectrum = spectrum
        self.neck = BatchNormNeck(_feature_dim(trunk, feature))

    def fillable(self) -> Mapping[str, nn.Module]:
        """The trunk, and the neck by the feature that it is for."""
        return {**super().fillable(), neck_of(self.feature): self.neck}

    @property
    def dim(self) -> int:
        """D, the size of feature and embedding."""
        return self.neck.num_features

    @property
    def spectra(self) -> tuple[Spectrum, ...]:
        """The one that it looks at."""
        return (self.spectrum,)

    def forward(self, batch: Batch) -> Float[Tensor, "batch dim"]:
        """Unit-norm retrieval vectors; see :class:`~reknow.models.network.Network`.

        Raises:
            DataError: an observation without the spectrum that this network looks at.
        """
        there = batch.present.get(self.spectrum)
        # An exported or compiled graph has no place for an error that depends on values.
        if there is not None and not torch.compiler.is_compiling() and not bool(there.all()):
            raise _lacks(self.spectrum, f"{int((~there).sum())} observations of a batch lack it")
        return functional.normalize(self.features(batch)[1], dim=1)

    def features(self, batch: Batch) -> tuple[Float[Tensor, "batch dim"], Float[Tensor, "batch dim"]]:
        """The feature before the neck and the one behind it, both (B, D) and not normalized."""
        before = self.feature_of(self.tokens(batch))
        return before, self.neck(before)

    def tokens(self, batch: Batch) -> Tokens:
        """What the trunk makes of the pictures."""
        if self.spectrum not in batch.images:
            raise _lacks(self.spectrum, f"only {', '.join(batch.images) or 'nothing'}")
        return self.trunk(batch.images[self.spectrum], batch.camera, self.spectrum)

    def feature_of(self, tokens: Tokens) -> Float[Tensor, "batch dim"]:
        """The tokens that make the feature, side by side: (B, D), before the neck."""
        match self.feature:
            case "cls":
                return tokens.cls
            case "cls+extra":
                return torch.cat([tokens.cls, tokens.extra.mean(1)], dim=1)
            case "cls+patches":
                return torch.cat([tokens.cls, tokens.patches.mean(1)], dim=1)
            case "projected":
                assert isinstance(self.trunk, OSNet)  # EmbedderConfig saw to it
                return self.trunk.project(tokens.cls)


def neck_of(feature: Feature) -> str:
    """What :meth:`Network.fillable` calls the batch-norm neck of a feature: one is of no use to another."""
    return f"batch-norm neck of '{feature}'"


def _feature_dim(trunk: Trunk, feature: Feature) -> int:
    if isinstance(trunk, OSNet) and feature == "projected":
        return trunk.projected_dim
    return trunk.dim if feature == "cls" else 2 * trunk.dim


def _lacks(spectrum: Spectrum, found: str) -> DataError:
    return DataError(
        f"spectrum '{spectrum}'",
        found=found,
        expected="an image of it in every observation, since the network looks at no other",
        remedy="Leave those rows out, or set network.spectrum to one that all of them have.",
    )
