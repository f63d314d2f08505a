"""A tiny recognizer of three spectra."""

from __future__ import annotations

import pytest
import torch

from reknow.data.transforms import Preprocessing
from reknow.methods.editor.network import EditorNetworkConfig
from reknow.methods.editor.selection import SelectionConfig
from reknow.models.transformer import TransformerConfig
from reknow.recognizer import Card, Recognizer


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    """A network that reads three spectra, as many of them as an observation has."""
    torch.manual_seed(0)
    trunk = TransformerConfig(image_size=(32, 16), width=16, depth=1, heads=2, patch=8)
    config = EditorNetworkConfig(trunk=trunk, selection=SelectionConfig(head_keep=1, frequency_keep=2))
    return Recognizer(config, config.build(), Preprocessing(size=(32, 16)), Card(name="tiny"), "cpu", "32")
