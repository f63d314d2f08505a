"""Foreign: a file of weights that was understood, and the sorting of its tensors that every adapter ends with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from reknow.errors import WeightsError
from reknow.models.embedder import EmbedderConfig, Feature, TrunkConfig
from reknow.models.weights.file import Content

Channels = tuple[float, float, float]


@dataclass(frozen=True)
class Normalization:
    """Mean and deviation per channel, of values in [0, 1], that weights were trained with."""

    mean: Channels
    std: Channels


IMAGENET = Normalization((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALVES = Normalization((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))

OPTIONAL = ("pool.p", "num_batches_tracked")
"""Endings of tensors that a file may lack: ImageNet's networks pool by the mean, and old torch counted no batches."""


@dataclass(frozen=True)
class Foreign:
    """A file of weights, understood.

    Attributes:
        origin: whose network it is, such as "PASS ViT-S/16".
        path: of the file.
        trunk: shape of the trunk in the file. A file tells neither a transformer's heads nor the size of its pictures:
            heads are those of published sizes, and `image_size` is the grid of the position table times the stride.
        feature: what its authors use as the feature.
        mean: per channel, of the pictures that it was trained with.
        std: per channel.
        state: the trunk's tensors, under our trunk's names.
        neck: its batch-norm neck, under :class:`~reknow.models.neck.BatchNormNeck`'s names; empty where it has none
            of the feature's size.
        ignored: names of the tensors that nothing here has a place for: classifiers, projection heads, branches.
    """

    origin: str
    path: Path
    trunk: TrunkConfig
    feature: Feature
    mean: Channels
    std: Channels
    state: Mapping[str, Tensor]
    neck: Mapping[str, Tensor]
    ignored: tuple[str, ...]


def sorted_out(
    content: Content,
    origin: str,
    trunk: TrunkConfig,
    *,
    state: Mapping[str, Tensor] | None = None,
    feature: Feature = "cls",
    normalization: Normalization = HALVES,
    neck: str = "",
    ignored: tuple[str, ...] = (),
) -> Foreign:
    """Sort a file's tensors into trunk, neck and rest.

    Args:
        content: the file.
        origin: whose network it is.
        trunk: the shape that its tensors told.
        state: every tensor under our trunk's names, where the origin's differ; None for the content's own.
        feature: what its authors use as the feature.
        normalization: of the pictures that it was trained with.
        neck: prefix of the neck's tensors; empty for none.
        ignored: names that the adapter itself dropped.

    Raises:
        WeightsError: a tensor of the trunk is missing, of another size, or more than such a trunk has.
    """
    state = content.state if state is None else state
    with torch.device("meta"):  # names and sizes, no memory
        embedder = EmbedderConfig(trunk=trunk, feature=feature).build()
    wanted = embedder.trunk.state_dict()
    parts = {name.partition(".")[0] for name in wanted}
    of_trunk = {name: _plain(tensor) for name, tensor in state.items() if name.partition(".")[0] in parts}
    _check(content, origin, of_trunk, wanted)
    neck_wanted = embedder.neck.state_dict() if neck else {}
    of_neck = {name: _plain(state[neck + name]) for name in neck_wanted if neck + name in state}
    if any(tensor.shape != neck_wanted[name].shape for name, tensor in of_neck.items()):
        of_neck = {}  # a neck for another feature, such as PASS's mean of CLS and parts
    used = of_trunk.keys() | {neck + name for name in of_neck}
    rest = tuple(name for name in state if name not in used)
    mean, std = normalization.mean, normalization.std
    return Foreign(origin, content.path, trunk, feature, mean, std, of_trunk, of_neck, ignored + rest)


def _plain(tensor: Tensor) -> Tensor:
    """In single precision, whatever it was saved in; counters stay."""
    return tensor.float() if tensor.is_floating_point() else tensor


def _check(content: Content, origin: str, found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    remedy = "This variant is not supported: choose weights of the plain network."
    if beyond := [name for name in found if name not in wanted]:
        raise WeightsError(
            content.path,
            found=f"looks like {origin}, but has {len(beyond)} tensors more, such as '{beyond[0]}'",
            remedy=remedy,
        )
    missing = [name for name in wanted if name not in found and not name.endswith(OPTIONAL)]
    if missing:
        raise WeightsError(
            content.path,
            found=f"looks like {origin}, but {len(missing)} tensors are missing, such as '{missing[0]}'",
            remedy=remedy,
        )
    for name, tensor in found.items():
        if tensor.shape != wanted[name].shape:
            raise WeightsError(
                f"{content.path}, tensor '{name}'",
                found=f"size {tuple(tensor.shape)}",
                expected=f"{tuple(wanted[name].shape)}, since the file looks like {origin}",
                remedy=remedy,
            )
