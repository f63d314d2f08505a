"""Embedding cached pictures with the recognizer against the bare forward on batches that are always there.

Run: ``python benchmarks/embedding.py [--quick]``. At least 0.9 of the bare forward's pictures per second.
"""

from __future__ import annotations

import numpy as np
import torch

from measure import alternating_seconds, arguments, report
from reknow.data.cache import Pictures
from reknow.data.loading import EVALUATION_BATCH_SIZE
from reknow.methods.shipped import SHIPPED_NETWORK, SHIPPED_PREPROCESSING
from reknow.observation import Batch
from reknow.recognizer import Card, Recognizer

options = arguments(__doc__)
count = EVALUATION_BATCH_SIZE * (4 if options.quick else 24)
recognizer = Recognizer(SHIPPED_NETWORK, SHIPPED_NETWORK.build(), SHIPPED_PREPROCESSING, Card(name="made"))
pixels = np.random.default_rng(0).integers(0, 256, (count, 128, 64, 3), dtype=np.uint8)
pictures = Pictures.from_arrays({"rgb": pixels})
normalized = SHIPPED_PREPROCESSING.normalize(torch.from_numpy(pixels[:EVALUATION_BATCH_SIZE]).to(recognizer.device))
batch = Batch.of({"rgb": normalized})


@torch.inference_mode()
def bare() -> None:
    """The network alone, as often."""
    for _ in range(count // EVALUATION_BATCH_SIZE):
        with recognizer.precision():
            vectors = recognizer.network(batch)
    vectors.cpu()


recognizer.embed_pictures(pictures)
ours, limit = alternating_seconds(lambda: recognizer.embed_pictures(pictures), bare)
report(
    "embedding", ours=ours, limit=limit, allowed=1 / 0.9,
    images_per_second=round(count / ours), bare_images_per_second=round(count / limit), device=str(recognizer.device),
)  # fmt: skip
