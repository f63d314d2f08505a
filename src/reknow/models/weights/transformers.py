"""Adapters of vision transformers: the shape that the tensors determine, and the names that each origin gives them.

Blocks have timm's names in all origins (``blocks.0.attn.qkv.weight``), and in our trunk. Origins differ in the tokens
before the patches, in how the position table is split, and in the batch-norm neck. Names: TransReID and TransReID-SSL
(github damo-cv), PASS (github CASIA-IVA-Lab), TCMM (github andy412510).

A file does not state the grid of its position table (:mod:`grids`) and the number of heads. Decision: the number of
heads is that of the published network with its width and MLP; for any other width the message asks. If authors compare
the feature before the neck (``NECK_FEAT`` in TransReID's and PASS's supervised configurations), so do we.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import prod
from typing import Any, NamedTuple

import torch
from torch import Tensor

from reknow.errors import WeightsError
from reknow.models.attention import Activation
from reknow.models.jigsaw import LOCAL_BRANCH, NECKS
from reknow.models.stems import Convolution
from reknow.models.transformer import IBN_CONVOLUTIONS, TransformerConfig
from reknow.models.weights.file import Content
from reknow.models.weights.grids import Table, read_table
from reknow.models.weights.pretrained import (
    CLIP,
    HALVES,
    IMAGENET,
    PretrainedWeights,
    of_rank,
    partitioned,
    refuse_options,
)

SIZES = {192: "Ti", 384: "S", 768: "B", 1024: "L", 1152: "SO400M", 1280: "H", 1408: "g", 1664: "G"}

HEADS = {
    (192, 768): 3,
    (384, 1536): 6,
    (768, 3072): 12,
    (1024, 4096): 16,
    (1152, 4304): 16,
    (1280, 5120): 16,
    (1408, 6144): 16,
    (1664, 8192): 16,
    (160, 640): 5,
}
"""By width and hidden width of the MLP. Ti to L have 64 numbers per head, SO400M 72, H 80, g 88, G 104; the last entry
is our small network, with 32."""

PARTS = 3
"""Number of PASS's learned tokens beside CLS."""


def own_transformer(content: Content) -> PretrainedWeights | None:
    """This package's transformer, if the file has what others lack: extra tokens, registers, or a whole network."""
    state = content.state
    if "trunk." not in content.prefixes and not state.keys() & {"extra_tokens", "register_tokens"}:
        return None
    shape = shape_of(content, state)
    feature = "cls+extra" if shape.trunk.extra_tokens else "cls"
    normalization = CLIP if shape.trunk.norm_pre else HALVES
    return partitioned_by_shape(content, "reknow", shape, feature=feature, neck="neck.", normalization=normalization)


def tcmm(content: Content) -> PretrainedWeights:
    """TCMM: PASS with one more token, whose output it drops; our trunk calls it a register."""
    return _with_parts(content, "TCMM", registers=("token",))


def passes(content: Content) -> PretrainedWeights:
    """PASS, from its pretraining on LUPerson or from a training that started from it."""
    return _with_parts(content, "PASS", registers=())


def transreid(content: Content) -> PretrainedWeights | None:
    """TransReID's checkpoints, with the camera table where they have one.

    With its jigsaw branches (JPM), the picture's feature leaves the first branch: a copy of the last block and norm,
    which is used in their place. So this copy replaces the trunk's own, which such a network never runs. The second
    branch and the necks are those of :class:`.Jigsaw`.
    """
    if "base." not in content.prefixes:
        return None
    state, beside = dict(content.state), {}
    if "fcneck.weight" in state:
        raise WeightsError(
            content.path,
            found="it resembles TransReID with a reduced feature ('fcneck.weight'), which our network does not have",
            remedy="Choose weights without the reduction.",
        )
    if "b1.1.weight" in state:
        last = _depth(state) - ("norm.weight" in state)
        for name in [name for name in state if name.startswith("b1.")]:
            target = name.replace("b1.0.", f"blocks.{last}.").replace("b1.1.", "norm.")
            state[target] = state.pop(name)
        beside = _jigsaw(state)
    return partitioned_by_shape(
        content, "TransReID", shape_of(content, state), neck="bottleneck.", compared="before", beside=beside
    )


def _jigsaw(state: dict[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Remove the local branch and the local necks from the state, and return the parts of :class:`.Jigsaw`."""
    necks = {f"0.{name.removeprefix('bottleneck.')}": state[name] for name in state if name.startswith("bottleneck.")}
    for name in [name for name in state if re.match(r"bottleneck_\d+\.", name)]:
        necks[name.removeprefix("bottleneck_")] = state.pop(name)
    local = {name.removeprefix("b2."): state.pop(name) for name in list(state) if name.startswith("b2.")}
    return {LOCAL_BRANCH: local, NECKS: necks}


def imagenet(content: Content) -> PretrainedWeights:
    """A ViT that was trained to classify ImageNet: timm's (normalized by halves) and DeiT (by ImageNet's values).

    Both have the same tensors. DeiT's own files hold them in an entry ``model``, or have a distillation token, which is
    dropped with its position, as in TransReID.
    """
    state, dropped = dict(content.state), ()
    distilled = state.pop("dist_token", None) is not None
    if distilled:
        of_rank(content, state, "pos_embed", 3)
        state["pos_embed"] = torch.cat([state["pos_embed"][:, :1], state["pos_embed"][:, 2:]], dim=1)
        dropped = ("dist_token", "pos_embed[1:2]")
    deit = distilled or content.entry == "model"
    normalization = IMAGENET if deit else HALVES
    shape = shape_of(content, state)
    return partitioned_by_shape(
        content, "DeiT" if deit else "ImageNet", shape, normalization=normalization, ignored=dropped
    )


def transreid_ssl(content: Content) -> PretrainedWeights:
    """A ViT without a classifier: TransReID-SSL on LUPerson, with or without its convolution stem.

    A square grid is not for people: such a file was trained on ImageNet without labels (DINO, MAE). This package's
    plain transformer has the same names, so it is read as this origin, too.
    """
    shape = shape_of(content, content.state)
    height, width = shape.trunk.image_size
    if height == width and shape.trunk.stem == "patch":
        return partitioned_by_shape(
            content, "ImageNet", shape, behind=" without a classifier", normalization=IMAGENET, neck="bottleneck."
        )
    return partitioned_by_shape(content, "TransReID-SSL", shape, neck="bottleneck.")


def _with_parts(content: Content, origin: str, registers: tuple[str, ...]) -> PretrainedWeights:
    """PASS or TCMM. After training with labels, the trunk lies in ``base`` and the feature is compared before the
    neck."""
    state = dict(content.state)
    numbers = range(1, PARTS + 1)
    places = ["cls_pos", *(f"part{number}_pos" for number in numbers), *(f"{name}_pos" for name in registers)]
    tokens = [f"part_token{number}" for number in numbers]
    if absent := [name for name in (*places, *tokens, *registers) if name not in state]:
        raise WeightsError(
            content.path,
            found=f"it resembles {origin}, but has no '{absent[0]}'",
            remedy="Choose a whole checkpoint.",
        )
    state["pos_embed"] = torch.cat([_row(content, state, name) for name in places] + [state["pos_embed"]], dim=1)
    state["extra_tokens"] = torch.cat([_row(content, state, name) for name in tokens], dim=1)
    if registers:
        state["register_tokens"] = torch.cat([_row(content, state, name) for name in registers], dim=1)
    shape = shape_of(content, state)
    necks = [len(tensor) for name, tensor in state.items() if re.fullmatch(r"bottleneck\w*\.weight", name)]
    notes = ()
    if necks and necks != [2 * shape.trunk.width]:
        notes = (
            "its authors join CLS and parts otherwise (by their mean, or with a neck for each); "
            "here they stand side by side, before a neck",
        )
    compared = "before" if "base." in content.prefixes else "behind"
    return partitioned_by_shape(
        content, origin, shape, feature="cls+extra", neck="bottleneck.", compared=compared, notes=notes
    )


def _row(content: Content, state: dict[str, Tensor], name: str) -> Tensor:
    """Remove a learned token, or its position, from the state and return it: (1, 1, D)."""
    tensor, width = state.pop(name), of_rank(content, state, "pos_embed", 3).shape[-1]
    if tensor.shape != (1, 1, width):
        raise WeightsError(
            f"{content.path}, tensor '{name}'",
            found=f"size {tuple(tensor.shape)}",
            expected=f"(1, 1, {width}), as the position table has it",
            remedy="Choose a whole checkpoint.",
        )
    return tensor


class Shape(NamedTuple):
    """The shape of a transformer in a file.

    Attributes:
        trunk: its shape.
        state: its tensors under our trunk's names, with a row for CLS in the position table.
        notes: how the values were found that the tensors do not determine.
    """

    trunk: TransformerConfig
    state: Mapping[str, Tensor]
    notes: tuple[str, ...]


def shape_of(content: Content, state: Mapping[str, Tensor]) -> Shape:
    """The trunk's shape, from tensors under our trunk's names with a position table in one piece.

    Raises:
        WeightsError: no position table of rows, or one that neither the file nor its options nor a published network
            explain; or a width that no published network has.
    """
    refuse_options(content, "size", "stride", "heads", "cameras", "neck", "normalization", "activation")
    table = state["pos_embed"]
    hidden, width = of_rank(content, state, "blocks.0.mlp.fc1.weight", 2).shape
    extra_tokens, registers = (_length(state, name, axis=1) for name in ("extra_tokens", "register_tokens"))
    before = 1 + extra_tokens + registers
    if table.ndim != 3 or len(table) != 1 or table.shape[1] <= before:
        raise WeightsError(
            f"{content.path}, tensor 'pos_embed'",
            found=f"size {tuple(table.shape)}",
            expected=f"a row for CLS, {before - 1} for other tokens, and one for each patch",
            remedy="Choose a whole checkpoint.",
        )
    convolutions = _convolutions(state)
    kernel = of_rank(content, state, "patch_embed.proj.weight", 4).shape[-1]
    # Without convolutions the kernel is the patch; behind convolutions it has the part of the stride that they leave.
    patch = kernel * prod(step for _, _, step in convolutions)
    position_table = Table(content.path, table.shape[1], before, patch, overlapping=not convolutions)
    grid, note = read_table(position_table, content.options, content.fallback)
    if not grid.cls_row:
        state = {**state, "pos_embed": torch.cat([torch.zeros_like(table[:, :1]), table], dim=1)}
    norm_pre = "norm_pre.weight" in state
    activation, activation_notes = _activation(content, norm_pre)
    trunk = TransformerConfig(
        image_size=grid.size,
        width=width,
        depth=_depth(state),
        heads=_heads(content, width, hidden),
        stem="convolution" if convolutions else "patch",
        patch_size=patch,
        stride=grid.stride,
        convolutions=convolutions or IBN_CONVOLUTIONS,
        mlp_ratio=hidden / width,
        extra_tokens=extra_tokens,
        registers=registers,
        cameras=_length(state, "sie_embed", axis=0),
        layer_norm_eps=1e-5 if norm_pre else 1e-6,
        norm_pre=norm_pre,
        activation=activation,
    )
    return Shape(trunk, state, (note, *activation_notes))


def partitioned_by_shape(
    content: Content, origin: str, shape: Shape, *, behind: str = "", notes: tuple[str, ...] = (), **choices: Any
) -> PretrainedWeights:
    """:func:`partitioned` of a transformer, whose size joins its origin's name."""
    trunk = shape.trunk
    name = f"{origin} ViT-{SIZES.get(trunk.width, trunk.width)}/{trunk.patch_size}{behind}"
    return partitioned(content, name, trunk, state=shape.state, notes=(*notes, *shape.notes), **choices)


def _depth(state: Mapping[str, Tensor]) -> int:
    return 1 + max(int(number[1]) for name in state if (number := re.match(r"blocks\.(\d+)\.", name)))


def _length(state: Mapping[str, Tensor], name: str, axis: int) -> int:
    return state[name].shape[axis] if name in state else 0


def _heads(content: Content, width: int, hidden: int) -> int:
    heads = content.options.heads or HEADS.get((width, hidden)) or content.fallback.heads
    if heads is None:
        raise WeightsError(
            content.path,
            found=f"a transformer of width {width} with an MLP of {hidden}, which no published network has",
            expected="its number of heads, which a file does not tell",
            remedy=f"Name it: {content.path.name}?heads=NUMBER",
        )
    if width % heads:
        raise WeightsError(
            f"{content.path}, option 'heads'",
            found=f"{heads}",
            expected=f"a divisor of the width {width}",
            remedy="Correct the number.",
        )
    return heads


def _activation(content: Content, norm_pre: bool) -> tuple[Activation, tuple[str, ...]]:
    """The activation of the MLPs, and a sentence if it is uncertain: CLIPs were trained with either."""
    stated = content.options.activation
    if stated or not norm_pre:
        return stated or "gelu", ()
    if content.fallback.activation:
        return content.fallback.activation, (f"MLPs with {content.fallback.activation}; as the recipe's own",)
    return "quick_gelu", (f"MLPs with quick_gelu, as OpenAI's; otherwise name {content.path.name}?activation=gelu",)


def _convolutions(state: Mapping[str, Tensor]) -> tuple[Convolution, ...]:
    """(channels, kernel, stride) of a convolution stem; a file does not state the strides.

    TransReID-SSL's first kernel has size 7, and only that layer halves the picture; in our small network all layers do.
    """
    kernels = [tensor for name, tensor in state.items() if re.fullmatch(r"patch_embed\.conv\.\d+\.weight", name)]
    sizes = [(kernel.shape[0], kernel.shape[-1]) for kernel in kernels if kernel.ndim == 4]
    first_alone = sizes[:1] and sizes[0][1] == 7
    return tuple((*size, 1 if first_alone and number else 2) for number, size in enumerate(sizes))
