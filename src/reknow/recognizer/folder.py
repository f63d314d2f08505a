"""A recognizer on disk: a folder with three files.

``model.safetensors`` has the weights, ``recognizer.json`` the shape of the network, the preprocessing and the card,
``README.md`` the card in words. Preprocessing belongs to the weights, so it travels with them. What is read is checked
piece by piece, so that a damaged folder or one of another program says which piece is wrong.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from reknow.data.transforms import Preprocessing
from reknow.errors import RecipeError, RecognizerError
from reknow.growing import growing_buffers
from reknow.models.network import Network, NetworkConfig
from reknow.recognizer.card import Card, in_words
from reknow.values import from_plain, to_plain
from reknow.writing import written_whole

Kind = TypeVar("Kind")

_RESTORE = "Restore the folder from where it was saved."


def write_folder(
    folder: Path, config: NetworkConfig, network: Network, preprocessing: Preprocessing, card: Card
) -> None:
    """Write a recognizer's folder, beside and then renamed.

    Raises:
        RecognizerError: the folder exists, or cannot be written.
    """
    if folder.exists():
        raise RecognizerError(folder, found="already exists", remedy="Name another folder.")
    content = {"network": to_plain(config), "preprocessing": to_plain(preprocessing), "card": to_plain(card)}
    with written_whole(folder, RecognizerError, also=(SafetensorError,)) as beside:
        beside.mkdir(parents=True)
        # Copies, since layers that several blocks share have several names, and safetensors refuses shared memory.
        state = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in network.state_dict().items()}
        save_file(state, beside / "model.safetensors")
        (beside / "recognizer.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        (beside / "README.md").write_text(in_words(card, config, preprocessing, network.dim), encoding="utf-8")


def read_folder(folder: Path) -> tuple[NetworkConfig, Network, Preprocessing, Card]:
    """Read what :func:`write_folder` wrote; the network comes with its weights.

    Args:
        folder: the recognizer's own, or a run's that holds one.

    Raises:
        RecognizerError: no recognizer there, or a damaged one or one of another program.
    """
    if not (folder / "recognizer.json").is_file() and (folder / "recognizer").is_dir():
        folder = folder / "recognizer"
    if not (folder / "recognizer.json").is_file():
        raise RecognizerError(
            folder,
            found="no recognizer.json" if folder.exists() else "no such file or folder, so no recognizer.json",
            expected="a recognizer's folder, or a finished run",
            remedy="Check the path; an unfinished run has none yet (continue it with --resume).",
        )
    content = _read_json(folder / "recognizer.json")
    config = _part(content, "network", NetworkConfig, folder)
    preprocessing = _part(content, "preprocessing", Preprocessing, folder)
    card = _part(content, "card", Card, folder)
    network = config.build()
    _fill(network, folder / "model.safetensors")
    return config, network, preprocessing, card


def _read_json(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:  # ValueError: not JSON, or not text at all
        raise RecognizerError(file, found=f"damaged ({error})", remedy=_RESTORE) from error
    if not isinstance(content, dict):
        raise RecognizerError(file, found=f"a {type(content).__name__}", expected="an object", remedy=_RESTORE)
    return content


def _part(content: dict[str, Any], name: str, kind: type[Kind], folder: Path) -> Kind:
    """One of the three values that ``recognizer.json`` holds."""
    where = f"{folder}/recognizer.json"
    try:
        value = from_plain(content.get(name), where)
    except RecipeError as error:
        # A class of a package that is not here says so; anything else is damage, or another version's.
        known = error.remedy if "package" in error.remedy else "Where another version of reknow wrote it, install that."
        remedy = f"{known} {_RESTORE}"
        named = error.where if error.where.startswith(where) else f"{where}, {error.where}"
        raise RecognizerError(named, found=error.found, expected=error.expected, remedy=remedy) from error
    if not isinstance(value, kind):
        raise RecognizerError(
            f"{where}, field '{name}'",
            found="nothing" if name not in content else f"a {type(value).__name__}",
            expected=kind.__name__,
            remedy=_RESTORE,
        )
    return value


def _fill(network: Network, file: Path) -> None:
    """Load weights into a network; the file must hold its tensors, all of them and no others."""
    try:
        saved = load_file(file)
    except (OSError, SafetensorError) as error:
        raise RecognizerError(file, found=f"damaged ({error})", remedy=_RESTORE) from error
    wanted, growing = network.state_dict(), growing_buffers(network)
    for name in sorted(wanted.keys() | saved.keys()):
        first = 1 if name in growing else 0  # the dimension from which on its size is part of the network's shape
        if name not in saved or name not in wanted or saved[name].shape[first:] != wanted[name].shape[first:]:
            raise RecognizerError(
                f"{file}, tensor '{name}'",
                found=_size(saved.get(name)),
                expected=f"{_size(wanted.get(name))}, as recognizer.json says",
                remedy=_RESTORE,
            )
    network.load_state_dict(saved)


def _size(tensor: Tensor | None) -> str:
    return "none" if tensor is None else f"one of size {tuple(tensor.shape)}"
