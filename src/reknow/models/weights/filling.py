"""Weights into a trunk or a whole network, and the report of each tensor.

A trunk may have more than a file, since no published file has everything for every method: extra tokens, registers, a
camera table, a pooling exponent, and what a recipe inserts: another attention, modules in blocks or behind stages.
These tensors stay as they were built; registers are then zero, as in TCMM's code. All tensors of the plain trunk of its
shape must be in the file, in the trunk's size. If a trunk has stems of several spectra, the file's stem fills all of
them.

A network states which other modules can be filled (:meth:`~reknow.models.network.Network.fillable`), so that this code
needs to know no kind of network. Modules without weights stay as they were built, and the report names them.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reknow.errors import WeightsError
from reknow.models.embedder import Trunk, TrunkConfig
from reknow.models.inverted_residuals import FBNetV2Config, InvertedResiduals, MobileNetV2Config
from reknow.models.network import Network
from reknow.models.osnet import OSNet, OSNetConfig
from reknow.models.resnet import ResNet50, ResNetConfig
from reknow.models.stems import PerSpectrum
from reknow.models.transformer import TransformerConfig, VisionTransformer, resized_positions
from reknow.models.weights.grids import Grid
from reknow.models.weights.pretrained import OPTIONAL, ModuleTensors, PretrainedWeights
from reknow.models.weights.source import FileOptions

BUILT = {
    TransformerConfig: VisionTransformer,
    ResNetConfig: ResNet50,
    OSNetConfig: OSNet,
    MobileNetV2Config: InvertedResiduals,
    FBNetV2Config: InvertedResiduals,
}

SPECIAL = ("extra_tokens", "register_tokens")
"""Learned tokens between CLS and patches, in the order of the position table."""
COUNTER = "num_batches_tracked"


@dataclass(frozen=True)
class FillReport:
    """What a file of weights filled in a trunk, and in the network around it.

    Attributes:
        origin: whose network the file holds.
        path: of the file.
        total: number of the trunk's tensors.
        loaded: names of the trunk's tensors that were filled, whole or in part.
        resized: names of those that were resized, with both sizes.
        ignored: names of the file's tensors without a place in the trunk.
        left: names of the trunk's tensors that the file lacks; they stay as they were. ``pos_embed[4:5]`` are rows.
        notes: how the file was read, a sentence for each value that it does not state.
        parts: other modules of the network that were filled, such as its neck.
        fresh: names of the network's tensors beside the trunk that stay as they were.
    """

    origin: str
    path: Path
    total: int
    loaded: tuple[str, ...]
    resized: tuple[str, ...]
    ignored: tuple[str, ...]
    left: tuple[str, ...]
    notes: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    fresh: tuple[str, ...] = ()

    def sentences(self) -> list[str]:
        """The report, a line each; modules with many tensors are named once, blocks of one kind together.

        Example:
            >>> heads, left = ("head.weight", "head.bias"), ("sie_embed", "blocks.0.attn.mask", "blocks.1.attn.mask")
            >>> loaded = FillReport("PASS ViT-S/16", Path("w/pass.pth"), 154, ("norm.bias",), (), heads, left)
            >>> print("\\n".join(loaded.sentences()))
            weights: PASS ViT-S/16 from pass.pth, 1 of the trunk's 154 tensors
            ignored: head (2 tensors)
            left as they were: sie_embed, blocks.*.attn (2 tensors)
        """
        lines = [
            f"weights: {self.origin} from {self.path.name}, {len(self.loaded)} of the trunk's {self.total} tensors"
        ]
        lines.extend(self.notes)
        if self.resized:
            lines.append(f"resized: {', '.join(self.resized)}")
        if self.ignored:
            lines.append(f"ignored: {', '.join(_by_part(self.ignored))}")
        if self.left or self.fresh:
            lines.append(f"left as they were: {', '.join([*_by_module(self.left), *_by_part(self.fresh)])}")
        lines.extend(f"the {part} came with them" for part in self.parts)
        return lines


def options_of(trunk: TrunkConfig | None) -> FileOptions:
    """What a trunk's shape states about a file that is to fill it."""
    if not isinstance(trunk, TransformerConfig):
        return FileOptions()
    return FileOptions(size=trunk.image_size, stride=trunk.stride, heads=trunk.heads, activation=trunk.activation)


def fill(trunk: Trunk, pretrained: PretrainedWeights) -> FillReport:
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
        _check_heads_and_activation(trunk, pretrained)
    expected = trunk.state_dict()
    fitted = Fitted(dict(pretrained.state), [], [], [])
    if isinstance(trunk, VisionTransformer) and pretrained.state["pos_embed"].shape[2] == trunk.dim:
        _fit_positions(trunk, pretrained, fitted)
        _fit_cameras(trunk, fitted)
    notes = _fit_stems(trunk, fitted)
    _check(pretrained, fitted, expected, _published(trunk, expected))
    trunk.load_state_dict(fitted.state, strict=False)
    # `fitted.left` names the rows of learned tokens; a counter of batches is no weight.
    left = [name for name in expected if name not in fitted.state and not name.endswith((*SPECIAL, COUNTER))]
    return FillReport(
        origin=pretrained.origin,
        path=pretrained.path,
        total=len(expected),
        loaded=tuple(name for name in expected if name in fitted.state),
        resized=tuple(fitted.resized),
        ignored=(*pretrained.ignored, *fitted.ignored),
        left=(*fitted.left, *left),
        notes=(*pretrained.notes, *notes),
    )


def fill_network(network: Network, pretrained: PretrainedWeights, parts: ModuleTensors | None = None) -> FillReport:
    """Fill a network's trunk from a file, and its other fillable modules from the file's other tensors.

    A part that fits no module, or whose module is of another size, is ignored, unless the network needs it.

    Args:
        network: as it was built.
        pretrained: the file.
        parts: tensors of modules beside the trunk; by default the file's own.

    Raises:
        WeightsError: weights of another kind of network or of another size, or without a part that the network needs;
            the network is as it was.
    """
    parts = pretrained.parts if parts is None else parts
    for name in network.needed:
        _check_needed(pretrained, name, parts.get(name, {}), network.fillable()[name])
    report = fill(network.trunk, pretrained)
    filled: dict[nn.Module, Collection[str]] = {network.trunk: network.trunk.state_dict()}  # `report` is the trunk's
    names = []
    for name, module in network.fillable().items():
        state = {key: tensor for key, tensor in parts.get(name, {}).items() if not key.endswith(COUNTER)}
        if state and _fits(state, module.state_dict()):
            module.load_state_dict(state, strict=False)
            filled[module] = state
            names.append(name)
    copies = network.after_filling(("trunk", *names))
    filled |= {module: module.state_dict() for module in copies.values()}
    return replace(
        report,
        parts=tuple(names),
        notes=(*report.notes, *copies),
        ignored=(*report.ignored, *(name for name in parts if name not in names)),
        fresh=_unfilled(network, filled),
    )


@dataclass(frozen=True)
class Fitted:
    """The file's tensors while they are brought to the trunk's sizes; the lists become those of :class:`FillReport`."""

    state: dict[str, Tensor]
    resized: list[str]
    ignored: list[str]
    left: list[str]


def _check_heads_and_activation(trunk: Trunk, pretrained: PretrainedWeights) -> None:
    """Refuse another number of heads or another activation: no tensor shows them, and the output would differ
    silently."""
    of_file, of_trunk = pretrained.trunk, trunk.config
    assert isinstance(of_file, TransformerConfig) and isinstance(of_trunk, TransformerConfig)
    for name in ("heads", "activation"):
        if of_file.width == of_trunk.width and getattr(of_file, name) != getattr(of_trunk, name):
            raise WeightsError(
                f"{pretrained.path}, {name}",
                found=f"{getattr(of_file, name)} of {pretrained.origin}",
                expected=f"{getattr(of_trunk, name)}, the trunk's",
                remedy=f"Set the recipe's network.trunk.{name} to the weights' own, or say otherwise with ?{name}=.",
            )


def _published(trunk: Trunk, own: dict[str, Tensor]) -> Collection[str]:
    """Names of the trunk's tensors without modules that a recipe inserted, with its own stems."""
    if trunk.config == trunk.config.plain():
        return own
    with torch.device("meta"):  # names only, no memory
        plain = trunk.config.plain().build().state_dict()
    stems = _stems_of(trunk)
    return {target for name in plain for target in _in_every_stem(name, stems)}


def _check(
    pretrained: PretrainedWeights, fitted: Fitted, expected: dict[str, Tensor], published: Collection[str]
) -> None:
    """Refuse tensors that do not fit; drop those of a published network that a recipe's trunk replaces."""
    remedy = "Choose weights of this size, or give the recipe's network the size of the weights."
    for name, tensor in fitted.state.items():
        if name in expected and tensor.shape != expected[name].shape:
            raise WeightsError(
                f"{pretrained.path}, tensor '{name}'",
                found=f"size {tuple(tensor.shape)} of {pretrained.origin}",
                expected=f"{tuple(expected[name].shape)}, the trunk's",
                remedy=remedy,
            )
    tolerated = (*OPTIONAL, *SPECIAL, "sie_embed")
    needed = [name for name in expected if name in published and not name.endswith(tolerated)]
    missing = [name for name in needed if name not in fitted.state]
    without_place = [name for name in fitted.state if name not in expected]
    beyond = [name for name in without_place if name not in published]
    if missing or beyond:
        raise WeightsError(
            pretrained.path,
            found=f"{pretrained.origin} lacks {len(missing)} of the trunk's tensors and has {len(beyond)} more, "
            f"such as '{(missing or beyond)[0]}'",
            expected=f"the trunk's {len(expected)}",
            remedy=remedy,
        )
    for name in without_place:
        del fitted.state[name]
    fitted.ignored.extend(without_place)


def _stems_of(trunk: Trunk) -> dict[str, list[str]]:
    """Names of the modules that the trunk has once per spectrum, each with its spectra."""
    return {place: list(module) for place, module in trunk.named_modules() if isinstance(module, PerSpectrum)}


def _in_every_stem(name: str, stems: dict[str, list[str]]) -> list[str]:
    """The names, in a trunk with several stems, of a tensor of a trunk with one stem."""
    place, _, rest = name.partition(".")
    spectra = stems.get(place, [])
    inside = rest.partition(".")[0] in spectra  # the weights are of a trunk with several stems
    return [name] if inside or not spectra else [f"{place}.{spectrum}.{rest}" for spectrum in spectra]


def _fit_stems(trunk: Trunk, fitted: Fitted) -> list[str]:
    """Fill every stem with the file's stem; returns the sentence that says so."""
    stems = _stems_of(trunk)
    spread = {target: tensor for name, tensor in fitted.state.items() for target in _in_every_stem(name, stems)}
    several = len(spread) > len(fitted.state)
    fitted.state.clear()
    fitted.state.update(spread)
    return [f"the stems of {', '.join(trunk.config.stems)} begin alike, with the file's"] if several else []


def _fit_positions(trunk: VisionTransformer, pretrained: PretrainedWeights, fitted: Fitted) -> None:
    """Bring learned tokens and position table to the trunk's rows: CLS, extra tokens, registers, patches."""
    file_table, table = pretrained.state["pos_embed"], trunk.pos_embed.detach().clone()
    table[:, :1] = file_table[:, :1]
    row, file_row = 1, 1
    for name in SPECIAL:
        file_tokens, own = fitted.state.pop(name, file_table[:, :0]), trunk.state_dict().get(name, table[:, :0])
        count, file_count = own.shape[1], file_tokens.shape[1]
        shared = min(count, file_count)
        if shared:
            fitted.state[name] = torch.cat([file_tokens[:, :shared], own[:, shared:]], dim=1)
            table[:, row : row + shared] = file_table[:, file_row : file_row + shared]
        if count > shared:
            fitted.left.extend([_part(name, shared, count), f"pos_embed[{row + shared}:{row + count}]"])
        if file_count > shared:
            fitted.ignored.append(_part(name, shared, file_count))
        row, file_row = row + count, file_row + file_count
    table[:, row:] = _patch_positions(trunk, pretrained, file_table[:, file_row:], fitted)
    fitted.state["pos_embed"] = table


def _part(name: str, start: int, end: int) -> str:
    return f"{name}[{start}:{end}]" if start else name


def _patch_positions(
    trunk: VisionTransformer, pretrained: PretrainedWeights, table: Float[Tensor, "1 patches width"], fitted: Fitted
) -> Float[Tensor, "1 resized width"]:
    rows, columns = trunk.grid
    if table.shape[1] == rows * columns:
        return table  # as many patches: the trunk's grid is certain, the file's is an assumption
    assert isinstance(pretrained.trunk, TransformerConfig)
    of_file = pretrained.trunk
    old = Grid(of_file.image_size, of_file.stride, of_file.patch_size).shape
    fitted.resized.append(f"pos_embed from {old[0]} x {old[1]} to {rows} x {columns} patches")
    return resized_positions(table, 0, old, trunk.grid)


def _fit_cameras(trunk: VisionTransformer, fitted: Fitted) -> None:
    """Drop a camera table of another size than the trunk's: each row belongs to one camera."""
    cameras = fitted.state.get("sie_embed")
    if cameras is not None and (trunk.sie_embed is None or trunk.sie_embed.shape != cameras.shape):
        fitted.ignored.append("sie_embed")
        del fitted.state["sie_embed"]


def _fits(state: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> bool:
    return all(name in own and own[name].shape == tensor.shape for name, tensor in state.items())


def _check_needed(pretrained: PretrainedWeights, name: str, state: Mapping[str, Tensor], module: nn.Module) -> None:
    """Refuse a file without a part that the network needs, or with one of another size."""
    own = {key: str(tuple(tensor.shape)) for key, tensor in module.state_dict().items()}
    sizes = {key: str(tuple(tensor.shape)) for key, tensor in state.items()}
    never_trained = [key for key, parameter in module.named_parameters() if not parameter.requires_grad]
    for key in (*sizes, *never_trained):
        if sizes.get(key) != own.get(key):
            raise WeightsError(
                f"{pretrained.path}, {name}, tensor '{key}'",
                found=f"size {sizes[key]}" if key in sizes else f"none in {pretrained.origin}",
                expected=f"{own[key]}, the network's" if key in own else "none, since the network has fewer layers",
                remedy="Choose weights that hold this part in the network's size, or give the network their size.",
            )


def _unfilled(network: Network, filled: Mapping[nn.Module, Collection[str]]) -> tuple[str, ...]:
    """Names of the network's tensors outside the filled ones."""
    modules = network.named_modules(remove_duplicate=False)
    names = {f"{place}.{name}" for place, module in modules for name in filled.get(module, ())}
    return tuple(name for name in network.state_dict() if name not in names and not name.endswith(COUNTER))


def _by_part(names: Iterable[str]) -> list[str]:
    """The first steps of tensors' names, ``head`` of ``head.weight``, with the number of tensors."""
    parts = Counter(name.partition(".")[0] for name in names)
    return [f"{part} ({count} tensors)" if count > 1 else part for part, count in parts.items()]


def _by_module(names: Iterable[str]) -> list[str]:
    """The modules of the tensors, with a star for numbers; the own name of a tensor that is alone in its module."""
    modules: dict[str, list[str]] = defaultdict(list)
    for name in names:
        modules[re.sub(r"\.\d+(?=\.)", ".*", name).rpartition(".")[0] or name].append(name)
    return [f"{module} ({len(own)} tensors)" if len(own) > 1 else own[0] for module, own in modules.items()]
