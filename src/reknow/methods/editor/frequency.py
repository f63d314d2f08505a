"""Frequency selection: patches chosen by the pixels themselves (EDITOR section 3.2; spec section 2.3).

Two modes, because the paper and its code disagree:

- ``as_released``: per patch, how many pixels of the mean image lie above mid-gray. The released code takes the images
  apart with a four-level Haar transform, averages every band over spectra and puts them together again; since that is
  linear and exact, it is the plain mean [D]. :func:`mean_by_wavelets` is that way, and a test holds the two equal.
- ``highpass_energy``: per patch, the energy of what changes fast, as the paper's words have it.

The transform of the latter may be exchanged (an open question of the paper): ``haar``, octaves; ``packet``, the Haar
packet's even bands; ``dct``, cosines. Each acts on one patch at a time, so that the energy is the patch's own. Above a
cutoff of 0 all three count everything but the patch's mean, and by Parseval's theorem they agree then: it is the
number of pixels times their variance. Half precision would move pixels across mid-gray, so everything is in 32 bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log2
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from reknow.errors import RecipeError
from reknow.fields import ShareBelowOne, check_fields
from reknow.methods.editor.keeping import keep_largest
from reknow.methods.editor.wavelets import Details, cosines, haar, inverse_haar, walsh

LEVELS = 4
"""Of the released code's transform [C]."""


@dataclass(frozen=True, kw_only=True)
class FrequencyConfig:
    """How patches are scored by their pixels.

    Attributes:
        mode: ``as_released``: bright pixels; ``highpass_energy``: energy of high frequencies.
        transform: of ``highpass_energy``.
        cutoff: of ``highpass_energy``: the lowest frequency that counts, as a share of the highest; 0 counts everything
            but the patch's mean.
    """

    mode: Literal["as_released", "highpass_energy"] = "as_released"
    transform: Literal["haar", "packet", "dct"] = "haar"
    cutoff: ShareBelowOne = 0.25

    def __post_init__(self) -> None:
        check_fields(self, "network.selection.frequency")


@dataclass(frozen=True)
class Windows:
    """Where a trunk's patches lie in its images.

    Attributes:
        edge: of a patch, in pixels.
        stride: pixels between patches.
    """

    edge: int
    stride: int

    def cut(
        self, images: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch patches channels edge edge"]:
        """(B, C, H, W) to (B, N, C, edge, edge), rows of the grid first."""
        columns = functional.unfold(images, self.edge, stride=self.stride).transpose(1, 2)
        return columns.unflatten(2, (images.shape[1], self.edge, self.edge))


def frequency_patches(
    images: Sequence[Float[Tensor, "batch 3 height width"]],
    present: Sequence[Bool[Tensor, "batch"]],
    config: FrequencyConfig,
    windows: Windows,
    keep: int,
) -> Bool[Tensor, "batch patches"]:
    """The `keep` patches with the largest scores over all spectra together.

    Args:
        images: per spectrum, (B, 3, H, W) as the trunk sees them.
        present: per spectrum, (B,): which observations have it; the others do not count.
        config: how patches are scored.
        windows: where the trunk's patches lie.
        keep: patches per observation; 0 keeps none.
    """
    if config.mode == "as_released":
        return keep_largest(bright_pixels(mean_image(images, present), windows), keep)
    energies = [
        detail_energy(image, config, windows) * there[:, None] for image, there in zip(images, present, strict=True)
    ]
    return keep_largest(torch.stack(energies).sum(0), keep)


def mean_image(
    images: Sequence[Float[Tensor, "batch 3 height width"]], present: Sequence[Bool[Tensor, "batch"]]
) -> Float[Tensor, "batch height width"]:
    """The mean over colors and over the spectra that an observation has."""
    total = torch.stack([image.mean(1) * there[:, None, None] for image, there in zip(images, present, strict=True)])
    return total.sum(0) / torch.stack(list(present)).sum(0).clamp(min=1)[:, None, None]


def mean_by_wavelets(images: Sequence[Float[Tensor, "batch 3 height width"]]) -> Float[Tensor, "batch height width"]:
    """The mean over colors and spectra as the released code computes it, band by band [C]; for comparison."""
    taken_apart = [haar(image, LEVELS) for image in images]
    low = torch.stack([low for low, _ in taken_apart]).mean(0)
    levels = zip(*(details for _, details in taken_apart), strict=True)
    details = [
        Details(*(torch.stack([getattr(one, band) for one in level]).mean(0) for band in ("rows", "columns", "both")))
        for level in levels
    ]
    height, width = images[0].shape[-2:]
    return inverse_haar(low, details, (height, width)).mean(1)


def bright_pixels(mean: Float[Tensor, "batch height width"], windows: Windows) -> Int[Tensor, "batch patches"]:
    """Per patch, the pixels above 0, which is mid-gray after normalization with 0.5 and 0.5."""
    return windows.cut((mean[:, None] > 0).float()).sum((2, 3, 4)).long()


def detail_energy(
    images: Float[Tensor, "batch 3 height width"], config: FrequencyConfig, windows: Windows
) -> Float[Tensor, "batch patches"]:
    """Per patch, the energy from the cutoff on, summed over colors.

    Raises:
        RecipeError: patches that the transform cannot halve to the end.
    """
    edge = windows.edge
    if config.transform != "dct" and edge & (edge - 1):
        raise RecipeError(
            "selection, field 'frequency.transform'",
            found=f"'{config.transform}' on patches of {edge} pixels",
            expected="patches whose edge is a power of two",
            remedy="Use 'dct', or patches of 8, 16 or 32 pixels.",
        )
    with torch.autocast(images.device.type, enabled=False):
        patches = windows.cut(images if images.dtype == torch.float64 else images.float())
        if config.transform == "haar":
            # Level l holds the octave from 2^-l of the highest frequency up to twice that.
            levels = sum(2.0**-level >= config.cutoff for level in range(1, int(log2(edge)) + 1))
            _, details = haar(patches, levels)
            bands = [band for level in details for band in (level.rows, level.columns, level.both)]
            return torch.stack([band.square().sum((2, 3, 4)) for band in bands]).sum(0)
        rows = (walsh(edge) if config.transform == "packet" else cosines(edge)).to(patches)
        frequency = torch.arange(edge, device=patches.device) / edge
        radius = torch.hypot(frequency[:, None], frequency[None])
        counts = (radius >= config.cutoff) & (radius > 0)
        return ((rows @ patches @ rows.T).square() * counts).sum((2, 3, 4))
