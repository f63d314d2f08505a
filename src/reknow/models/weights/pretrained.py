"""A file of weights of a known origin, and the last step of every adapter: the partition and the check of its tensors.

A training that diverged, or a damaged file, leaves NaN, and a network filled with it embeds every picture as NaN. So
the tensors that a network takes must be finite numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from reknow.errors import WeightsError
from reknow.models.embedder import EmbedderConfig, FeatureKind, TrunkConfig, neck_of
from reknow.models.transformer import TransformerConfig
from reknow.models.weights.file import Content
from reknow.models.weights.source import Side, Size

Channels = tuple[float, float, float]

ModuleTensors = Mapping[str, Mapping[str, Tensor]]
"""By the name of a network's fillable module, its tensors."""


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
"""Endings of tensors that a file may lack: ImageNet's networks pool by the mean, and old torch did not count
batches."""


@dataclass(frozen=True)
class PretrainedWeights:
    """A file of weights of a known origin.

    Attributes:
        origin: whose network it is, such as "PASS ViT-S/16".
        path: of the file.
        trunk: shape of the trunk in the file.
        feature: the tokens that its authors use as the feature.
        compared: the side of the batch-norm neck on which they compare it.
        mean: per channel, of the pictures that it was trained with.
        std: per channel.
        state: the trunk's tensors, under our trunk's names.
        neck: its batch-norm neck, under :class:`~reknow.models.embedder.BatchNormNeck`'s names; empty if it has none of
            the feature's size.
        beside: tensors of other modules beside the trunk, by the name that a network gives to a fillable module.
        ignored: names of the tensors without a place in our networks: classifiers, projection heads, branches.
        size: of its pictures, if the file or its user states it; else None, for a convolutional network.
        cameras: names of the rows of its camera table, if its user stated them.
        notes: how the file was read, a sentence for each value that it does not state.
    """

    origin: str
    path: Path
    trunk: TrunkConfig
    feature: FeatureKind
    compared: Side
    mean: Channels
    std: Channels
    state: Mapping[str, Tensor]
    neck: Mapping[str, Tensor]
    beside: ModuleTensors
    ignored: tuple[str, ...]
    size: Size | None
    cameras: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def parts(self) -> ModuleTensors:
        """The tensors beside the trunk, by the name that :meth:`Network.fillable` gives to their module."""
        return {**self.beside, **({neck_of(self.feature): self.neck} if self.neck else {})}


def partitioned(
    content: Content,
    origin: str,
    trunk: TrunkConfig,
    *,
    state: Mapping[str, Tensor] | None = None,
    feature: FeatureKind = "cls",
    normalization: Normalization = HALVES,
    neck: str = "",
    compared: Side = "behind",
    beside: ModuleTensors | None = None,
    ignored: tuple[str, ...] = (),
    notes: tuple[str, ...] = (),
) -> PretrainedWeights:
    """Partition a file's tensors into trunk, neck and rest.

    Args:
        content: the file.
        origin: whose network it is.
        trunk: the shape that its tensors determine.
        state: every tensor under our trunk's names, if the origin's names differ; None for the content's own.
        feature: the tokens that its authors use as the feature.
        normalization: of the pictures that it was trained with.
        neck: prefix of the neck's tensors; empty for none.
        compared: the side of the neck on which the authors compare the feature.
        beside: tensors of other modules, by the name of the module; they are not in `state`.
        ignored: names of tensors that the adapter dropped.
        notes: how the adapter found the values that the file does not state.

    Raises:
        WeightsError: a tensor of the trunk is missing, of another size, more than such a trunk has, or not of finite
            numbers; or an option that such a network does not have.
    """
    state = content.state if state is None else state
    options = content.options
    with torch.device("meta"):  # names and sizes, no memory
        embedder = EmbedderConfig(trunk=trunk, feature=feature).build()
    expected = embedder.trunk.state_dict()
    modules = {name.partition(".")[0] for name in expected}
    of_trunk = {name: tensor for name, tensor in state.items() if name.partition(".")[0] in modules}
    _check(content, origin, of_trunk, expected)
    neck_expected = embedder.neck.state_dict() if neck else {}
    of_neck = {name: state[neck + name] for name in neck_expected if neck + name in state}
    if any(tensor.shape != neck_expected[name].shape for name, tensor in of_neck.items()):
        of_neck = {}  # a neck for another feature, such as PASS's mean of CLS and parts
    used = of_trunk.keys() | {neck + name for name in of_neck}
    if options.neck == "behind" and not of_neck:
        raise WeightsError(
            f"{content.path}, option 'neck'",
            found="no batch-norm neck of the feature's size in the file",
            remedy="Leave the option out.",
        )
    if options.normalization:
        normalization = NORMALIZATIONS[options.normalization]
    transformer = isinstance(trunk, TransformerConfig)
    return PretrainedWeights(
        origin=origin,
        path=content.path,
        trunk=trunk,
        feature=feature,
        compared=(options.neck or compared) if of_neck else "before",
        mean=normalization.mean,
        std=normalization.std,
        state=in_single_precision(content.path, of_trunk),
        neck=in_single_precision(content.path, of_neck),
        beside={name: in_single_precision(content.path, own) for name, own in (beside or {}).items()},
        ignored=ignored + tuple(name for name in state if name not in used),
        size=trunk.image_size if transformer else options.size,
        cameras=_cameras(content, trunk),
        notes=(*content.notes, *notes),
    )


def refuse_options(content: Content, *known: str) -> None:
    """Refuse options that a kind of network does not have.

    Args:
        content: the file.
        known: the options that its kind of network has.

    Raises:
        WeightsError: another option is stated.
    """
    if beyond := [option for option in content.options.stated() if option not in known]:
        raise WeightsError(
            f"{content.path}, option '{beyond[0]}'",
            found="not one of this network's",
            expected=", ".join(known),
            remedy="Leave it out.",
        )


def of_rank(content: Content, state: Mapping[str, Tensor], name: str, rank: int) -> Tensor:
    """A tensor from which the network's shape is read; it must have so many dimensions.

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
    """The names of the camera table's rows, as the user stated them."""
    names = content.options.cameras
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


def _check(content: Content, origin: str, state: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    remedy = "This variant is not supported: choose weights of the plain network."
    if beyond := [name for name in state if name not in expected]:
        raise WeightsError(
            content.path,
            found=f"it resembles {origin}, but has {len(beyond)} tensors more, such as '{beyond[0]}'",
            remedy=remedy,
        )
    missing = [name for name in expected if name not in state and not name.endswith(OPTIONAL)]
    if missing:
        raise WeightsError(
            content.path,
            found=f"it resembles {origin}, but {len(missing)} tensors are missing, such as '{missing[0]}'",
            remedy=remedy,
        )
    for name, tensor in state.items():
        if tensor.shape != expected[name].shape:
            raise WeightsError(
                f"{content.path}, tensor '{name}'",
                found=f"size {tuple(tensor.shape)}",
                expected=f"{tuple(expected[name].shape)}, since the file resembles {origin}",
                remedy=remedy,
            )


_OTHER = "Choose another checkpoint."


def in_single_precision(path: Path, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors in single precision; counters stay whole numbers.

    Args:
        path: of the file, for messages.
        state: the tensors that a network takes, by name.

    Raises:
        WeightsError: complex or whole numbers, or numbers of 8 bits, where weights should be; values that are not
            finite; a variance below 0. The message has the tensor's name.
    """
    return {name: _single(f"{path}, tensor '{name}'", name, tensor) for name, tensor in state.items()}


def _single(where: str, name: str, tensor: Tensor) -> Tensor:
    if name.endswith("num_batches_tracked"):
        return tensor
    if not tensor.is_floating_point() or tensor.element_size() == 1:
        raise WeightsError(
            where,
            found=f"{str(tensor.dtype).removeprefix('torch.')} numbers",
            expected="floating-point numbers of 16, 32 or 64 bits",
            remedy="Choose weights that are neither quantized nor complex.",
        )
    tensor = tensor.float()
    # A sum is finite only if all terms are: 37 ms for 340 MB, without a copy. It may overflow; then counting decides.
    if not torch.isfinite(tensor.sum()) and (wrong := int((~torch.isfinite(tensor)).sum())):
        raise WeightsError(
            where,
            found=f"{wrong} of {tensor.numel()} values are not finite (NaN or infinite)",
            expected="numbers",
            remedy=f"The training that wrote it diverged, or the file is damaged. {_OTHER}",
        )
    if name.endswith("running_var") and bool((tensor < 0).any()):
        raise WeightsError(where, found="a variance below 0", expected="0 or more", remedy=_OTHER)
    return tensor
