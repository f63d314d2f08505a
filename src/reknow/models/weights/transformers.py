"""Adapters of vision transformers: what the tensors tell of the shape, and what each origin calls them.

Blocks have timm's names everywhere (``blocks.0.attn.qkv.weight``), ours too. Origins differ in the tokens before the
patches, in how the position table is cut, and in the batch-norm neck behind. Names: TransReID and TransReID-SSL
(github damo-cv), PASS (github CASIA-IVA-Lab), TCMM (github andy412510), spec tcmm.md section 2.1 [C].

Decision: a position table tells how many patches there were, not how they lay. A square number is a square, as for
ImageNet; else the grid is the one whose rows over columns come nearest to 2, the ratio of person crops (`hw_ratio`
of PASS and TransReID-SSL [C]), the taller one of two that come equally near (192 patches are TransReID's 24 x 8).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import isqrt, log, prod

import torch
from torch import Tensor

from reknow.errors import WeightsError
from reknow.models.stems import Convolution
from reknow.models.transformer import IBN_CONVOLUTIONS, TransformerConfig
from reknow.models.weights.file import Content
from reknow.models.weights.foreign import HALVES, IMAGENET, Foreign, sorted_out

SIZES = {192: "Ti", 384: "S", 768: "B", 1024: "L"}

HEAD_SIZES = (64, 32)
"""Numbers per head, which a file does not tell: 64 in every published ViT, 32 in our small one of width 160."""

UNSUPPORTED = ("norm_pre.", "fc_norm.", "reg_token", "attn_pool.")
"""Parts of newer transformers that act inside the trunk, so that it may not be filled without them."""

PARTS = 3
"""PASS's learned tokens beside CLS."""


def ours(content: Content) -> Foreign | None:
    """Our own transformer, where it has something that others lack: extra tokens, registers, a network around it."""
    state = content.state
    if content.prefix != "trunk." and not state.keys() & {"extra_tokens", "register_tokens"}:
        return None
    trunk = shape_of(content, state)
    feature = "cls+extra" if trunk.extra_tokens else "cls"
    return sorted_out(content, f"reknow {name_of(trunk)}", trunk, feature=feature, neck="neck.")


def tcmm(content: Content) -> Foreign:
    """TCMM: PASS with one more token, whose output it drops: our register."""
    return _with_parts(content, "TCMM", registers=("token",))


def passes(content: Content) -> Foreign:
    """PASS, from its pretraining on LUPerson or from a training that began there."""
    return _with_parts(content, "PASS", registers=())


def transreid(content: Content) -> Foreign | None:
    """TransReID's checkpoints, with the camera table where they have one.

    With its jigsaw branches (JPM), the picture's feature leaves the first branch, a copy of the last block and norm
    that took their place in training; so these replace the trunk's own, which such a network never runs.
    """
    if content.prefix != "base.":
        return None
    state = dict(content.state)
    if "b1.1.weight" in state:
        last = _depth(state) - ("norm.weight" in state)
        for name in [name for name in state if name.startswith("b1.")]:
            target = name.replace("b1.0.", f"blocks.{last}.").replace("b1.1.", "norm.")
            state[target] = state.pop(name)
    trunk = shape_of(content, state)
    return sorted_out(content, f"TransReID {name_of(trunk)}", trunk, state=state, neck="bottleneck.")


def imagenet(content: Content) -> Foreign:
    """A ViT that was trained to classify ImageNet: timm's (normalized by halves) and DeiT (by ImageNet's values).

    The tensors are the same; DeiT's own files hold them in an entry ``model``, or have a distillation token, which
    is dropped with its position as TransReID does.
    """
    state, dropped = dict(content.state), ()
    distilled = state.pop("dist_token", None) is not None
    if distilled:
        state["pos_embed"] = torch.cat([state["pos_embed"][:, :1], state["pos_embed"][:, 2:]], dim=1)
        dropped = ("dist_token", "pos_embed[1:2]")
    deit = distilled or content.entry == "model"
    trunk = shape_of(content, state)
    origin = f"{'DeiT' if deit else 'ImageNet'} {name_of(trunk)}"
    normalization = IMAGENET if deit else HALVES
    return sorted_out(content, origin, trunk, state=state, normalization=normalization, ignored=dropped)


def transreid_ssl(content: Content) -> Foreign:
    """A ViT without a classifier: TransReID-SSL on LUPerson, with or without its convolution stem.

    A square grid is none of people: then it was trained on ImageNet without labels (DINO, MAE).
    Our own plain transformer has the same names, so it goes by this origin, too.
    """
    trunk = shape_of(content, content.state)
    height, width = trunk.image_size
    if height == width and trunk.stem == "patch":
        origin = f"ImageNet {name_of(trunk)} without a classifier"
        return sorted_out(content, origin, trunk, normalization=IMAGENET, neck="bottleneck.")
    return sorted_out(content, f"TransReID-SSL {name_of(trunk)}", trunk, neck="bottleneck.")


def _with_parts(content: Content, origin: str, registers: tuple[str, ...]) -> Foreign:
    state = dict(content.state)
    numbers = range(1, PARTS + 1)
    places = ["cls_pos", *(f"part{number}_pos" for number in numbers), *(f"{name}_pos" for name in registers)]
    tokens = [f"part_token{number}" for number in numbers]
    if absent := [name for name in (*places, *tokens, *registers) if name not in state]:
        raise WeightsError(
            content.path,
            found=f"looks like {origin}, but has no '{absent[0]}'",
            remedy="Choose a whole checkpoint.",
        )
    state["pos_embed"] = torch.cat([state.pop(name) for name in places] + [state["pos_embed"]], dim=1)
    state["extra_tokens"] = torch.cat([state.pop(name) for name in tokens], dim=1)
    if registers:
        state["register_tokens"] = torch.cat([state.pop(name) for name in registers], dim=1)
    trunk = shape_of(content, state)
    return sorted_out(
        content, f"{origin} {name_of(trunk)}", trunk, state=state, feature="cls+extra", neck="bottleneck."
    )


def shape_of(content: Content, state: Mapping[str, Tensor]) -> TransformerConfig:
    """The trunk's shape, from tensors under our names with a position table in one piece."""
    if strange := [name for name in state if name.startswith(UNSUPPORTED)]:
        raise WeightsError(
            content.path,
            found=f"a transformer with '{strange[0]}', which our trunk does not have",
            remedy="Choose a plain ViT.",
        )
    table = state["pos_embed"]
    width = table.shape[-1]
    extra_tokens, registers = (_length(state, name, axis=1) for name in ("extra_tokens", "register_tokens"))
    patches = table.shape[-2] - 1 - extra_tokens - registers
    if patches < 1:
        raise WeightsError(
            f"{content.path}, tensor 'pos_embed'",
            found=f"size {tuple(table.shape)}",
            expected=f"a row for CLS, {extra_tokens + registers} for other tokens, and one for each patch",
            remedy="Choose a whole checkpoint.",
        )
    rows, columns = grid_of(patches)
    convolutions, kernel = _convolutions(state), state["patch_embed.proj.weight"].shape[-1]
    # Without convolutions the kernel is the patch; behind them it takes what they leave of the stride.
    stride = kernel * prod(step for _, _, step in convolutions)
    return TransformerConfig(
        image_size=(rows * stride, columns * stride),
        width=width,
        depth=_depth(state),
        heads=_heads(width),
        stem="convolution" if convolutions else "patch",
        patch_size=stride,
        stride=stride,
        convolutions=convolutions or IBN_CONVOLUTIONS,
        mlp_ratio=state["blocks.0.mlp.fc1.weight"].shape[0] / width,
        extra_tokens=extra_tokens,
        registers=registers,
        cameras=_length(state, "sie_embed", axis=0),
    )


def name_of(trunk: TransformerConfig) -> str:
    """Such as ViT-S/16."""
    return f"ViT-{SIZES.get(trunk.width, trunk.width)}/{trunk.stride}"


def grid_of(patches: int) -> tuple[int, int]:
    """(rows, columns) of so many patches.

    Example:
        >>> [grid_of(patches) for patches in (196, 128, 210, 192)]
        [(14, 14), (16, 8), (21, 10), (24, 8)]
    """
    root = isqrt(patches)
    if root * root == patches:
        return root, root
    choices = [(rows, patches // rows) for rows in range(patches, 0, -1) if patches % rows == 0]
    return min(choices, key=lambda grid: abs(log(grid[0] / grid[1] / 2)))  # the first of equals: the tallest


def _depth(state: Mapping[str, Tensor]) -> int:
    return 1 + max(int(number[1]) for name in state if (number := re.match(r"blocks\.(\d+)\.", name)))


def _length(state: Mapping[str, Tensor], name: str, axis: int) -> int:
    return state[name].shape[axis] if name in state else 0


def _heads(width: int) -> int:
    size = next((size for size in HEAD_SIZES if width % size == 0), width)
    return width // size


def _convolutions(state: Mapping[str, Tensor]) -> tuple[Convolution, ...]:
    """(channels, kernel, stride) of a convolution stem; a file does not tell the strides.

    TransReID-SSL's begins with a kernel of 7, and only that one halves the picture; in our small network all do.
    """
    kernels = [tensor for name, tensor in state.items() if re.fullmatch(r"patch_embed\.conv\.\d+\.weight", name)]
    sizes = [(kernel.shape[0], kernel.shape[-1]) for kernel in kernels if kernel.ndim == 4]
    first_alone = sizes[:1] and sizes[0][1] == 7
    return tuple((*size, 1 if first_alone and number else 2) for number, size in enumerate(sizes))
