"""The exported graph: its input, and a recognizer without its resizing.

By default the input is (batch, 3, height, width) float32, normalized by ImageNet's mean and deviation, because trackers
and inference servers feed this to every network. If the network needs another normalization, the graph converts, so
that the usual input never gives wrong vectors silently.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor, nn

from reknow.data.transforms import Preprocessing
from reknow.models.network import Network
from reknow.observation import Batch

Input = Literal["normalized", "pixels"]
"""The input of the graph: ``normalized``, (batch, 3, height, width) float32, by ImageNet's mean and deviation of RGB in
[0, 1]; or ``pixels``, (batch, height, width, 3) uint8 RGB."""

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class PixelsToVectors(nn.Module):
    """A recognizer without its resizing, from bytes.

    Args:
        network: in eval mode, on the CPU.
        preprocessing: gives the normalization.
    """

    def __init__(self, network: Network, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.network = network
        self.preprocessing = preprocessing

    def forward(self, images: UInt8[Tensor, "batch height width 3"]) -> Float[Tensor, "batch dim"]:
        """(B, H, W, 3) to (B, D) rows of length 1."""
        return self.network(Batch.of({self.network.spectra[0]: self.preprocessing.normalize(images)}))


class NormalizedToVectors(nn.Module):
    """The same from pictures that are normalized by ImageNet's mean and deviation, for any network.

    Args:
        network: in eval mode, on the CPU.
        preprocessing: gives the network's own normalization. If that is ImageNet's, nothing is computed.
    """

    factor: Tensor
    offset: Tensor

    def __init__(self, network: Network, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.network = network
        own, imagenet = (preprocessing.mean, preprocessing.std), (IMAGENET_MEAN, IMAGENET_STD)
        self.converts = own != imagenet
        (mean, std), (input_mean, input_std) = torch.tensor(own).double(), torch.tensor(imagenet).double()
        # value = input_std * x + input_mean, and the network's own is (value - mean) / std
        self.register_buffer("factor", (input_std / std).float()[:, None, None])
        self.register_buffer("offset", ((input_mean - mean) / std).float()[:, None, None])

    def forward(self, images: Float32[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch dim"]:
        """(B, 3, H, W) to (B, D) rows of length 1."""
        normalized = images * self.factor + self.offset if self.converts else images
        return self.network(Batch.of({self.network.spectra[0]: normalized}))


def as_input(pictures: UInt8[np.ndarray, "count height width 3"], input: Input) -> np.ndarray:
    """Resized pictures in the form that the graph takes.

    Args:
        pictures: (N, H, W, 3) RGB at the recognizer's size.
        input: the kind of input that the graph takes.

    Returns:
        the bytes themselves, or (N, 3, H, W) float32 normalized by ImageNet's mean and deviation.

    Example:
        >>> white = np.full((1, 128, 64, 3), 255, np.uint8)
        >>> [f"{value:.2f}" for value in as_input(white, "normalized")[0, :, 0, 0]]
        ['2.25', '2.43', '2.64']
    """
    if input == "pixels":
        return pictures
    mean, std = np.array([IMAGENET_MEAN, IMAGENET_STD], np.float32)
    values = (pictures / np.float32(255) - mean) / std
    return np.ascontiguousarray(values.transpose(0, 3, 1, 2))
