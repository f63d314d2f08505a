"""Weights into a trunk, and the report of what became of each tensor.

What a trunk may have beyond the file, since no published file has it for every method: extra tokens, registers, a
camera table, a pooling exponent, and whatever a recipe put in: another attention, modules in blocks or behind stages.
These stay as they were, registers at zero as TCMM begins [C]. All that the plain trunk of its shape has must be in the
file, in the trunk's size. Stems of several spectra all get the file's one.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from reknow.errors import WeightsError
from reknow.models.embedder import Trunk, TrunkConfig
from reknow.models.osnet import OSNet, OSNetConfig
from reknow.models.resnet import ResNet50, ResNetConfig
from reknow.models.stems import PerSpectrum
from reknow.models.transformer import TransformerConfig, VisionTransformer, resized_positions
from reknow.models.weights.grids import Grid
from reknow.models.weights.loaded import Loaded
from reknow.models.weights.origins import read_weights
from reknow.models.weights.pretrained import OPTIONAL, PretrainedWeights
from reknow.models.weights.source import Source, Told

BUILT = {TransformerConfig: VisionTransformer, ResNetConfig: ResNet50, OSNetConfig: OSNet}

SPECIAL = ("extra_tokens", "register_tokens")
"""Learned tokens between CLS and patches, in the order of the position table."""


COUNTER = "num_batches_tracked"


def load_trunk(trunk: Trunk, source: Source | Path | str) -> Loaded:
    """Fill a trunk from a file: :func:`read_weights`, then :func:`fill`; the trunk says what the file does not.

    Raises:
        WeightsError: see both.
    """
    return fill(trunk, read_weights(source, said_by(getattr(trunk, "config", None))))


def said_by(trunk: TrunkConfig | None) -> Told:
    """What a trunk's shape says of a file that is to fill it."""
    if not isinstance(trunk, TransformerConfig):
        return Told()
    return Told(size=trunk.image_size, stride=trunk.stride, heads=trunk.heads, activation=trunk.activation)


def fill(trunk: Trunk, pretrained: PretrainedWeights) -> Loaded:
    """Fill a trunk with weights of its own kind and size.

    The position table is resized to the trunk's grid. A camera table of another number of cameras is ignored.

    Raises:
        WeightsError: weights of another kind of network or of another size; the trunk is as it was.
    """
    if not isinstance(trunk, BUILT[type(pretrained.trunk)]):
        raise WeightsError(
            pretrained.path,
            found=pretrained.origin,
            expected=f"weights of a {type(trunk).__name__}",
            remedy="Name weights of this network, or choose the network that the weights are of.",
        )
    if isinstance(pretrained.trunk, TransformerConfig):
        _check_untold(trunk, pretrained)
    wanted = trunk.state_dict()
    fitted = Fitted(dict(pretrained.state), [], [], [])
    if isinstance(trunk, VisionTransformer) and pretrained.state["pos_embed"].shape[2] == trunk.dim:
        _fit_positions(trunk, pretrained, fitted)
        _fit_cameras(trunk, fitted)
    notes = _fit_stems(trunk, fitted)
    _check(pretrained, fitted, wanted, _published(trunk, wanted))
    trunk.load_state_dict(fitted.state, strict=False)
    # Learned tokens were counted row by row; a counter of batches is no weight.
    left = [name for name in wanted if name not in fitted.state and not name.endswith((*SPECIAL, COUNTER))]
    return Loaded(
        origin=pretrained.origin,
        path=pretrained.path,
        total=len(wanted),
        loaded=tuple(name for name in wanted if name in fitted.state),
        resized=tuple(fitted.resized),
        ignored=(*pretrained.ignored, *fitted.ignored),
        left=(*fitted.left, *left),
        notes=(*pretrained.notes, *notes),
    )


@dataclass(frozen=True)
class Fitted:
    """The file's tensors on their way to the trunk's sizes; the lists become :class:`Loaded`'s."""

    state: dict[str, Tensor]
    resized: list[str]
    ignored: list[str]
    left: list[str]


def _check_untold(trunk: Trunk, pretrained: PretrainedWeights) -> None:
    """Heads and activation are in no tensor, so that other ones would compute something else without a word."""
    theirs, ours = pretrained.trunk, trunk.config
    assert isinstance(theirs, TransformerConfig) and isinstance(ours, TransformerConfig)
    for name in ("heads", "activation"):
        if theirs.width == ours.width and getattr(theirs, name) != getattr(ours, name):
            raise WeightsError(
                f"{pretrained.path}, {name}",
                found=f"{getattr(theirs, name)} of {pretrained.origin}",
                expected=f"{getattr(ours, name)}, the trunk's",
                remedy=f"Set the recipe's network.trunk.{name} to the weights' own, or say otherwise with ?{name}=.",
            )


def _published(trunk: Trunk, wanted: dict[str, Tensor]) -> Collection[str]:
    """Names that the trunk would have if no recipe had put anything in, with its own stems."""
    if trunk.config == trunk.config.plain():
        return wanted
    with torch.device("meta"):  # names alone, no memory
        plain = trunk.config.plain().build().state_dict()
    stems = _stems_of(trunk)
    return {target for name in plain for target in _in_every_stem(name, stems)}


def _check(
    pretrained: PretrainedWeights, fitted: Fitted, wanted: dict[str, Tensor], published: Collection[str]
) -> None:
    """Refuse what does not fit; drop what a published network has and this trunk, changed by a recipe, has not."""
    remedy = "Choose weights of this size, or give the recipe's network the size of the weights."
    for name, tensor in fitted.state.items():
        if name in wanted and tensor.shape != wanted[name].shape:
            raise WeightsError(
                f"{pretrained.path}, tensor '{name}'",
                found=f"size {tuple(tensor.shape)} of {pretrained.origin}",
                expected=f"{tuple(wanted[name].shape)}, the trunk's",
                remedy=remedy,
            )
    tolerated = (*OPTIONAL, *SPECIAL, "sie_embed")
    needed = [name for name in wanted if name in published and not name.endswith(tolerated)]
    missing = [name for name in needed if name not in fitted.state]
    without_place = [name for name in fitted.state if name not in wanted]
    beyond = [name for name in without_place if name not in published]
    if missing or beyond:
        raise WeightsError(
            pretrained.path,
            found=f"{pretrained.origin} lacks {len(missing)} of the trunk's tensors and has {len(beyond)} more, "
            f"such as '{(missing or beyond)[0]}'",
            expected=f"the trunk's {len(wanted)}",
            remedy=remedy,
        )
    for name in without_place:
        del fitted.state[name]
    fitted.ignored.extend(without_place)


def _stems_of(trunk: Trunk) -> dict[str, list[str]]:
    """Names of the modules that the trunk has once per spectrum, and the spectra."""
    return {place: list(module) for place, module in trunk.named_modules() if isinstance(module, PerSpectrum)}


def _in_every_stem(name: str, stems: dict[str, list[str]]) -> list[str]:
    """Where a tensor of a trunk with one stem belongs in one with several."""
    place, _, rest = name.partition(".")
    spectra = stems.get(place, [])
    inside = rest.partition(".")[0] in spectra  # the weights are of such a trunk themselves
    return [name] if inside or not spectra else [f"{place}.{spectrum}.{rest}" for spectrum in spectra]


def _fit_stems(trunk: Trunk, fitted: Fitted) -> list[str]:
    """Give every stem the file's, and say so."""
    stems = _stems_of(trunk)
    spread = {target: tensor for name, tensor in fitted.state.items() for target in _in_every_stem(name, stems)}
    again = len(spread) > len(fitted.state)
    fitted.state.clear()
    fitted.state.update(spread)
    return [f"the stems of {', '.join(trunk.config.stems)} begin alike, with the file's"] if again else []


def _fit_positions(trunk: VisionTransformer, pretrained: PretrainedWeights, fitted: Fitted) -> None:
    """Give learned tokens and position table the trunk's rows: CLS, extra tokens, registers, patches."""
    theirs, table = pretrained.state["pos_embed"], trunk.pos_embed.detach().clone()
    table[:, :1] = theirs[:, :1]
    row, their_row = 1, 1
    for name in SPECIAL:
        given, own = fitted.state.pop(name, theirs[:, :0]), trunk.state_dict().get(name, table[:, :0])
        count, their_count = own.shape[1], given.shape[1]
        shared = min(count, their_count)
        if shared:
            fitted.state[name] = torch.cat([given[:, :shared], own[:, shared:]], dim=1)
            table[:, row : row + shared] = theirs[:, their_row : their_row + shared]
        if count > shared:
            fitted.left.extend([_part(name, shared, count), f"pos_embed[{row + shared}:{row + count}]"])
        if their_count > shared:
            fitted.ignored.append(_part(name, shared, their_count))
        row, their_row = row + count, their_row + their_count
    table[:, row:] = _patch_positions(trunk, pretrained, theirs[:, their_row:], fitted)
    fitted.state["pos_embed"] = table


def _part(name: str, start: int, end: int) -> str:
    return f"{name}[{start}:{end}]" if start else name


def _patch_positions(
    trunk: VisionTransformer, pretrained: PretrainedWeights, table: Float[Tensor, "1 patches width"], fitted: Fitted
) -> Float[Tensor, "1 resized width"]:
    rows, columns = trunk.grid
    if table.shape[1] == rows * columns:
        return table  # as many patches: the file's grid is a guess, the trunk's is known
    assert isinstance(pretrained.trunk, TransformerConfig)
    theirs = pretrained.trunk
    old = Grid(theirs.image_size, theirs.stride, theirs.patch_size).lay
    fitted.resized.append(f"pos_embed from {old[0]} x {old[1]} to {rows} x {columns} patches")
    return resized_positions(table, 0, old, trunk.grid)


def _fit_cameras(trunk: VisionTransformer, fitted: Fitted) -> None:
    """Drop a camera table that is not for the trunk's cameras: a row belongs to one camera."""
    given = fitted.state.get("sie_embed")
    if given is not None and (trunk.sie_embed is None or trunk.sie_embed.shape != given.shape):
        fitted.ignored.append("sie_embed")
        del fitted.state["sie_embed"]
