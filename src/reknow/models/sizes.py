"""The sizes that have names: ViT's small, base and large, for 256 x 128 pixels as the papers use them.

Each function returns a config whose other fields may be given by name: ``vit_small(extra_tokens=4, drop_path=0.3)``.
"""

from __future__ import annotations

from typing import Any

from reknow.models.transformer import SIZES, SizeName, TransformerConfig


def vit_small(**changes: Any) -> TransformerConfig:
    """ViT-S/16 for 256 x 128: 12 blocks of width 384 (TCMM, on PASS's weights)."""
    return _of("small", changes)


def vit_base(**changes: Any) -> TransformerConfig:
    """ViT-B/16 for 256 x 128: 12 blocks of width 768 (TransReID, EDITOR, RIB, FIRM)."""
    return _of("base", changes)


def vit_large(**changes: Any) -> TransformerConfig:
    """ViT-L/16 for 256 x 128: 24 blocks of width 1024."""
    return _of("large", changes)


def clip_vit_base(**changes: Any) -> TransformerConfig:
    """The image tower of CLIP ViT-B/16 (Radford et al., ICML 2021) for 256 x 128, as OpenAI trained it (FIRM)."""
    clip = {"norm_pre": True, "activation": "quick_gelu", "layer_norm_eps": 1e-5}
    return _of("base", {**clip, **changes})


def _of(size: SizeName, changes: dict[str, Any]) -> TransformerConfig:
    width, depth, heads = SIZES[size]
    return TransformerConfig(**{"image_size": (256, 128), "width": width, "depth": depth, "heads": heads, **changes})
