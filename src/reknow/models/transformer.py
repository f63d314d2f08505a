"""The transformer trunk: one class that every method changes in its own way, without a subclass.

ViT (Dosovitskiy et al., ICLR 2021) with what re-identification adds: overlapping patches and a camera embedding
(He et al., "TransReID", ICCV 2021: 3.0 x table[camera] on every token, CLS included), learned tokens beside CLS
(PASS, TCMM), a convolutional stem (TransReID-SSL). What a method can change:

- `attention` of the config replaces the attention in all blocks (RIB);
- `observe` shows attention probabilities block by block, and the trunk keeps none (EDITOR's rollout);
- `inject` changes the sequence after named blocks (FIRM's text);
- `stems` of the config gives each spectrum its own stem on the shared trunk (FIRM);
- :meth:`VisionTransformer.sequence` takes patch vectors of any stem;
- `norm_pre`, `activation` and `layer_norm_eps` (1e-5) make it the image tower of CLIP (Radford et al., ICML 2021);
- :meth:`VisionTransformer.branch` copies the last block and norm (TransReID's JPM);
- `registers` are learned tokens in the sequence whose output is dropped (TCMM's EXTRA token, zero at the start).

Decision: a camera that is not in the table, or an unknown one, gets the mean of the table. The papers need the test
cameras among the training ones; a user's new camera should still get a sensible vector.
State-dict names are timm's and TransReID's (``blocks.0.attn.qkv.weight``, ``norm_pre.weight``, ``sie_embed``); rows of
``pos_embed`` are CLS, extra tokens, registers, patches.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import InitVar, dataclass, field, replace
from functools import partial
from math import prod
from typing import Literal

import torch
from jaxtyping import Float, Int
from timm.layers.pos_embed import resample_abs_pos_embed
from timm.layers.weight_init import trunc_normal_
from torch import Tensor, nn

from reknow.errors import RecipeError
from reknow.fields import NonNegativeInt, PositiveFloat, PositiveInt, ShareBelowOne, check_fields
from reknow.models.attention import (
    Activation,
    AttentionConfig,
    Block,
    Probabilities,
    SoftmaxAttention,
    initialize_linear,
)
from reknow.models.stems import (
    Convolution,
    ConvolutionStem,
    PatchStem,
    SpectrumOfRows,
    check_stems,
    per_spectrum,
    through,
)
from reknow.models.tokens import Tokens
from reknow.observation import Spectrum

Observe = Callable[[int, Probabilities], None]
"""Takes a block's number, counted from 0, and the function that computes its attention probabilities (B, heads, L,
L)."""

Inject = Mapping[int, Callable[[Tensor], Tensor]]
"""By a block's number, counted from 0, the function that changes the sequence (B, L, D) that leaves it."""

IBN_CONVOLUTIONS: tuple[Convolution, ...] = ((64, 7, 2), (64, 3, 1), (64, 3, 1))
"""TransReID-SSL's stem."""

SizeName = Literal["small", "base", "large"]
SIZES: Mapping[SizeName, tuple[int, int, int]] = {"small": (384, 12, 6), "base": (768, 12, 12), "large": (1024, 24, 16)}
"""Width, depth and heads of ViT-S, B and L."""


@dataclass(frozen=True, kw_only=True)
class TransformerConfig:
    """Shape of a transformer trunk; without any setting ViT-B/16 for 256 x 128 pixels, as the papers use it.

    Attributes:
        image_size: height and width of the pictures, in pixels.
        width: D, the token size.
        depth: number of blocks.
        heads: number of heads of each attention; divides the width.
        stem: patch is one linear map per patch; convolution has convolutions before it.
        patch_size: edge of a patch of the patch stem, in pixels.
        stride: pixels between patches.
        convolutions: (channels, kernel, stride) of the convolution stem's layers; the patch stem has none.
        mlp_ratio: hidden width of the MLP divided by the width.
        drop_path: probability of skipping the last block's branches; it grows linearly from 0 over the blocks.
        extra_tokens: number of learned tokens after CLS, each with its own position vector.
        registers: number of further learned tokens whose output is dropped; they and their positions are zero at the
            start, as in TCMM's code.
        cameras: rows of the camera table; 0 for none.
        camera_weight: factor of a camera's vector before it is added.
        layer_norm_eps: epsilon of every norm.
        attention: the attention in the blocks.
        stems: spectra that have a stem of their own; empty for one stem for all pictures.
        norm_pre: whether a norm precedes the blocks; the patch stem then has no bias, as in CLIP.
        activation: activation of the MLPs.
        size: sets width, depth and heads to those of ViT-S (small), ViT-B (base) or ViT-L (large); not saved.
        patch: sets patch_size and stride to one value, for patches that do not overlap; not saved.
    """

    image_size: tuple[PositiveInt, PositiveInt] = (256, 128)
    width: PositiveInt = 768
    depth: PositiveInt = 12
    heads: PositiveInt = 12
    stem: Literal["patch", "convolution"] = "patch"
    patch_size: PositiveInt = 16
    stride: PositiveInt = 16
    convolutions: tuple[Convolution, ...] = IBN_CONVOLUTIONS
    mlp_ratio: PositiveFloat = 4.0
    drop_path: ShareBelowOne = 0.0
    extra_tokens: NonNegativeInt = 0
    registers: NonNegativeInt = 0
    cameras: NonNegativeInt = 0
    camera_weight: float = 3.0
    layer_norm_eps: PositiveFloat = 1e-6
    attention: AttentionConfig = field(default_factory=SoftmaxAttention)
    stems: tuple[Spectrum, ...] = ()
    norm_pre: bool = False
    activation: Activation = "gelu"
    size: InitVar[SizeName | None] = None
    patch: InitVar[int | None] = None

    def __post_init__(self, size: SizeName | None, patch: int | None) -> None:
        named = {} if size is None else dict(zip(("width", "depth", "heads"), SIZES[size], strict=True))
        named |= {} if patch is None else {"patch_size": patch, "stride": patch}
        for name, value in named.items():
            object.__setattr__(self, name, value)
        check_fields(self, "network.trunk")
        check_stems(self.stems)
        if self.width % self.heads:
            raise RecipeError(
                "network.trunk.heads",
                found=f"{self.heads}",
                expected=f"a divisor of width {self.width}",
                remedy="Change one of them.",
            )
        if self.stem == "patch" and min(self.image_size) < self.patch_size:
            raise RecipeError(
                "network.trunk.image_size",
                found=f"{self.image_size}",
                expected=f"at least one patch of {self.patch_size} pixels each way",
                remedy="Use larger images or smaller patches.",
            )
        if self.stem == "convolution":
            self._check_convolutions()

    def _check_convolutions(self) -> None:
        reduction = prod(step for _, _, step in self.convolutions)
        if self.stride % reduction:
            raise RecipeError(
                "network.trunk.stride",
                found=f"{self.stride}",
                expected=f"a multiple of {reduction}, by which the convolutions reduce the image",
                remedy="Change the stride, or the strides of the convolutions.",
            )
        if any(edge < self.stride or edge % self.stride for edge in self.image_size):
            raise RecipeError(
                "network.trunk.image_size",
                found=f"{self.image_size}",
                expected=f"multiples of the stride {self.stride}",
                remedy="Change the image size or the stride.",
            )

    def build(self) -> VisionTransformer:
        """The trunk, with fresh random weights."""
        return VisionTransformer(self)

    def plain(self) -> TransformerConfig:
        """The same with softmax attention and one stem: what a published file of weights holds."""
        return replace(self, attention=SoftmaxAttention(), stems=())


class VisionTransformer(nn.Module):
    """Images to tokens.

    Args:
        config: its shape.

    Example:
        >>> trunk = TransformerConfig(image_size=(32, 16), width=8, depth=2, heads=2, patch_size=8, stride=8).build()
        >>> tokens = trunk(torch.zeros(3, 3, 32, 16))
        >>> tokens.cls.shape, tokens.patches.shape, tokens.grid
        (torch.Size([3, 8]), torch.Size([3, 8, 8]), (4, 2))
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        stem = _stem(config)
        self.grid = stem.grid(config.image_size)
        self.patch_embed = per_spectrum(stem, config.stems)
        self.cls_token = nn.Parameter(torch.empty(1, 1, width))
        self.extra_tokens = nn.Parameter(torch.empty(1, config.extra_tokens, width)) if config.extra_tokens else None
        self.register_tokens = nn.Parameter(torch.empty(1, config.registers, width)) if config.registers else None
        self.pos_embed = nn.Parameter(torch.empty(1, self.prefix + prod(self.grid), width))
        self.sie_embed = nn.Parameter(torch.empty(config.cameras, 1, width)) if config.cameras else None
        self.norm_pre = nn.LayerNorm(width, eps=config.layer_norm_eps) if config.norm_pre else nn.Identity()
        rates = [config.drop_path * number / max(config.depth - 1, 1) for number in range(config.depth)]
        attentions = config.attention.build(width, config.heads, config.depth)
        self.blocks = nn.ModuleList(
            Block(width, attention, config.mlp_ratio, rate, config.layer_norm_eps, config.activation)
            for rate, attention in zip(rates, attentions, strict=True)
        )
        self.norm = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self._initialize()

    @property
    def dim(self) -> int:
        """D, the token size."""
        return self.config.width

    @property
    def prefix(self) -> int:
        """Number of tokens before the patches: CLS, the extra ones and the registers."""
        return 1 + self.config.extra_tokens + self.config.registers

    def forward(
        self,
        images: Float[Tensor, "batch 3 height width"],
        camera: Int[Tensor, "batch"] | None = None,
        spectrum: SpectrumOfRows | None = None,
    ) -> Tokens:
        """(B, 3, H, W) and camera codes (B,), -1 where unknown, to normalized tokens; see :meth:`tokenize`."""
        return self.split(self.encode(self.tokenize(images, camera, spectrum)))

    def tokenize(
        self,
        images: Float[Tensor, "batch 3 height width"],
        camera: Int[Tensor, "batch"] | None = None,
        spectrum: SpectrumOfRows | None = None,
    ) -> Float[Tensor, "batch length dim"]:
        """Images to the sequence that enters the first block: (B, 1 + E + R + N, D).

        Args:
            images: (B, 3, H, W).
            camera: (B,), -1 where unknown.
            spectrum: of all pictures, or of each; matters only to a trunk with several stems.

        Raises:
            RecipeError: images of another size than the position table is for, or of a spectrum without a stem.
        """
        if tuple(images.shape[-2:]) != self.config.image_size:
            raise RecipeError(
                "size of the images",
                found=f"{tuple(images.shape[-2:])}",
                expected=f"{self.config.image_size}, the trunk's image_size",
                remedy="Set the preprocessing's size to the trunk's, or take trunk.resized(size).",
            )
        return self.sequence(through(self.patch_embed, images, spectrum), camera)

    def sequence(
        self, patches: Float[Tensor, "batch patches dim"], camera: Int[Tensor, "batch"] | None = None
    ) -> Float[Tensor, "batch length dim"]:
        """Patch vectors of any stem, with CLS, extra tokens and registers before them, positions and camera added.

        If the trunk has a norm before its blocks, it is applied.
        """
        special = (self.cls_token, self.extra_tokens, self.register_tokens)
        prefix = torch.cat([tokens for tokens in special if tokens is not None], dim=1)
        sequence = torch.cat([prefix.expand(patches.shape[0], -1, -1), patches], dim=1) + self.pos_embed
        if self.sie_embed is not None:
            sequence = sequence + self.config.camera_weight * self._camera_rows(self.sie_embed, camera)
        return self.norm_pre(sequence)

    def _camera_rows(
        self, table: Float[Tensor, "cameras 1 dim"], camera: Int[Tensor, "batch"] | None
    ) -> Float[Tensor, "... 1 dim"]:
        table = torch.cat([table, table.mean(0, keepdim=True)])
        unknown = self.config.cameras
        if camera is None:
            return table[unknown][None]
        return table[torch.where((camera >= 0) & (camera < unknown), camera, unknown)]

    def encode(
        self,
        sequence: Float[Tensor, "batch length dim"],
        *,
        observe: Observe | None = None,
        inject: Inject | None = None,
        depth: int | None = None,
    ) -> Float[Tensor, "batch length dim"]:
        """Run the blocks on a sequence of any length.

        Args:
            sequence: (B, L, D).
            observe: takes each block's number and attention probabilities, which carry no gradient.
            inject: by a block's number, the function to apply to its output.
            depth: run only the first `depth` blocks and leave out the final norm; None runs all and the norm.

        Raises:
            ValueError: a block that the run does not reach.
        """
        blocks = list(self.blocks) if depth is None else list(self.blocks)[:depth]
        inject = inject or {}
        if beyond := [number for number in inject if not 0 <= number < len(blocks)]:
            raise ValueError(f"inject after blocks {beyond}, but blocks 0 to {len(blocks) - 1} run")
        for number, block in enumerate(blocks):
            sequence = block(sequence, partial(observe, number) if observe else None)
            if number in inject:
                sequence = inject[number](sequence)
        return self.norm(sequence) if depth is None else sequence

    def split(self, sequence: Float[Tensor, "batch length dim"]) -> Tokens:
        """The named tokens of a full sequence (B, 1 + E + R + N, D), without the registers."""
        extra = sequence[:, 1 : 1 + self.config.extra_tokens]
        return Tokens(sequence[:, 0], extra, sequence[:, self.prefix :], self.grid)

    def branch(self) -> nn.Sequential:
        """A copy of the last block and the final norm, with its own weights: one branch of TransReID's JPM."""
        return nn.Sequential(copy.deepcopy(self.blocks[-1]), copy.deepcopy(self.norm))

    def resized(self, image_size: tuple[int, int]) -> VisionTransformer:
        """A copy for images of another (height, width): the position table is resized bilinearly, all else kept."""
        resized = copy.deepcopy(self)
        resized.config = replace(self.config, image_size=image_size)
        with torch.device("meta"):  # only the stem's grid is needed, not its weights
            resized.grid = _stem(resized.config).grid(image_size)
        resized.pos_embed = nn.Parameter(
            resized_positions(self.pos_embed.detach(), self.prefix, self.grid, resized.grid)
        )
        return resized

    def _initialize(self) -> None:
        """Truncated normal of deviation 0.02 for all linear layers, as in ViT; convolutions keep torch's default."""
        for parameter in (self.cls_token, self.extra_tokens, self.pos_embed, self.sie_embed):
            if parameter is not None:
                trunc_normal_(parameter, std=0.02)
        if self.register_tokens is not None:
            nn.init.zeros_(self.register_tokens)
            with torch.no_grad():
                self.pos_embed[:, self.prefix - self.config.registers : self.prefix] = 0
        for block in self.blocks.children():
            self.config.attention.initialize(block.get_submodule("attn"))
            initialize_linear(block.get_submodule("mlp"))


def resized_positions(
    table: Float[Tensor, "1 length dim"], prefix: int, old: tuple[int, int], new: tuple[int, int]
) -> Float[Tensor, "1 resized dim"]:
    """A position table for another grid; the first `prefix` rows (CLS, extra tokens) stay.

    Bilinear without antialiasing, as TransReID and PASS resize the tables of published weights.
    """
    return resample_abs_pos_embed(
        table, list(new), list(old), num_prefix_tokens=prefix, interpolation="bilinear", antialias=False
    ).clone()


def _stem(config: TransformerConfig) -> PatchStem | ConvolutionStem:
    if config.stem == "patch":
        return PatchStem(config.width, config.patch_size, config.stride, bias=not config.norm_pre)
    return ConvolutionStem(config.width, config.stride, config.convolutions)
