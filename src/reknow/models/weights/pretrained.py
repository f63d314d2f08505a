"""A file of weights that was understood, and the partition of its tensors that every adapter ends with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from reknow.errors import WeightsError
from reknow.models.embedder import EmbedderConfig, Feature, TrunkConfig, neck_of
from reknow.models.transformer import TransformerConfig
from reknow.models.weights.file import Content
from reknow.models.weights.soundness import single
from reknow.models.weights.source import Side, Size

Channels = tuple[float, float, float]


@dataclass(frozen=True)
class Normalization:
    """Mean and deviation per channel, of values in [0, 1], that weights were trained with."""

    mean: Channels
    std: Channels


IMAGENET = Normalization((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALVES = Normalization((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
CLIP = Normalization((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
NORMALIZATIONS = {"imagenet": IMAGENET, "halves": HALVES, "clip": CLIP}

OPTIONAL = ("pool.p", "num_batches_tracked")
"""Endings of tensors that a file may lack: ImageNet's networks pool by the mean, and old torch counted no batches."""


@dataclass(frozen=True)
class PretrainedWeights:
    """A file of weights, understood.

    Attributes:
        origin: whose network it is, such as "PASS ViT-S/16".
        path: of the file.
        trunk: shape of the trunk in the file.
        feature: what its authors use as the feature.
        compared: the side of the batch-norm neck on which they compare it.
        mean: per channel, of the pictures that it was trained with.
        std: per channel.
        state: the trunk's tensors, under our trunk's names.
        neck: its batch-norm neck, under :class:`~reknow.models.neck.BatchNormNeck`'s names; empty where it has none
            of the feature's size.
        ignored: names of the tensors that nothing here has a place for: classifiers, projection heads, branches.
        size: of its pictures, where the file or its user tells; None for a convolutional network otherwise.
        cameras: names of the rows of its camera table, where its user told them.
        notes: how the file was understood, a sentence for each thing that it does not tell.
    """

    origin: str
    path: Path
    trunk: TrunkConfig
    feature: Feature
    compared: Side
    mean: Channels
    std: Channels
    state: Mapping[str, Tensor]
    neck: Mapping[str, Tensor]
    ignored: tuple[str, ...]
    size: Size | None
    cameras: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def parts(self) -> Mapping[str, Mapping[str, Tensor]]:
        """What it has beside the trunk, by the name that :meth:`Network.fillable` gives to a module for it."""
        return {neck_of(self.feature): self.neck} if self.neck else {}


def partitioned(
    content: Content,
    origin: str,
    trunk: TrunkConfig,
    *,
    state: Mapping[str, Tensor] | None = None,
    feature: Feature = "cls",
    normalization: Normalization = HALVES,
    neck: str = "",
    compared: Side = "behind",
    ignored: tuple[str, ...] = (),
    notes: tuple[str, ...] = (),
) -> PretrainedWeights:
    """Sort a file's tensors into trunk, neck and rest.

    Args:
        content: the file.
        origin: whose network it is.
        trunk: the shape that its tensors told.
        state: every tensor under our trunk's names, where the origin's differ; None for the content's own.
        feature: what its authors use as the feature.
        normalization: of the pictures that it was trained with.
        neck: prefix of the neck's tensors; empty for none.
        compared: the side of the neck on which the authors compare the feature.
        ignored: names that the adapter itself dropped.
        notes: how the adapter read what the file does not tell.

    Raises:
        WeightsError: a tensor of the trunk is missing, of another size, more than such a trunk has, or not of finite
            numbers; or the user told something that such a network does not have.
    """
    state = content.state if state is None else state
    told = content.told
    with torch.device("meta"):  # names and sizes, no memory
        embedder = EmbedderConfig(trunk=trunk, feature=feature).build()
    wanted = embedder.trunk.state_dict()
    parts = {name.partition(".")[0] for name in wanted}
    of_trunk = {name: tensor for name, tensor in state.items() if name.partition(".")[0] in parts}
    _check(content, origin, of_trunk, wanted)
    neck_wanted = embedder.neck.state_dict() if neck else {}
    of_neck = {name: state[neck + name] for name in neck_wanted if neck + name in state}
    if any(tensor.shape != neck_wanted[name].shape for name, tensor in of_neck.items()):
        of_neck = {}  # a neck for another feature, such as PASS's mean of CLS and parts
    used = of_trunk.keys() | {neck + name for name in of_neck}
    if told.neck == "behind" and not of_neck:
        raise WeightsError(
            f"{content.path}, option 'neck'",
            found="no batch-norm neck of the feature's size in the file",
            remedy="Leave the option out.",
        )
    if told.normalization:
        normalization = NORMALIZATIONS[told.normalization]
    transformer = isinstance(trunk, TransformerConfig)
    return PretrainedWeights(
        origin=origin,
        path=content.path,
        trunk=trunk,
        feature=feature,
        compared=(told.neck or compared) if of_neck else "before",
        mean=normalization.mean,
        std=normalization.std,
        state=single(content.path, of_trunk),
        neck=single(content.path, of_neck),
        ignored=ignored + tuple(name for name in state if name not in used),
        size=trunk.image_size if transformer else told.size,
        cameras=_cameras(content, trunk),
        notes=(*content.notes, *notes),
    )


def refuse_options(content: Content, *known: str) -> None:
    """Refuse what a user tells of a network that has no such thing.

    Args:
        content: the file.
        known: the options that its kind of network has.

    Raises:
        WeightsError: another one was given.
    """
    if beyond := [option for option in content.told.given() if option not in known]:
        raise WeightsError(
            f"{content.path}, option '{beyond[0]}'",
            found="not one of this network's",
            expected=", ".join(known),
            remedy="Leave it out.",
        )


def of_rank(content: Content, state: Mapping[str, Tensor], name: str, rank: int) -> Tensor:
    """A tensor that tells the network's shape, of so many dimensions.

    Raises:
        WeightsError: it has another number of them.
    """
    tensor = state[name]
    if tensor.ndim != rank:
        raise WeightsError(
            f"{content.path}, tensor '{name}'",
            found=f"size {tuple(tensor.shape)}",
            expected=f"{rank} dimensions",
            remedy="Choose a whole checkpoint.",
        )
    return tensor


def _cameras(content: Content, trunk: TrunkConfig) -> tuple[str, ...]:
    """The names of the camera table's rows, as the user told them."""
    names = content.told.cameras
    rows = trunk.cameras if isinstance(trunk, TransformerConfig) else 0
    if names and len(names) != rows:
        views = rows // len(names) if rows and rows % len(names) == 0 else 0
        raise WeightsError(
            f"{content.path}, option 'cameras'",
            found=f"{len(names)} names",
            expected=f"{rows}, one for each row of its camera table" if rows else "none, since it has no camera table",
            remedy=f"Its rows may be of {len(names)} cameras times {views} viewpoints (TransReID's SIE), which the "
            "names of cameras do not find; leave the option out, and every picture gets the mean of the table."
            if views > 1
            else "Name every row, in the order of the training data, or leave the option out.",
        )
    return names


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
