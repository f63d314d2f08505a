"""A file of weights as named tensors: torch's ``.pth`` or safetensors, read without executing anything.

What checkpoints wrap around a state dict is taken off here, because it tells nothing of the network: the entry of a
training checkpoint under which the state dict lies, and the prefixes of a parallel or of an enclosing module.
"""

from __future__ import annotations

import os
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from reknow.errors import WeightsError
from reknow.places import at_home

FOLDER_VARIABLE = "REKNOW_WEIGHTS"
"""The environment variable that names the folder of weights."""

ENTRIES = ("state_dict", "model", "teacher", "student")
"""Where training checkpoints keep the state dict. DINO's teacher comes before its student: it is what DINO uses."""

ENCLOSING = ("backbone.", "base.", "trunk.")
"""What DINO, TransReID with cluster-contrast, and we ourselves call the trunk inside a larger network."""

# Checkpoints carry a score as a numpy number and their command line's options beside the tensors. Neither executes
# anything when it is read, so torch's reader, which refuses all classes that it does not know, is told of these.
_SCALAR = np.float64(0).__reduce__()[0]
HARMLESS = [
    Namespace,
    np.dtype,
    (_SCALAR, "numpy.core.multiarray.scalar"),
    (_SCALAR, "numpy._core.multiarray.scalar"),
    *(type(np.dtype(kind)) for kind in ("float64", "float32", "int64", "bool")),
]

REMEDY = "Name a .pth or .safetensors file that holds a state dict."


@dataclass(frozen=True)
class Content:
    """What a file holds.

    Attributes:
        path: of the file.
        entry: of the checkpoint under which the state dict lay; empty where the file is the state dict.
        prefix: which of :data:`ENCLOSING` the trunk's names had; empty for none.
        state: every tensor; the trunk's without the prefix, the others under the names that they had.
    """

    path: Path
    entry: str
    prefix: str
    state: dict[str, Tensor]


def resolve(weights: str) -> Path | None:
    """The file that a user means: a path as it is, else one inside the folder that ``REKNOW_WEIGHTS`` names.

    Returns:
        None where there is no such file, since it may be a recognizer's folder or a word.
    """
    folder = os.environ.get(FOLDER_VARIABLE)
    choices = [weights] + ([f"{folder}/{weights}"] if folder and weights else [])
    return next((path for choice in choices if (path := at_home(choice)).is_file()), None)


def read(path: Path) -> Content:
    """Read a file.

    Raises:
        WeightsError: no such file, not a file of weights, or one that would execute something.
    """
    if not path.is_file():
        raise WeightsError(
            path, found="no such file", remedy=f"Correct the path, or name the file's folder in {FOLDER_VARIABLE}."
        )
    entry, state = _state_dict(path, _load(path))
    state = _inside(state, "module.")  # data parallel
    for prefix in ENCLOSING:
        if any(name.startswith(prefix) for name in state):
            return Content(path, entry, prefix, _inside(state, prefix))
    return Content(path, entry, "", state)


def _load(path: Path) -> Any:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with torch.serialization.safe_globals(HARMLESS):
            return torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, OSError) as error:
        raise WeightsError(path, found=f"it cannot be read ({error})", remedy=REMEDY) from error
    except Exception as error:  # torch raises a dozen kinds for what is no checkpoint
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsError(path, found=f"not a file of plain weights ({reason})", remedy=REMEDY) from error


def _state_dict(path: Path, content: Any) -> tuple[str, dict[str, Tensor]]:
    entry = ""
    while isinstance(content, dict):
        inner = next((name for name in ENTRIES if isinstance(content.get(name), dict)), None)
        if inner is None:
            break
        entry, content = inner, content[inner]
    if not isinstance(content, dict) or not content or not all(isinstance(part, Tensor) for part in content.values()):
        raise WeightsError(path, found="no state dict", remedy=REMEDY)
    return entry, dict(content)


def _inside(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The same tensors; the prefix is taken off, unless the shorter name is another tensor's."""
    shortened = {name: name.removeprefix(prefix) for name in state}
    return {name if short != name and short in state else short: state[name] for name, short in shortened.items()}
