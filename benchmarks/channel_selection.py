"""A step of ViT-B with DCS attention in all blocks against one with its own attention: seconds and peak memory.

Run: ``python benchmarks/channel_selection.py [--quick]``. Forward and backward of the trunk of
``rib/dcs_fb_transreid_market1501`` (256 x 128, stride 12), in 32 bit on a CPU with 4 pictures and in bf16 on a GPU with
64. At most 1.35 times the seconds, and 1.25 times the memory: of the whole step at its worst moment on a GPU, of what
the forward keeps for the backward on a CPU.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from measure import alternating_seconds, arguments, report
from reknow.methods.rib.recipes import dcs_fb_transreid_market1501
from reknow.models.attention import SoftmaxAttention

options = arguments(__doc__)
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
pictures = 64 if device.type == "cuda" else 2 if options.quick else 4
trunk = replace(dcs_fb_transreid_market1501().network.trunk, depth=2 if options.quick else 12, drop_path=0.0)
torch.manual_seed(0)
selective = trunk.build().to(device).train()
plain = replace(trunk, attention=SoftmaxAttention()).build().to(device).train()
images = torch.randn(pictures, 3, *trunk.image_size, device=device)


def step(module: nn.Module) -> None:
    """Forward and backward; gradients stay, so that their memory is not counted."""
    with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
        tokens = module(images)
        total = tokens.cls.float().sum() + tokens.patches.float().sum()
    total.backward()
    if device.type == "cuda":
        torch.cuda.synchronize()


def megabytes(module: nn.Module) -> float:
    """What a step takes at its worst moment on a GPU; what its forward keeps for the backward on a CPU.

    A process's memory does not tell the latter: what was freed is not given back.
    """
    if device.type == "cuda":
        step(module)
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        step(module)
        return (torch.cuda.max_memory_allocated() - before) / 1e6
    weights = {parameter.untyped_storage().data_ptr() for parameter in module.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        module(images)
    return sum(kept.values()) / 1e6


ours_memory, plain_memory = megabytes(selective), megabytes(plain)
ours, limit = alternating_seconds(lambda: step(selective), lambda: step(plain), times=2 if options.quick else 4)
report(
    "channel_selection", ours=ours, limit=limit, allowed=1.35, peak=ours_memory,
    allowed_peak=round(1.25 * plain_memory, 1), plain_megabytes=round(plain_memory, 1), pictures=pictures,
    device=str(device),
)  # fmt: skip
