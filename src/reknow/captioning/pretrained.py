"""Pretrained: models of the package transformers, read from a folder on this machine and never from elsewhere."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from reknow.errors import MissingExtra, WeightsError
from reknow.places import at_home


def transformers_for(purpose: str) -> Any:
    """The package transformers, quiet: its progress bars and hints are for programmers.

    Raises:
        MissingExtra: `reknow[captions]` is not installed.
    """
    try:
        transformers = import_module("transformers")
        logging = import_module("transformers.utils.logging")
    except ImportError as error:
        raise MissingExtra("captions", purpose) from error
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    return transformers


def pretrained(kinds: tuple[Any, Any], folder: Path, model_type: str | None, device: torch.device) -> tuple[Any, Any]:
    """What prepares a model's inputs, and the model itself in 32 bit, from a folder that transformers wrote.

    Args:
        kinds: the two classes of transformers.
        folder: with ``config.json``, the weights and the tokenizer.
        model_type: what ``config.json`` must call it; None for any.
        device: where the model computes.

    Raises:
        WeightsError: no such folder, another model, or a damaged one.
    """
    folder = at_home(str(folder))
    remedy = "Download the model's repository whole, with config.json, weights and tokenizer, and name its folder."
    try:
        content = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        problem = "no config.json in it" if folder.is_dir() else "no such folder"
        problem = f"a damaged config.json ({error})" if (folder / "config.json").is_file() else problem
        raise WeightsError(folder, found=problem, expected="a folder of transformers", remedy=remedy) from error
    kind = content.get("model_type") if isinstance(content, dict) else None
    if model_type is not None and kind != model_type:
        raise WeightsError(
            folder, found=f"a model of the type '{kind}'", expected=f"'{model_type}'", remedy="Name another folder."
        )
    preparing, model = kinds
    try:
        prepare = preparing.from_pretrained(folder, local_files_only=True)
        loaded = model.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # transformers, tokenizers and safetensors raise a dozen kinds for damaged folders
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise WeightsError(folder, found=f"it cannot be read ({reason})", remedy=remedy) from error
    return prepare, loaded.float().to(device).eval()


def chosen_device() -> torch.device:
    """A GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
