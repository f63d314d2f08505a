"""Weights of a trunk from a file: torch's ``.pth`` (read without executing anything) or safetensors.

Keys must be the trunk's own, which are torchvision's for ResNet-50 and timm's for transformers; a common prefix such as
``module.`` is taken off. What the file has beyond the trunk (a classifier) is ignored, and said.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from reknow.errors import WeightsError


@dataclass(frozen=True)
class Loaded:
    """What a file gave to a trunk.

    Attributes:
        loaded: names that were taken.
        left: names that the trunk has and the file lacks; they stay as they were.
        ignored: names of the file that the trunk has no place for.
    """

    loaded: tuple[str, ...]
    left: tuple[str, ...]
    ignored: tuple[str, ...]


def load_trunk(trunk: nn.Module, path: Path) -> Loaded:
    """Fill a trunk from a file.

    Raises:
        WeightsError: not a file of weights, of another kind of network (fewer than nine tenths of the trunk's tensors
            are in it), or of another size.
    """
    found = _without_prefix(_read(path))
    wanted = trunk.state_dict()
    shared = [name for name in wanted if name in found]
    # A pooling exponent or an extra token may be missing; a network of another kind misses nearly all.
    if len(shared) < 0.9 * len(wanted):
        examples = ", ".join(list(found)[:3])
        raise WeightsError(
            path,
            found=f"{len(shared)} of the trunk's {len(wanted)} tensors (the file holds {len(found)}: {examples}, ...)",
            expected=f"a {type(trunk).__name__}, with names such as {', '.join(list(wanted)[:3])}",
            remedy="Name weights of this network, or choose the network that the weights are of.",
        )
    for name in shared:
        if found[name].shape != wanted[name].shape:
            raise WeightsError(
                f"{path}, tensor '{name}'",
                found=f"size {tuple(found[name].shape)}",
                expected=f"{tuple(wanted[name].shape)}",
                remedy="Choose weights of this size, or change the recipe's network.",
            )
    trunk.load_state_dict({name: found[name] for name in shared}, strict=False)
    return Loaded(
        tuple(shared),
        tuple(name for name in wanted if name not in found),
        tuple(name for name in found if name not in wanted),
    )


def _read(path: Path) -> dict[str, Tensor]:
    remedy = "Name a .pth or .safetensors file that holds a state dict."
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, OSError) as error:
        raise WeightsError(path, found=f"it cannot be read ({error})", remedy=remedy) from error
    except Exception as error:  # torch raises a dozen kinds for what is no checkpoint
        raise WeightsError(path, found=f"not a file of plain weights ({error})", remedy=remedy) from error
    for key in ("state_dict", "model"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise WeightsError(path, found="no state dict", remedy=remedy)
    return content


def _without_prefix(state: dict[str, Tensor]) -> dict[str, Tensor]:
    for prefix in ("module.", "base.", "backbone."):
        if state and all(name.startswith(prefix) for name in state):
            state = {name.removeprefix(prefix): tensor for name, tensor in state.items()}
    return state
