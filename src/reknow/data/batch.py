"""What a method sees of the data: one batch of observations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from reknow.data.manifest import Spectrum


@dataclass(frozen=True)
class Batch:
    """B observations as tensors, on one device.

    Attributes:
        images: per spectrum, (B, 3, H, W), normalized. Where an observation lacks the spectrum its image is zero.
        present: per spectrum, (B,): whether the observation has it.
        index: (B,) row in the training manifest; survives every filter, so that memories can be addressed by it.
        label: (B,) identity or pseudo-label; -1 (outlier, unknown) never reaches a training batch.
        camera: (B,) camera code, -1 where unknown.
    """

    images: Mapping[Spectrum, Float[Tensor, "batch 3 height width"]]
    present: Mapping[Spectrum, Bool[Tensor, "batch"]]
    index: Int[Tensor, "batch"]
    label: Int[Tensor, "batch"]
    camera: Int[Tensor, "batch"]

    def __len__(self) -> int:
        return len(self.index)

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on another device (asynchronously where memory is pinned)."""

        def move(tensor: Tensor) -> Tensor:
            return tensor.to(device, non_blocking=True)

        return Batch(
            {spectrum: move(image) for spectrum, image in self.images.items()},
            {spectrum: move(there) for spectrum, there in self.present.items()},
            move(self.index),
            move(self.label),
            move(self.camera),
        )

    def __getitem__(self, rows: slice) -> Batch:
        """Some of the observations."""
        return Batch(
            {spectrum: image[rows] for spectrum, image in self.images.items()},
            {spectrum: there[rows] for spectrum, there in self.present.items()},
            self.index[rows],
            self.label[rows],
            self.camera[rows],
        )
