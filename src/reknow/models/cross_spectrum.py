"""Cross-spectrum embedder: observations of one spectrum each to one space, in which spectra find each other.

An observation has one picture, in any of the network's spectra: a visible one by day, an infrared one by night. Each
spectrum has its own stem where the trunk has several, and all else is shared: the two-stream network of
visible-infrared re-identification (Ye et al., AGW; Yang et al., "Augmented Dual-Contrastive Aggregation Learning", ACM
MM 2022), whose trunk is a ResNet-50 with two first layers. Feature and neck are those of
:class:`~reknow.models.embedder.Embedder`, shared too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from reknow.errors import DataError, RecipeError
from reknow.fields import check_fields
from reknow.models.embedder import Embedder, EmbedderConfig, FeatureKind
from reknow.models.network import NetworkConfig, TrunkConfig
from reknow.models.tokens import Tokens
from reknow.observation import Batch, Spectrum


@dataclass(frozen=True, kw_only=True)
class CrossSpectrumConfig(NetworkConfig):
    """Shape of the network.

    Attributes:
        trunk: shape of the trunk; its stems are one for all spectra, or one for each of them.
        feature: the tokens that make the feature; see :class:`~reknow.models.embedder.EmbedderConfig`.
        spectra: the spectra that it reads, at least two.
    """

    trunk: TrunkConfig
    feature: FeatureKind = "cls"
    spectra: tuple[Spectrum, ...] = ("rgb", "nir")

    def __post_init__(self) -> None:
        check_fields(self, "network")
        if len(self.spectra) < 2 or len(set(self.spectra)) < len(self.spectra):
            raise RecipeError(
                "network.spectra",
                found=", ".join(self.spectra) or "none",
                expected="two or more, each of them once",
                remedy="Write --network.spectra rgb nir, or take a recipe for one spectrum.",
            )
        if self.trunk.stems and (missing := [name for name in self.spectra if name not in self.trunk.stems]):
            raise RecipeError(
                "network.trunk.stems",
                found=f"{', '.join(self.trunk.stems)}, without {', '.join(missing)}",
                expected="a stem for each of network.spectra, or none for one stem for all",
                remedy=f"Write --network.trunk.stems {' '.join(self.spectra)}.",
            )
        # The other checks of trunk and feature are those of one spectrum.
        EmbedderConfig(trunk=self.trunk, feature=self.feature, spectrum=self.spectra[0])

    def build(self) -> CrossSpectrumEmbedder:
        """The network, with fresh random weights."""
        return CrossSpectrumEmbedder(self)

    def around(self, trunk: TrunkConfig, feature: FeatureKind) -> CrossSpectrumConfig:
        """The same spectra, with another trunk and its feature."""
        return CrossSpectrumConfig(trunk=trunk, feature=feature, spectra=self.spectra)


class CrossSpectrumEmbedder(Embedder):
    """Pictures of several spectra, one for each observation, to unit vectors of one space.

    Args:
        config: its shape.

    Example:
        >>> from reknow.models.resnet import ResNetConfig
        >>> network = CrossSpectrumConfig(trunk=ResNetConfig(stems=("rgb", "nir"))).build().eval()
        >>> pictures, first = torch.rand(2, 3, 64, 32), torch.tensor([True, False])
        >>> batch = Batch.of({"rgb": pictures, "nir": pictures}, {"rgb": first, "nir": ~first})
        >>> network(batch).shape
        torch.Size([2, 2048])
    """

    def __init__(self, config: CrossSpectrumConfig) -> None:
        super().__init__(config.trunk.build(), config.feature, config.spectra[0])
        self.config = config

    @property
    def spectra(self) -> tuple[Spectrum, ...]:
        """The spectra that it reads."""
        return self.config.spectra

    def forward(self, batch: Batch) -> Float[Tensor, "batch dim"]:
        """Unit-norm retrieval vectors; see :class:`~reknow.models.network.Network`.

        Raises:
            DataError: an observation without a picture in one of the spectra, or with pictures in several.
        """
        return self.embeddings_of(self.tokens(batch))

    def tokens(self, batch: Batch) -> Tokens:
        """The trunk's tokens of each observation's picture."""
        pictures, spectrum = single_pictures(batch, self.spectra)
        return self.trunk(pictures, batch.camera, spectrum)


def single_pictures(
    batch: Batch, spectra: Sequence[Spectrum]
) -> tuple[Float[Tensor, "batch 3 height width"], list[Spectrum]]:
    """The one picture of each observation, and its spectrum.

    Args:
        batch: B observations.
        spectra: the spectra that are read, in a fixed order.

    Raises:
        DataError: an observation without a picture in one of them, or with pictures in several.
    """
    have: list[Spectrum] = [name for name in spectra if name in batch.images]
    masks = [_present(batch, name) for name in have]
    counts = torch.stack(masks).sum(0) if masks else torch.zeros(len(batch), dtype=torch.long)
    if len(have) == 1 and bool(masks[0].all()):
        return batch.images[have[0]], [have[0]] * len(batch)
    if bool((counts != 1).any()):
        row = int((counts != 1).nonzero()[0, 0])
        several = [name for name, mask in zip(have, masks, strict=True) if mask[row]]
        raise DataError(
            f"observation {row} of a batch of {len(batch)}",
            found=f"pictures in {', '.join(several)}" if several else f"no picture in {', '.join(spectra)}",
            expected="one picture in one spectrum, since spectra are compared with each other",
            remedy="Make a row of each picture, with the other spectra empty.",
        )
    pictures, places = first_pictures(batch, spectra)
    return pictures, [spectra[place] for place in places.tolist()]


def first_pictures(
    batch: Batch, spectra: Sequence[Spectrum]
) -> tuple[Float[Tensor, "batch 3 height width"], Int[Tensor, "batch"]]:
    """Of each observation the picture in the first of the spectra that it has, and that spectrum's place.

    Args:
        batch: B observations, each with a picture in one of the spectra at least.
        spectra: those that are read, in order.
    """
    have: list[Spectrum] = [name for name in spectra if name in batch.images]
    first = torch.stack([_present(batch, name) for name in have]).byte().argmax(0)
    pictures = batch.images[have[0]]
    for number, name in enumerate(have[1:], start=1):
        pictures = torch.where((first == number)[:, None, None, None], batch.images[name], pictures)
    return pictures, torch.tensor([spectra.index(name) for name in have], device=first.device)[first]


def _present(batch: Batch, spectrum: Spectrum) -> Bool[Tensor, "batch"]:
    return batch.present[spectrum].to(batch.images[spectrum].device)
