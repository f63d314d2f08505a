"""torch.compile: forward and backward of a trunk with and without it, and how long compiling takes.

The package compiles no network. Where the ratio is well below 1 it may pay, since a run of hours compiles once.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

from device_rows.context import Context, Row, rounded
from device_rows.embedding import RECIPES
from device_rows.steps import SMALL, small_network
from reknow.precision import computing

PICTURES = 128


def compiled(context: Context, name: str) -> dict[str, object]:
    """Pictures a second of both in bf16, and the seconds of the first compiled step."""
    recipe = RECIPES[name]()
    network = small_network(recipe) if context.quick else recipe.network
    size = SMALL.image_size if context.quick else recipe.preprocessing.size
    torch.manual_seed(0)
    trunk = network.build().to(context.device).train().trunk
    # Quick, the trunk is captured and run as it is: whether it can be is worth knowing, and no compiler is needed.
    faster = torch.compile(trunk, backend="eager" if context.quick else "inductor")
    pictures = torch.randn(4 if context.quick else PICTURES, 3, *size, device=context.device)

    def step(module: Any) -> None:
        with computing(context.device, "bf16"):
            tokens = module(pictures)
            total = tokens.cls.float().sum() + tokens.patches.float().sum()
        total.backward()
        trunk.zero_grad(set_to_none=True)

    plain, compiling = context.seconds(partial(step, trunk)), context.once(partial(step, faster))
    seconds = context.seconds(partial(step, faster))
    torch.compiler.reset()  # nothing compiled stays in memory
    return {
        "pictures": len(pictures),
        "pictures_per_second": rounded(len(pictures) / plain),
        "compiled_pictures_per_second": rounded(len(pictures) / seconds),
        "compiled_over_plain": rounded(seconds / plain),
        "compiling_seconds": rounded(compiling),
    }


ROWS: dict[str, Row] = {f"compiled/{name}": partial(compiled, name=name) for name in RECIPES}
