"""A tiny CLIP of open_clip's own, with random weights: the witness for our trunk, our text tower and the whole path."""

from __future__ import annotations

from typing import Any

import open_clip
import torch
from torch import nn

SIZE = (32, 16)
IMAGE = {"width": 32, "layers": 4, "head_width": 8, "patch_size": 8, "image_size": SIZE}
TEXT = {"width": 24, "layers": 3, "heads": 3}


def tiny_clip(image: dict[str, Any] | None = None, text: dict[str, Any] | None = None, quick_gelu: bool = True) -> Any:
    """open_clip's CLIP for pictures of 32 x 16, in eval mode, with norms that do something."""
    network = open_clip.model.CLIP(
        20,
        open_clip.model.CLIPVisionCfg(**IMAGE | (image or {})),
        open_clip.model.CLIPTextCfg(**TEXT | (text or {})),
        quick_gelu=quick_gelu,
    ).eval()
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.LayerNorm):
                module.weight.uniform_(0.5, 2)
                module.bias.normal_()
    return network
