"""Batch: B observations as tensors, on one device."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from reknow.observation.spectrum import Spectrum


@dataclass(frozen=True)
class Batch:
    """B observations.

    Attributes:
        images: per spectrum, (B, 3, H, W), normalized. If an observation lacks the spectrum its image is zero.
        present: per spectrum, (B,): whether the observation has it.
        index: (B,) row in the training manifest; no filter changes it, so that memories can be addressed by it.
        label: (B,) identity or pseudo-label; -1 (outlier, unknown) never reaches a training batch.
        camera: (B,) camera code, -1 if unknown.
        annotations: by name, (B, ...): further inputs of the network beside pictures, such as the token ids of a
            caption; see :meth:`reknow.models.network.Network.annotations`.
    """

    images: Mapping[Spectrum, Float[Tensor, "batch 3 height width"]]
    present: Mapping[Spectrum, Bool[Tensor, "batch"]]
    index: Int[Tensor, "batch"]
    label: Int[Tensor, "batch"]
    camera: Int[Tensor, "batch"]
    annotations: Mapping[str, Shaped[Tensor, "batch ..."]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        images: Mapping[Spectrum, Float[Tensor, "batch 3 height width"]],
        present: Mapping[Spectrum, Bool[Tensor, "batch"]] | None = None,
        camera: Int[Tensor, "batch"] | None = None,
        annotations: Mapping[str, Shaped[Tensor, "batch ..."]] | None = None,
    ) -> Batch:
        """A batch of pictures without labels, as in evaluation and in use.

        Args:
            images: per spectrum, (B, 3, H, W), normalized.
            present: per spectrum, (B,); by default every observation has every spectrum of `images`.
            camera: (B,); by default unknown.
            annotations: by name, (B, ...).

        Example:
            >>> batch = Batch.of({"rgb": torch.zeros(2, 3, 8, 4)})
            >>> batch.label, batch.camera, batch.present["rgb"]
            (tensor([-1, -1]), tensor([-1, -1]), tensor([True, True]))
        """
        image = next(iter(images.values()))
        unknown = torch.full((image.shape[0],), -1, device=image.device)
        everywhere = unknown < 0
        return cls(
            images,
            {spectrum: everywhere if present is None else present[spectrum] for spectrum in images},
            torch.arange(image.shape[0], device=image.device),
            unknown,
            unknown if camera is None else camera,
            annotations or {},
        )

    def __len__(self) -> int:
        return len(self.index)

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on another device (asynchronously where memory is pinned)."""
        return self._each(lambda tensor: tensor.to(device, non_blocking=True))

    def __getitem__(self, rows: slice | Tensor) -> Batch:
        """Some of the observations: a slice, (b,) positions or a (B,) mask."""
        return self._each(lambda tensor: tensor[rows])

    def _each(self, change: Callable[[Tensor], Tensor]) -> Batch:
        return Batch(
            {spectrum: change(image) for spectrum, image in self.images.items()},
            {spectrum: change(present) for spectrum, present in self.present.items()},
            change(self.index),
            change(self.label),
            change(self.camera),
            {name: change(values) for name, values in self.annotations.items()},
        )
