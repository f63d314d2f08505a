"""``editor-trunk``: which trunk, and how small a patch?

The paper asks (its first open question) what other trunks would give. Where their weights are available, name them in
a run: ``reknow train editor/rgbnt201 --network.trunk.size large --network.trunk.patch 32``. The package has weights of
the small trunk alone. With them the patches grow or shrink against the object when the pictures shrink or grow. All
other rows start from random weights, and say what a trunk learns from a small world and nothing else. What a step costs
is measured for ViT-S, B and L beside, at the paper's picture size.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from math import prod
from statistics import median
from typing import Any

import torch

from reknow.methods.editor.network import EditorNetworkConfig
from reknow.methods.recipe import Recipe
from reknow.models.transformer import SIZES, SizeName, TransformerConfig
from reknow.observation import Batch
from reknow.studies.editor.base import on_world
from reknow.studies.sizes import THREE_SPECTRA_SWEPT, Scale
from reknow.studies.study import Measurement, Study, Variant

PATCHES = (8, 16, 32)
SIZE_NAMES: dict[str, SizeName] = {"S": "small", "B": "base", "L": "large"}
KEPT_BY_PIXELS = 3 / 32
"""Share of the patches that pixels keep, at every patch size: what the small recipe has."""


def study(scale: Scale) -> Study:
    """The shipped trunk at three patch sizes; others, and larger ones, from random weights; costs without training."""
    base = on_world(THREE_SPECTRA_SWEPT[scale])
    shipped = base.network.trunk
    small = replace(shipped, stem="patch")
    trunks = {f"small, patch {patch}": replace(small, patch=patch) for patch in PATCHES}
    resized = {} if scale == "quick" else {"patches half as large": 2.0, "patches twice as large": 0.5}
    larger = {"quick": (), "laptop": ("S",), "gpu": ("S", "B", "L")}[scale]
    trunks |= {
        f"ViT-{name}, patch 16": TransformerConfig(size=SIZE_NAMES[name], image_size=shipped.image_size)
        for name in larger
    }
    return Study(
        name="editor-trunk",
        question="Which trunk serves EDITOR, and with patches of which size?",
        scale=scale,
        base=base,
        variants=(
            Variant("shipped trunk and weights"),
            *(Variant(f"{name}, shipped weights", _resized(base, factor)) for name, factor in resized.items()),
            Variant("shipped trunk, random weights", {"weights": "random"}),
            *(Variant(f"{name}, random weights", _on(trunk)) for name, trunk in trunks.items()),
        ),
        columns=("mAP", "rank1", "start_mAP", "seconds"),
        measurements=(
            Measurement(
                name="cost",
                about="One training step's forward and backward of EDITOR at 256 x 128: of one observation on a CPU, "
                "of 16 on a GPU.",
                settings=tuple(
                    {"size": size, "patch": patch}
                    for size in (("small",) if scale == "quick" else SIZES)
                    for patch in PATCHES
                ),
                measure=cost,
            ),
        ),
    )


def cost(size: SizeName, patch: int) -> dict[str, float]:
    """What one training step takes.

    Args:
        size: ``small``, ``base`` or ``large``.
        patch: edge of a patch in pixels.

    Returns:
        ``patches`` of a picture, ``parameters`` in millions, ``seconds`` of a forward and backward (median of three).
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    trunk = TransformerConfig(size=size, patch=patch)
    network = EditorNetworkConfig(trunk=trunk).build().to(device).train()
    count = 16 if device == "cuda" else 1
    batch = Batch.of({name: torch.randn(count, 3, *trunk.image_size, device=device) for name in network.spectra})

    def step() -> float:
        started = time.perf_counter()
        network.outputs(batch).descriptor.sum().backward()
        network.zero_grad(set_to_none=True)
        if device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - started

    step()
    return {
        "patches": float(prod(network.trunk.grid)),
        "parameters": sum(parameter.numel() for parameter in network.parameters()) / 1e6,
        "seconds": median(step() for _ in range(3)),
    }


def _resized(base: Recipe, factor: float) -> Mapping[str, Any]:
    """Pictures, and what is counted in their pixels, times a factor: the patches have so much more or less on them."""
    height, width = base.network.trunk.image_size
    size = (round(factor * height), round(factor * width))
    return {
        "network.trunk.image_size": size,
        "preprocessing.size": size,
        "augmentation.pad": round(factor * base.augmentation.pad),
        "network.selection.frequency_keep": _kept_by_pixels(replace(base.network.trunk, image_size=size)),
    }


def _on(trunk: TransformerConfig) -> Mapping[str, Any]:
    return {
        "network.trunk": trunk,
        "weights": "random",
        "network.selection.frequency_keep": _kept_by_pixels(trunk),
    }


def _kept_by_pixels(trunk: TransformerConfig) -> int:
    patches = (trunk.image_size[0] // trunk.stride) * (trunk.image_size[1] // trunk.stride)
    return max(1, round(KEPT_BY_PIXELS * patches))
