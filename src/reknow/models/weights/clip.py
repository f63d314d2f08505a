"""Adapters of CLIP (Radford et al., ICML 2021): a ViT with a norm before its blocks, and a text tower.

github openai/CLIP and open_clip write a whole model under OpenAI's names: the image tower below ``visual.``, and the
text tower beside it, which fills a network's :mod:`text tower <reknow.models.text>`. timm has its own names for the
image tower. Decisions: the feature is CLS behind the last norm, of the trunk's width; the projections into the common
space of pictures and texts are not read. No tensor says whether the MLPs have quick GELU (OpenAI, MetaCLIP, DFN) or
GELU (most of LAION's): quick GELU is used unless an option says otherwise. A text tower that lacks a tensor of the
plain one (another project's, behind ``text.``) is not read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from reknow.models.text import DEPTHS, TextTowerConfig, text_tower_of
from reknow.models.tokenization import ClipTokens
from reknow.models.weights.file import Content
from reknow.models.weights.pretrained import CLIP, ModuleTensors, PretrainedWeights, of_rank
from reknow.models.weights.transformers import partitioned_by_shape, shape_of

NAMES = (
    (r"^conv1\.", "patch_embed.proj."),
    (r"^ln_pre\.", "norm_pre."),
    (r"^ln_(post|final)\.", "norm."),
    (r"^transformer\.resblocks\.(\d+)\.", r"blocks.\1."),
    (r"\.ln_([12])\.", r".norm\1."),
    (r"\.attn\.in_proj_", ".attn.qkv."),
    (r"\.attn\.out_proj\.", ".attn.proj."),
    (r"\.mlp\.c_fc\.", ".mlp.fc1."),
    (r"\.mlp\.c_proj\.", ".mlp.fc2."),
)
"""OpenAI's names in both towers, and ours; the rows of ``in_proj`` are query, key and value, as in
``qkv``."""


def towers(content: Content) -> PretrainedWeights:
    """A whole CLIP, or its image tower alone, under OpenAI's names."""
    inside = "visual." if any(name.startswith("visual.") for name in content.state) else ""
    of_rank(content, content.state, f"{inside}class_embedding", 1)
    of_rank(content, content.state, f"{inside}positional_embedding", 2)
    text = {name: tensor for name, tensor in content.state.items() if not name.startswith(inside)}
    image = {
        _own_name(name.removeprefix(inside)): tensor
        for name, tensor in content.state.items()
        if name.startswith(inside)
    }
    image["cls_token"] = image.pop("class_embedding")[None, None]
    image["pos_embed"] = image.pop("positional_embedding")[None]
    tower = _text_tower(text)
    rest = {name: tensor for name, tensor in text.items() if _own_name(name) not in tower}
    beside = {text_tower_of(ClipTokens()): tower} if tower else {}
    return _of(content, rest | image, beside)


def timm(content: Content) -> PretrainedWeights:
    """CLIP's image tower under timm's names, which are our trunk's names too."""
    return _of(content, content.state, {})


def _own_name(name: str) -> str:
    for pattern, replacement in NAMES:
        name = re.sub(pattern, replacement, name)
    return name


def _text_tower(text: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of the text tower under our names, its prefix excepted; none unless all are there."""
    own = {_own_name(name): tensor for name, tensor in text.items()}
    table = own.get("token_embedding.weight")
    blocks = {name.split(".")[1] for name in own if name.startswith("blocks.")}
    if table is None or table.ndim != 2 or len(blocks) < DEPTHS:
        return {}
    with torch.device("meta"):  # names only, no memory
        plain = TextTowerConfig(width=table.shape[1], depth=len(blocks), heads=1, prefix=0).build().state_dict()
    del plain["prefix"]
    return {name: own[name] for name in plain} if own.keys() >= plain.keys() else {}


def _of(content: Content, state: Mapping[str, Tensor], beside: ModuleTensors) -> PretrainedWeights:
    return partitioned_by_shape(content, "CLIP", shape_of(content, state), normalization=CLIP, beside=beside)
