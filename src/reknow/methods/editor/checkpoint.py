"""Official checkpoints: the released code's state dict, read and written. The names are those of the released code.

Tensors mean the same in both, so this is a table of names. The released model also holds a classifier of 1000 classes
in the trunk (``fc``), which nothing reads and which counts in its published number of parameters (decision 20 in
docs/methods/editor.md); and under AL the batch norm and classifier of BL. Both are ignored when a checkpoint is read.
They are written with their initial values (zeros; a batch norm that changes nothing), so that the released code loads
the file strictly.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from reknow.errors import WeightsError
from reknow.methods.editor.method import Editor
from reknow.models.weights.file import read

UNUSED_CLASSES = 1000
"""Classes of the unused classifier in the released trunk."""

_OFFICIAL = {"rgb": "RGB", "nir": "NIR", "tir": "TIR"}
_COUNTER = "num_batches_tracked"


def official_names(method: Editor) -> dict[str, str]:
    """The released code's name of each tensor; it has no means of descriptors."""
    prefixes = _prefixes(method)
    names = {}
    for name in method.state_dict():
        if name.startswith("network.means."):
            continue
        prefix = next(prefix for prefix in prefixes if name.startswith(prefix))
        names[name] = prefixes[prefix] + name.removeprefix(prefix)
    return names


def to_official(method: Editor) -> dict[str, Tensor]:
    """The method as the released code's state dict."""
    names = official_names(method)
    tensors = method.state_dict()
    state = {official: tensors[name].detach().clone() for name, official in names.items()}
    width = method.network.config.trunk.width
    state["BACKBONE.base.fc.weight"] = torch.zeros(UNUSED_CLASSES, width)
    state["BACKBONE.base.fc.bias"] = torch.zeros(UNUSED_CLASSES)
    if method.config.variant == "AL":
        fresh = torch.nn.BatchNorm1d(width).state_dict()
        state |= {f"BACKBONE_BN.{name}": tensor for name, tensor in fresh.items()}
        state["BACKBONE_HEAD.weight"] = torch.zeros(method.trunk.classifier.out_features, width)
    return state


def load_official(method: Editor, state: Mapping[str, Tensor] | Path | str) -> tuple[str, ...]:
    """Fill a method from the released code's state dict, or from a file that holds one.

    Args:
        method: of the checkpoint's variant, size, identities and cameras.
        state: the tensors, or where they are.

    Returns:
        names of the checkpoint's tensors that were not used.

    Raises:
        WeightsError: a tensor is missing or of another size; the method is as it was.
    """
    where = "the state dict" if isinstance(state, Mapping) else str(state)
    stored = state if isinstance(state, Mapping) else read(Path(state)).state
    own = method.state_dict()
    names = official_names(method)
    loaded = {}
    for name, official in names.items():
        if official in stored and stored[official].shape == own[name].shape:
            loaded[name] = stored[official]
        elif official in stored or not name.endswith(_COUNTER):  # old torch counted no batches
            raise WeightsError(
                f"{where}, tensor '{official}'",
                found=f"size {tuple(stored[official].shape)}" if official in stored else "none",
                expected=f"size {tuple(own[name].shape)}, of EDITOR in the variant {method.config.variant}",
                remedy="Build the method with the checkpoint's variant, trunk, identities and cameras.",
            )
    method.load_state_dict(loaded, strict=False)
    return tuple(name for name in stored if name not in set(names.values()))


def _prefixes(method: Editor) -> dict[str, str]:
    """Prefixes of names here, and in the released code; of two that begin alike, the longer stands first."""
    stage_one, read_out = {}, {}
    for name in method.network.spectra:
        block, letter = f"network.aggregation.independent.{name}", _OFFICIAL[name][0]
        stage_one |= {
            f"{block}.norm1.": f"FUSE_block.norm{letter}.",
            f"{block}.norm2.": f"FUSE_block.norm{letter}_.",
            f"{block}.attn.": f"FUSE_block.attn{letter}.",
            f"{block}.mlp.": f"FUSE_block.mlp{letter}.",
        }
        read_out[f"network.aggregation.reduce.{name}."] = f"{_OFFICIAL[name]}_REDUCE."
        read_out[f"centers.{name}"] = f"FUSE_block.memory_cls.{_OFFICIAL[name]}_centers"
    trunk = "BACKBONE" if method.config.variant == "BL" else "AL"
    return {
        "network.trunk.": "BACKBONE.base.",
        **stage_one,
        "network.aggregation.collaborative.attn.": "FUSE_block.attn1.",
        "network.aggregation.collaborative.": "FUSE_block.",
        "network.aggregation.norm.": "FUSE_block.out_norm.",
        **read_out,
        "fused.norm.": "FUSE_BN.",
        "fused.classifier.": "FUSE_HEAD.",
        "trunk.norm.": f"{trunk}_BN.",
        "trunk.classifier.": f"{trunk}_HEAD.",
    }
