"""The sizes that have names: ViT's small, base and large, for 256 x 128 pixels as the papers use them.

Each function returns a config whose other fields may be given by name: ``vit_small(extra_tokens=4, drop_path=0.3)``.
"""

from __future__ import annotations

from typing import Any

from reknow.models.transformer import TransformerConfig


def vit_small(**changes: Any) -> TransformerConfig:
    """ViT-S/16 for 256 x 128: 12 blocks of width 384 (TCMM, on PASS's weights)."""
    return _changed({"image_size": (256, 128), "width": 384, "depth": 12, "heads": 6}, changes)


def vit_base(**changes: Any) -> TransformerConfig:
    """ViT-B/16 for 256 x 128: 12 blocks of width 768 (TransReID, EDITOR, RIB, FIRM)."""
    return _changed({"image_size": (256, 128), "width": 768, "depth": 12, "heads": 12}, changes)


def vit_large(**changes: Any) -> TransformerConfig:
    """ViT-L/16 for 256 x 128: 24 blocks of width 1024."""
    return _changed({"image_size": (256, 128), "width": 1024, "depth": 24, "heads": 16}, changes)


def _changed(size: dict[str, Any], changes: dict[str, Any]) -> TransformerConfig:
    return TransformerConfig(**{**size, **changes})
