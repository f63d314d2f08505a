"""Embedder: the network from a picture to the unit-norm retrieval vector.

trunk → feature (which tokens) → batch-norm neck → length 1. Losses that need the feature on either side of the neck use
:meth:`Embedder.features`. Losses on tokens use :meth:`Embedder.tokens`, then :meth:`Embedder.embeddings_of`. The
embedder reads one spectrum; methods that join several have their own network.

The neck is that of Luo et al. ("Bag of Tricks", CVPR workshops 2019, section 3.6). The triplet loss uses the feature
before it, classifier and retrieval use the feature behind it. Its bias is fixed at 0, so that the neck does not shift
the directions which a classifier without bias and a cosine compare.
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
from reknow.models.network import Feature, FeatureNetwork, NetworkConfig, Trunk, TrunkConfig
from reknow.models.osnet import OSNet, OSNetConfig
from reknow.models.tokens import Tokens
from reknow.models.transformer import TransformerConfig
from reknow.observation import Batch, Spectrum

FeatureKind = Literal["cls", "cls+extra", "cls+patches", "projected"]
"""``cls`` alone (TransReID), ``cls`` joined with the mean of the extra tokens (PASS, TCMM), joined with the mean of the
patches, or projected by the trunk itself (OSNet)."""


@dataclass(frozen=True, kw_only=True)
class EmbedderConfig(NetworkConfig):
    """Shape of an embedder.

    Attributes:
        trunk: shape of its trunk.
        feature: the tokens that make the feature: cls alone; beside it the mean of the extra tokens (cls+extra) or of
            the patches (cls+patches); or what OSNet projects itself (projected).
        spectrum: which of an observation's images it reads.
    """

    trunk: TrunkConfig
    feature: FeatureKind = "cls"
    spectrum: Spectrum = "rgb"

    def __post_init__(self) -> None:
        check_fields(self, "network")
        extra_tokens = self.trunk.extra_tokens if isinstance(self.trunk, TransformerConfig) else 0
        if self.feature == "cls+extra" and not extra_tokens:
            raise RecipeError(
                "network.feature",
                found="'cls+extra' on a trunk without extra tokens",
                expected="'cls' or 'cls+patches'",
                remedy="Change it, or give the trunk extra_tokens.",
            )
        if self.trunk.stems and self.spectrum not in self.trunk.stems:
            raise RecipeError(
                "network.spectrum",
                found=f"'{self.spectrum}' on a trunk with stems for {', '.join(self.trunk.stems)}",
                expected="one of these",
                remedy="Change it, or the trunk's stems.",
            )
        if self.feature == "projected" and not isinstance(self.trunk, OSNetConfig):
            raise RecipeError(
                "network.feature",
                found="'projected' on a trunk without a projection of its own",
                expected="'cls' or 'cls+patches'",
                remedy="Change it, or take an OSNet trunk.",
            )

    def build(self) -> Embedder:
        """The embedder, with fresh random weights."""
        return Embedder(self.trunk.build(), self.feature, self.spectrum)

    def around(self, trunk: TrunkConfig, feature: FeatureKind) -> EmbedderConfig:
        """A config of the same spectrum, with another trunk and its feature."""
        return EmbedderConfig(trunk=trunk, feature=feature, spectrum=self.spectrum)


class BatchNormNeck(nn.BatchNorm1d):
    """Batch norm of (B, D) features; the weight is 1 at the start, the bias is always 0.

    Args:
        dim: D.

    Example:
        >>> neck = BatchNormNeck(4)
        >>> [name for name, parameter in neck.named_parameters() if parameter.requires_grad]
        ['weight']
    """

    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        self.bias.requires_grad_(False)


class Embedder(FeatureNetwork):
    """Pictures to unit vectors.

    Args:
        trunk: images and cameras to :class:`~reknow.models.tokens.Tokens`.
        feature: which tokens make the feature.
        spectrum: which of an observation's images it reads.

    Example:
        >>> trunk = TransformerConfig(image_size=(32, 16), width=8, depth=1, heads=2)
        >>> embedder = EmbedderConfig(trunk=trunk, feature="cls+patches").build().eval()
        >>> vectors = embedder(Batch.of({"rgb": torch.rand(3, 3, 32, 16)}))
        >>> vectors.shape, torch.allclose(vectors.norm(dim=1), torch.ones(3))
        (torch.Size([3, 16]), True)
    """

    def __init__(self, trunk: Trunk, feature: FeatureKind = "cls", spectrum: Spectrum = "rgb") -> None:
        super().__init__()
        self.trunk = trunk
        self.feature: FeatureKind = feature
        self.spectrum: Spectrum = spectrum
        self.neck = BatchNormNeck(_feature_dim(trunk, feature))
        self.dims = (self.dim,)

    def fillable(self) -> Mapping[str, nn.Module]:
        """The trunk, and the neck, named by its feature."""
        return {**super().fillable(), neck_of(self.feature): self.neck}

    @property
    def dim(self) -> int:
        """D, the size of feature and embedding."""
        return self.neck.num_features

    @property
    def spectra(self) -> tuple[Spectrum, ...]:
        """The spectrum that it reads."""
        return (self.spectrum,)

    def forward(self, batch: Batch) -> Float[Tensor, "batch dim"]:
        """Unit-norm retrieval vectors; see :class:`~reknow.models.network.Network`.

        Raises:
            DataError: an observation without the spectrum that this network reads.
        """
        check_present(batch, self.spectrum)
        return self.embeddings_of(self.tokens(batch))

    def embeddings_of(self, tokens: Tokens) -> Float[Tensor, "batch dim"]:
        """Unit-norm retrieval vectors (B, D) of pictures whose tokens are known: feature, neck, length 1.

        For losses that need a batch's tokens and its embeddings: the trunk then runs once.
        """
        return functional.normalize(self.neck(self.feature_of(tokens)), dim=1)

    def features(self, batch: Batch) -> tuple[Feature, ...]:
        """Its one feature on both sides of its neck."""
        before = self.feature_of(self.tokens(batch))
        return (Feature(before, self.neck(before)),)

    def tokens(self, batch: Batch) -> Tokens:
        """The trunk's tokens of the pictures of this network's spectrum."""
        return self.trunk(images_of(batch, self.spectrum), batch.camera, self.spectrum)

    def feature_of(self, tokens: Tokens) -> Float[Tensor, "batch dim"]:
        """The tokens that make the feature, concatenated: (B, D), before the neck."""
        match self.feature:
            case "cls":
                return tokens.cls
            case "cls+extra":
                return torch.cat([tokens.cls, tokens.extra.mean(1)], dim=1)
            case "cls+patches":
                return torch.cat([tokens.cls, tokens.patches.mean(1)], dim=1)
            case "projected":
                assert isinstance(self.trunk, OSNet)  # EmbedderConfig has checked it
                return self.trunk.project(tokens.cls)


def neck_of(feature: FeatureKind) -> str:
    """The name of a feature's batch-norm neck in :meth:`Network.fillable`; necks of other features do not fit."""
    return f"batch-norm neck of '{feature}'"


def _feature_dim(trunk: Trunk, feature: FeatureKind) -> int:
    if isinstance(trunk, OSNet) and feature == "projected":
        return trunk.projected_dim
    return trunk.dim if feature == "cls" else 2 * trunk.dim


def check_present(batch: Batch, spectrum: Spectrum) -> None:
    """Raise a DataError where an observation lacks the spectrum that a network reads."""
    present = batch.present.get(spectrum)
    # An exported or compiled graph cannot raise an error that depends on values.
    if present is not None and not torch.compiler.is_compiling() and not bool(present.all()):
        raise _lacks(spectrum, f"{int((~present).sum())} observations of a batch lack it")


def images_of(batch: Batch, spectrum: Spectrum) -> Float[Tensor, "batch 3 height width"]:
    """A batch's images of the spectrum that a network reads.

    Raises:
        DataError: it has none.
    """
    if spectrum not in batch.images:
        raise _lacks(spectrum, f"only {', '.join(batch.images) or 'nothing'}")
    return batch.images[spectrum]


def _lacks(spectrum: Spectrum, images: str) -> DataError:
    return DataError(
        f"spectrum '{spectrum}'",
        found=images,
        expected="an image of it in every observation, since the network reads no other",
        remedy="Leave those rows out, or set network.spectrum to one that all of them have.",
    )
