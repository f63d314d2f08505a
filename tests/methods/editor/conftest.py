"""A tiny EDITOR: eight patches, two blocks, three spectra."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from reknow.methods.editor.method import Editor, EditorConfig
from reknow.methods.editor.network import EditorNetworkConfig
from reknow.methods.editor.selection import SelectionConfig
from reknow.models.transformer import TransformerConfig
from reknow.observation import Batch

SPECTRA = ("rgb", "nir", "tir")


@pytest.fixture
def config() -> EditorNetworkConfig:
    trunk = TransformerConfig(image_size=(32, 16), width=16, depth=2, heads=2, patch_size=8, stride=8, cameras=3)
    return EditorNetworkConfig(trunk=trunk, selection=SelectionConfig(head_keep=1, frequency_keep=2))


@pytest.fixture
def batch() -> Batch:
    """Eight observations of four identities, whole."""
    random = torch.Generator().manual_seed(5)
    return Batch(
        {name: torch.randn(8, 3, 32, 16, generator=random) for name in SPECTRA},
        {name: torch.ones(8, dtype=torch.bool) for name in SPECTRA},
        torch.arange(8),
        torch.tensor([0, 0, 1, 1, 2, 2, 3, 3]),
        torch.tensor([0, 1, 2, 0, 1, 2, -1, 9]),
    )


@pytest.fixture
def build(config: EditorNetworkConfig) -> Callable[..., Editor]:
    def made(**settings: Any) -> Editor:
        torch.manual_seed(0)
        return Editor(config.build(), np.arange(4), EditorConfig(**settings))

    return made
