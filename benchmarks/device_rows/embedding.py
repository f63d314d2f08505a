"""Embedding cached pictures with a recognizer, beside the bare forward on a batch that is on the device already.

``embedding/tf32`` measures what 32 bit means on a GPU. There torch multiplies matrices in 32 bit, but lets cuDNN round
the inputs of convolutions to the 10 binary digits of TF32. The row has the speed with and without that, and by how much
a component of a vector differs.
"""

from __future__ import annotations

from functools import partial
from typing import Literal

import numpy as np
import torch

from device_rows.context import Context, Row, rounded
from device_rows.steps import SMALL, small_network
from reknow.data.cache import Pictures
from reknow.data.loading import EVALUATION_BATCH_SIZE
from reknow.methods.cluster_contrast import recipes as cluster_contrast
from reknow.methods.recipe import Recipe
from reknow.methods.tcmm import recipes as tcmm
from reknow.observation import Batch
from reknow.recognizer import Card, Recognizer

RECIPES = {"vit_small": tcmm.market1501, "resnet50": cluster_contrast.market1501}


def recognizer_of(recipe: Recipe, precision: Literal["32", "bf16"], context: Context) -> Recognizer:
    """With random weights; of a small trunk where the check is quick."""
    network = small_network(recipe) if context.quick else recipe.network
    size = SMALL.image_size if context.quick else recipe.preprocessing.size
    preprocessing = type(recipe.preprocessing)(size=size)
    torch.manual_seed(0)
    return Recognizer(network, network.build(), preprocessing, Card(name="made"), context.device, precision)


def made_pixels(recognizer: Recognizer, count: int) -> np.ndarray:
    """(N, H, W, 3) random bytes."""
    return np.random.default_rng(0).integers(0, 256, (count, *recognizer.preprocessing.size, 3), dtype=np.uint8)


def embedding(context: Context, name: str, precision: Literal["32", "bf16"]) -> dict[str, object]:
    """Pictures a second, and how much longer it takes than the bare forward."""
    recognizer = recognizer_of(RECIPES[name](), precision, context)
    size = 8 if context.quick else EVALUATION_BATCH_SIZE
    pixels = made_pixels(recognizer, size if context.quick else 24 * size)
    pictures = Pictures.from_arrays({"rgb": pixels})
    batch = Batch.of({"rgb": recognizer.preprocessing.normalize(torch.from_numpy(pixels[:size]).to(context.device))})

    @torch.inference_mode()
    def bare() -> None:
        for _ in range(len(pixels) // size):
            with recognizer.precision():
                recognizer.network(batch)

    limit, ours = context.seconds(bare), context.seconds(lambda: recognizer.embed_pictures(pictures))
    return {
        "pictures": len(pixels),
        "bare_pictures_per_second": rounded(len(pixels) / limit),
        "pictures_per_second": rounded(len(pixels) / ours),
        "whole_over_bare": rounded(ours / limit),
        "megabytes": rounded(context.peak_megabytes(lambda: recognizer.embed_pictures(pictures))),
    }


def tf32(context: Context) -> dict[str, object]:
    """ResNet-50 in 32 bit, with convolutions in TF32 (torch's default) and without."""
    recognizer = recognizer_of(RECIPES["resnet50"](), "32", context)
    pictures = Pictures.from_arrays({"rgb": made_pixels(recognizer, 8 if context.quick else 8 * EVALUATION_BATCH_SIZE)})
    numbers: dict[str, object] = {}
    vectors = {}
    for side, allowed in (("tf32", True), ("exact", False)):
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=allowed):
            vectors[side] = recognizer.embed_pictures(pictures)
            seconds = context.seconds(lambda: recognizer.embed_pictures(pictures))
        numbers[f"{side}_pictures_per_second"] = rounded(len(pictures) / seconds)
    return {**numbers, "largest_difference": rounded(float(np.abs(vectors["tf32"] - vectors["exact"]).max()))}


ROWS: dict[str, Row] = {
    f"embedding/{name}/{precision}": partial(embedding, name=name, precision=precision)
    for name in RECIPES
    for precision in ("32", "bf16")
}
ROWS["embedding/tf32"] = tf32
