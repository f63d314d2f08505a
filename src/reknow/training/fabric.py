"""Where a run computes: its device, precision and processes."""

from __future__ import annotations

import logging
import os
import warnings
from typing import Any

import torch
from lightning_fabric import Fabric

from reknow.methods.recipe import Recipe
from reknow.recognizer.precision import computes_in_bf16

# Fabric announces precision and processes in its own words; the display has ours.
logging.getLogger("lightning_fabric").setLevel(logging.WARNING)


def start_fabric(recipe: Recipe) -> Fabric:
    """One process, or this process of a ``torchrun`` job; the recipe's precision."""
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    local = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    precision = recipe.precision
    if precision == "auto":
        # On a CPU with AVX-512 BF16 the small network trained 292 pictures a second instead of 223.
        fast = computes_in_bf16(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
        precision = "bf16-mixed" if fast else "32-true"
    strategy: Any = "auto"
    if processes > 1:
        from lightning_fabric.strategies.ddp import DDPStrategy

        # Memories are buffers whose size changes; the loop itself keeps statistics equal. A process's share of a batch
        # need not use every parameter: that of one spectrum leaves the other's stem alone.
        strategy = DDPStrategy(broadcast_buffers=False, find_unused_parameters=True)
        warnings.filterwarnings("ignore", "find_unused_parameters=True was specified")
    fabric = Fabric(devices=local, num_nodes=processes // local, strategy=strategy, precision=precision)
    fabric.launch()
    return fabric
