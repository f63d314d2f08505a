"""Stems: from pixels to patch vectors.

Each stem is a module that maps images (B, 3, H, W) to (B, N, D); its method :meth:`grid` gives the rows and columns of
the N patches. :class:`PatchStem` is ViT's. :class:`ConvolutionStem` is that of TransReID-SSL (Luo et al., 2021, section
3.3, "ICS"): convolutions with IBN before the strided projection. It learns faster from little data and transfers better
between domains. IBN (Pan et al., ECCV 2018) normalizes half of the channels per picture, which removes a camera's color
and contrast, and half over the batch, which keeps the differences between pictures. Any trunk may have a stem for each
spectrum (:class:`PerSpectrum`).

Measured for 128 x 64 pixels, stride 8 and four blocks of width 128, pictures per core second, forward and backward:
plain patches 100, convolutions 24-48 88, TransReID-SSL's 64-64-64 50. A narrow stem costs almost nothing, a wide one at
half the resolution costs as much as the blocks. The channels_last layout was up to 23 % slower here, so it is not used.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from math import prod

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reknow.errors import RecipeError
from reknow.fields import PositiveInt
from reknow.observation import Spectrum

SpectrumOfRows = Spectrum | Sequence[Spectrum]
"""The spectrum of all pictures of a batch, or one spectrum for each of them."""

Convolution = tuple[PositiveInt, PositiveInt, PositiveInt]
"""(output channels, kernel, stride), padded by half the kernel."""


class PatchStem(nn.Module):
    """One linear map per patch, as a convolution without padding.

    Args:
        width: D.
        patch_size: edge of a patch in pixels.
        stride: pixels between patches; below `patch_size` they overlap (TransReID).
        bias: whether the projection has one; CLIP's has none.

    Example:
        >>> stem = PatchStem(width=8, patch_size=16, stride=12)
        >>> stem.grid((256, 128)), stem(torch.zeros(1, 3, 256, 128)).shape
        ((21, 10), torch.Size([1, 210, 8]))
    """

    def __init__(self, width: int, patch_size: int, stride: int, bias: bool = True) -> None:
        super().__init__()
        self.patch_size = patch_size
        self.stride = stride
        self.proj = nn.Conv2d(3, width, patch_size, stride, bias=bias)

    def grid(self, image_size: tuple[int, int]) -> tuple[int, int]:
        """(rows, columns) of the patches of an image of (height, width)."""
        rows, columns = ((edge - self.patch_size) // self.stride + 1 for edge in image_size)
        return rows, columns

    def forward(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch patches dim"]:
        """(B, 3, H, W) to (B, N, D)."""
        return self.proj(images).flatten(2).transpose(1, 2)


class ConvolutionStem(nn.Module):
    """Convolutions with IBN and ReLU, then a projection that does not overlap.

    Args:
        width: D.
        stride: of the whole stem, in pixels per patch; the projection has the part that the convolutions leave.
        convolutions: (channels, kernel, stride) of each. All but the last get IBN, the last plain batch norm, as in
            TransReID-SSL, whose three are ((64, 7, 2), (64, 3, 1), (64, 3, 1)).

    Example:
        >>> stem = ConvolutionStem(width=8, stride=8, convolutions=((4, 3, 2), (8, 3, 2)))
        >>> stem.grid((128, 64)), stem(torch.zeros(1, 3, 128, 64)).shape
        ((16, 8), torch.Size([1, 128, 8]))
    """

    def __init__(self, width: int, stride: int, convolutions: tuple[Convolution, ...]) -> None:
        super().__init__()
        self.stride = stride
        layers: list[nn.Module] = []
        channels = 3
        for number, (outputs, kernel, step) in enumerate(convolutions, start=1):
            norm = nn.BatchNorm2d(outputs) if number == len(convolutions) else InstanceBatchNorm(outputs)
            # No bias: the norm behind would remove it.
            layers += [nn.Conv2d(channels, outputs, kernel, step, kernel // 2, bias=False), norm, nn.ReLU()]
            channels = outputs
        self.conv = nn.Sequential(*layers)
        remaining = stride // prod(step for _, _, step in convolutions)
        self.proj = nn.Conv2d(channels, width, remaining, remaining)

    def grid(self, image_size: tuple[int, int]) -> tuple[int, int]:
        """(rows, columns) of the patches of an image of (height, width), both multiples of the stride."""
        return image_size[0] // self.stride, image_size[1] // self.stride

    def forward(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch patches dim"]:
        """(B, 3, H, W) to (B, N, D)."""
        return self.proj(self.conv(images)).flatten(2).transpose(1, 2)


class InstanceBatchNorm(nn.Module):
    """IBN-a: instance norm on the first half of the channels, batch norm on the second.

    Args:
        channels: of the maps.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.halves = [channels // 2, channels - channels // 2]
        self.IN = nn.InstanceNorm2d(self.halves[0], affine=True)
        self.BN = nn.BatchNorm2d(self.halves[1])

    def forward(
        self, maps: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch channels height width"]:
        """Normalize (B, C, H, W)."""
        instance, batch = maps.split(self.halves, dim=1)
        return torch.cat([self.IN(instance), self.BN(batch)], dim=1)


class PerSpectrum(nn.ModuleDict):
    """One module for each spectrum instead of one for all: the first layers of a two-stream network.

    In visible-infrared re-identification each spectrum has its own stem and the rest of the trunk is shared (AGW,
    ADCA). A tensor ``conv1.weight`` of a file of weights fills ``conv1.rgb.weight``, ``conv1.tir.weight`` and so on.

    Example:
        >>> stem = PerSpectrum({"rgb": PatchStem(8, 16, 16), "tir": PatchStem(8, 16, 16)})
        >>> stem(torch.zeros(3, 3, 32, 16), ["rgb", "tir", "rgb"]).shape
        torch.Size([3, 2, 8])
    """

    def forward(
        self, images: Float[Tensor, "batch channels height width"], spectrum: SpectrumOfRows | None
    ) -> Float[Tensor, "batch ..."]:
        """The output of each picture's own module, in the pictures' order.

        Args:
            images: (B, C, H, W).
            spectrum: of all of them, or of each of the B. Each module gets all pictures of its spectrum at once.

        Raises:
            RecipeError: no spectrum given, or one without a module.
        """
        if spectrum is None:
            raise self._no_stem("pictures of no stated spectrum")
        of_each = [spectrum] * len(images) if isinstance(spectrum, str) else list(spectrum)
        rows = {name: [row for row, each in enumerate(of_each) if each == name] for name in dict.fromkeys(of_each)}
        if beyond := [name for name in rows if name not in self]:
            raise self._no_stem(f"pictures of '{beyond[0]}'")
        if len(rows) == 1:
            return self[of_each[0]](images)
        outputs = torch.cat([self[name](images[chosen]) for name, chosen in rows.items()])
        order = torch.tensor([row for chosen in rows.values() for row in chosen], device=outputs.device)
        return outputs[order.argsort()]

    def _no_stem(self, pictures: str) -> RecipeError:
        return RecipeError(
            "network.trunk.stems",
            found=pictures,
            expected=f"each of {', '.join(self)}, for which the trunk has stems",
            remedy="Set stems to the spectra that the network reads, or leave them out for one stem for all.",
        )


def per_spectrum(module: nn.Module, spectra: tuple[Spectrum, ...]) -> nn.Module:
    """A copy of the module for each spectrum, all with the same weights; without spectra the module itself."""
    return PerSpectrum({spectrum: copy.deepcopy(module) for spectrum in spectra}) if spectra else module


def through(
    module: nn.Module, images: Float[Tensor, "batch channels height width"], spectrum: SpectrumOfRows | None
) -> Float[Tensor, "batch ..."]:
    """The output of a first layer, whether there is one layer for all images or one per spectrum."""
    return module(images, spectrum) if isinstance(module, PerSpectrum) else module(images)


def check_stems(stems: tuple[Spectrum, ...]) -> None:
    """Refuse a spectrum that is named twice.

    Raises:
        RecipeError: names it.
    """
    if twice := [name for name in stems if stems.count(name) > 1]:
        raise RecipeError(
            "network.trunk.stems",
            found=f"'{twice[0]}' twice",
            expected="each spectrum once, or none for one stem for all",
            remedy="Correct the value (--network.trunk.stems).",
        )
