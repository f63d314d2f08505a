"""Frequency selection: patches chosen by their pixels (EDITOR, section 3.2), and the transforms for it.

There are two modes, because the paper and its code disagree (decision 4 in docs/methods/editor.md):

- ``as_released``: per patch, how many pixels of the mean image lie above mid-gray. The released code transforms the
  images with a four-level Haar transform, averages every band over the spectra and transforms back. Since that is
  linear and exact, the result is the plain mean.
- ``highpass_energy``: per patch, the energy of high frequencies, as the paper's words say.

The transform of the latter can be exchanged (an open question of the paper): ``haar``, octaves; ``packet``, the even
bands of the Haar packet; ``dct``, cosines. Each is applied to one patch at a time, so that the energy is the patch's
own. Above a cutoff of 0 all three count everything but the patch's mean, and by Parseval's theorem they then agree: the
energy is the number of pixels times their variance. Half precision would move pixels across mid-gray, so everything is
in 32 bit.

The Haar transform is orthonormal. On each 2 x 2 block [[a, b], [c, d]]: LL = (a+b+c+d)/2, LH = (a+b-c-d)/2 (difference
of rows), HL = (a-b+c-d)/2 (difference of columns), HH = (a-b-c+d)/2. Level 1 is the finest; a further level transforms
LL again. Odd edges are padded with zeros. The Haar packet splits every band again and is Walsh's transform (rows
ordered by their sign changes); the cosine transform is DCT-II. Both are orthonormal and have one frequency per
coefficient.
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
from reknow.methods.editor.spatial import keep_largest

LEVELS = 4
"""Levels of the released code's transform."""


@dataclass(frozen=True, kw_only=True)
class FrequencyConfig:
    """How patches are scored by their pixels.

    Attributes:
        mode: as_released counts the bright pixels of a patch, highpass_energy sums its energy in high frequencies.
        transform: transform that highpass_energy uses: Haar wavelets, Haar wavelet packet, or cosines.
        cutoff: lowest frequency that highpass_energy counts, as a share of the highest; 0 counts everything but the
            patch's mean.
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
        images: per spectrum, (B, 3, H, W), the input of the trunk.
        present: per spectrum, (B,): which observations have it; the others do not count.
        config: how patches are scored.
        windows: where the trunk's patches lie.
        keep: patches per observation; 0 keeps none.
    """
    if config.mode == "as_released":
        return keep_largest(bright_pixels(mean_image(images, present), windows), keep)
    energies = [
        detail_energy(image, config, windows) * mask[:, None] for image, mask in zip(images, present, strict=True)
    ]
    return keep_largest(torch.stack(energies).sum(0), keep)


def mean_image(
    images: Sequence[Float[Tensor, "batch 3 height width"]], present: Sequence[Bool[Tensor, "batch"]]
) -> Float[Tensor, "batch height width"]:
    """The mean over colors and over the spectra that an observation has."""
    total = torch.stack([image.mean(1) * mask[:, None, None] for image, mask in zip(images, present, strict=True)])
    return total.sum(0) / torch.stack(list(present)).sum(0).clamp(min=1)[:, None, None]


def bright_pixels(mean: Float[Tensor, "batch height width"], windows: Windows) -> Int[Tensor, "batch patches"]:
    """Per patch, the pixels above 0, which is mid-gray after normalization with 0.5 and 0.5."""
    return windows.cut((mean[:, None] > 0).float()).sum((2, 3, 4)).long()


def detail_energy(
    images: Float[Tensor, "batch 3 height width"], config: FrequencyConfig, windows: Windows
) -> Float[Tensor, "batch patches"]:
    """Per patch, the energy from the cutoff on, summed over colors.

    Raises:
        RecipeError: the edge of a patch is no power of two, and the transform needs one.
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


@dataclass(frozen=True)
class Details:
    """The three detail bands of one level, each (..., H / 2, W / 2)."""

    rows: Float[Tensor, "*batch height width"]
    columns: Float[Tensor, "*batch height width"]
    both: Float[Tensor, "*batch height width"]


def haar(
    images: Float[Tensor, "*batch height width"], levels: int
) -> tuple[Float[Tensor, "*batch low_height low_width"], list[Details]]:
    """The low band LL of the last level, and the details of every level, finest first.

    Example:
        >>> low, details = haar(torch.ones(1, 4, 4), levels=2)
        >>> low, details[0].rows.abs().max()
        (tensor([[[4.]]]), tensor(0.))
    """
    low, details = images, []
    for _ in range(levels):
        padded = functional.pad(low, (0, low.shape[-1] % 2, 0, low.shape[-2] % 2))
        a, b = padded[..., 0::2, 0::2], padded[..., 0::2, 1::2]
        c, d = padded[..., 1::2, 0::2], padded[..., 1::2, 1::2]
        details.append(Details((a + b - c - d) / 2, (a - b + c - d) / 2, (a - b - c + d) / 2))
        low = (a + b + c + d) / 2
    return low, details


def walsh(edge: int) -> Float[Tensor, "edge edge"]:
    """The Haar packet of a line of `edge` values, a power of two: orthonormal rows by growing frequency.

    Example:
        >>> (2 * walsh(4)).int().tolist()
        [[1, 1, 1, 1], [1, 1, -1, -1], [1, -1, -1, 1], [1, -1, 1, -1]]
    """
    rows = torch.ones(1, 1)
    while len(rows) < edge:
        rows = torch.cat([torch.cat([rows, rows], dim=1), torch.cat([rows, -rows], dim=1)])
    sign_changes = (rows[:, 1:] != rows[:, :-1]).sum(1)
    return rows[sign_changes.argsort()] / edge**0.5


def cosines(edge: int) -> Float[Tensor, "edge edge"]:
    """The cosine transform (DCT-II) of a line of `edge` values: orthonormal rows by growing frequency."""
    frequency, place = torch.arange(edge)[:, None], torch.arange(edge)[None]
    rows = torch.cos(torch.pi / edge * (place + 0.5) * frequency) * (2 / edge) ** 0.5
    rows[0] /= 2**0.5
    return rows
