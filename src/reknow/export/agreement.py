"""Whether a file computes what its recognizer computes: onnxruntime, fed as users feed it, against torch from bytes.

Decision: pictures of noise and of what noise has not, in batches of 1, 2 and 8. An exporter that fixes the batch or
translates an operator wrongly shows here, and so does a wrong normalization.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8

from reknow.export.graph import Input, PixelsToVectors, as_input

BATCHES = (1, 2, 8)
"""Batch sizes that are compared with torch."""

LARGEST_DEVIATION = 1e-4
"""Per component of a unit vector. The shipped network, ViT-S, ResNet-50 and OSNet differ by 2e-6 at most."""


def deviation(reference: PixelsToVectors, session: Any, size: tuple[int, int], input: Input) -> float:
    """Largest difference of a component between the file's vectors and torch's; NaN if there is one among them."""
    deviations = []
    for pictures in (noise(max(BATCHES), size), structured(max(BATCHES), size)):
        for batch in BATCHES:
            images = pictures[-batch:]
            with torch.inference_mode():
                expected = reference(torch.from_numpy(images)).numpy()
            (found,) = session.run(["embeddings"], {"images": as_input(images, input)})
            deviations.append(np.abs(found - expected).max())
    return float(np.max(deviations))


def noise(count: int, size: tuple[int, int]) -> UInt8[np.ndarray, "count height width 3"]:
    """Pictures of random pixels, always the same ones."""
    return np.random.default_rng(0).integers(0, 256, (count, *size, 3), dtype=np.uint8)


def structured(count: int, size: tuple[int, int]) -> UInt8[np.ndarray, "count height width 3"]:
    """Pictures of what noise has not: one flat color, ramps, edges, stripes; each in other colors."""
    rows, columns = np.meshgrid(*(np.linspace(0, 1, edge) for edge in size), indexing="ij")
    shapes = [
        np.zeros(size), rows, columns, rows > 0.5, np.hypot(rows - 0.5, columns - 0.5) < 0.3,
        np.sin(40 * rows) > 0, (np.sin(20 * rows) > 0) ^ (np.sin(20 * columns) > 0), np.ones(size),
    ]  # fmt: skip
    dark, bright = np.random.default_rng(1).integers(0, 256, (2, count, 1, 1, 3))
    shape = np.stack([shapes[number % len(shapes)] for number in range(count)])[..., None]
    return (dark + shape * (bright - dark)).astype(np.uint8)
