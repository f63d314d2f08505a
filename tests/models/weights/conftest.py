"""Files of weights, written on the spot."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from reknow.models.embedder import Trunk
from reknow.models.transformer import TransformerConfig
from reknow.models.weights import FillReport, fill, options_of, read_weights

Save = Callable[[Mapping[str, Any]], Path]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Write a checkpoint under a name that tells nothing."""

    def write(content: Mapping[str, Any]) -> Path:
        path = tmp_path / "weights.pth"
        torch.save(dict(content), path)
        return path

    return write


@pytest.fixture
def small() -> TransformerConfig:
    """A transformer for 4 x 2 patches of 8 pixels."""
    return TransformerConfig(image_size=(32, 16), width=16, depth=2, heads=2, patch_size=8, stride=8)


@pytest.fixture
def load_trunk() -> Callable[[Trunk, Path | str], FillReport]:
    """Fill a trunk from a file; the trunk states what the file does not."""

    def load(trunk: Trunk, source: Path | str) -> FillReport:
        return fill(trunk, read_weights(source, options_of(getattr(trunk, "config", None))))

    return load


def parameters(shared: Path, case: str) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The reference's weights of a golden case under its own names, and the rest of the case."""
    tensors = load_file(shared / "golden" / f"{case}.safetensors")
    start = "param/"
    given = {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}
    return given, {name: tensor for name, tensor in tensors.items() if not name.startswith(start)}


@pytest.fixture(params=["64x32", "96x48"])
def pass_case(request: pytest.FixtureRequest, shared: Path) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    return parameters(shared, f"pass_vit_{request.param}")


@pytest.fixture(params=["64x32_s12", "64x32_s16", "96x48_s12", "96x48_s16"])
def transreid_case(request: pytest.FixtureRequest, shared: Path) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    return parameters(shared, f"vit_transreid_{request.param}")
