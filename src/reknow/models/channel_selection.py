"""Differentiable channel selection: attention that compares tokens in the channels that it selects.

Wang et al., RIB (arXiv 2505.08961, section 3.2; "DCS-Attention"). For every token and channel of the block's input x a
linear layer gives a score, and a binary Gumbel-softmax makes a mask of it:

    theta = x W' + b,    soft = sigmoid((theta + g1 - g2) / tau),    M = 1[soft > 1/2]        g1, g2 ~ Gumbel(0, 1)

In the forward pass M is used, in the backward pass the gradient of `soft` (straight through). At test there is no
noise: M = 1[theta > 0]. Queries and keys are masked, values are not:

    heads:   attention = softmax((q M)(k M)' / sqrt(d)) v          M cut into heads as q, k, v are; the default
    input:   q, k of x M, v of x                                   the formula read to the letter

With `heads` published q, k and v fit, and a channel of a pair of tokens counts where both keep it. Both go through the
fused kernel: no map of L x L is made. What belongs to no source is decided in docs/methods/rib.md: which of the two
(decision 6), the start (7: weights of deviation 0.02 and bias 2, so that 0.88 of the channels are kept), tau (8).

:class:`ChannelSelection` replaces the attention in a transformer's blocks, :class:`ChannelSelectionBlock` stands behind
stages of a convolutional trunk.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from reknow.errors import RecipeError
from reknow.fields import NonNegativeInt, PositiveInt, check_fields
from reknow.models.attention import (
    Attention,
    AttentionConfig,
    ReadProbabilities,
    attention_probabilities,
    initialize_linear,
)
from reknow.models.epochs import FallingTemperature, FollowsEpochs, Remarks
from reknow.models.insertion import MapModuleConfig
from reknow.models.straight_through import gumbel_difference, masked_pair, select_channels

Masked = Literal["heads", "input"]
MaskLayer = Literal["full", "low_rank", "shared"]

SATURATED = 1e-3
"""A mask that keeps, or drops, less than this share of its channels selects nothing."""


@dataclass(frozen=True, kw_only=True)
class MaskConfig(FallingTemperature):
    """The mask of an attention or of a block.

    Attributes:
        temperature: tau at the start; it changes the gradient alone.
        decay: factor of tau after each epoch.
        least_temperature: smallest tau.
        bias: of the mask's layer at the start; 2 keeps 0.88 of the channels.
    """

    bias: float = 2.0


@dataclass(frozen=True, kw_only=True)
class ChannelSelection(MaskConfig, AttentionConfig):
    """DCS attention in the blocks of a transformer; further fields as of :class:`MaskConfig`.

    Attributes:
        masked: heads masks queries and keys after their projection, input masks what they are projected from.
        layer: the mask's linear layer: full, low_rank for a product of two thin ones, or shared between the blocks.
        rank: inner width of low_rank.
        blocks: numbers of the blocks that select, counted from 0; empty for all. The others attend as in ViT.
    """

    masked: Masked = "heads"
    layer: MaskLayer = "full"
    rank: PositiveInt = 64
    blocks: tuple[NonNegativeInt, ...] = ()

    def __post_init__(self) -> None:
        check_fields(self, "network.trunk.attention")

    def build(self, width: int, heads: int, depth: int) -> Sequence[nn.Module]:
        """An attention per block, :class:`SelectiveAttention` or, in blocks that do not select, :class:`.Attention`.

        Raises:
            RecipeError: a block that is not there.
        """
        if beyond := [number for number in self.blocks if number >= depth]:
            raise RecipeError(
                "network.trunk.attention.blocks",
                found=f"block {beyond[0]}",
                expected=f"numbers from 0 to {depth - 1}, since the trunk has {depth} blocks",
                remedy="Leave it out; without any number all blocks select.",
            )
        shared = self._layer(width)
        return [
            SelectiveAttention(width, heads, shared if self.layer == "shared" else self._layer(width), self)
            if not self.blocks or number in self.blocks
            else Attention(width, heads)
            for number in range(depth)
        ]

    def initialize(self, attention: nn.Module) -> None:
        """As in ViT, and the mask's layer with a bias that keeps most channels."""
        super().initialize(attention)
        if isinstance(attention, SelectiveAttention):
            nn.init.constant_(_last(attention.mask).bias, self.bias)

    def _layer(self, width: int) -> nn.Module:
        if self.layer == "low_rank":
            return nn.Sequential(nn.Linear(width, self.rank, bias=False), nn.Linear(self.rank, width))
        return nn.Linear(width, width)


class Selection(nn.Module, FollowsEpochs):
    """What the attention and the block have in common: a mask of scores, its temperature, and the share it keeps.

    Attributes:
        temperature: tau of the epoch.
    """

    def __init__(self, config: MaskConfig) -> None:
        super().__init__()
        self.config = config
        self.temperature = config.temperature
        self._kept: Tensor
        self.register_buffer("_kept", torch.zeros(()), persistent=False)
        self._passes = 0

    def selected(
        self, scores: Float[Tensor, "*shape"], noise: Float[Tensor, "*shape"] | None = None
    ) -> Float[Tensor, "*shape"]:
        """The mask of scores: with noise in training, without it at test. Counts what it keeps in training.

        Args:
            scores: theta.
            noise: g1 - g2; None draws it.
        """
        if not self.training:
            return (scores > 0).to(scores.dtype)
        mask = select_channels(scores, self.noise_for(scores, noise), self.temperature)
        self.count(mask.detach().mean())
        return mask

    def noise_for(self, scores: Float[Tensor, "*shape"], noise: Float[Tensor, "*shape"] | None) -> Tensor:
        """The noise that was given, or a draw."""
        return gumbel_difference(scores) if noise is None else noise

    def count(self, share: Float[Tensor, ""]) -> None:
        """Remember which share of the channels a pass in training kept."""
        if not torch.compiler.is_compiling():
            self._kept += share
            self._passes += 1

    def begin_epoch(self, epoch: int, name: str) -> Remarks:
        """Set tau, and say which share of the channels was kept; a mask that keeps all or nothing selects nothing."""
        self.temperature = self.config.temperature_in(epoch)
        share = self.kept()
        if share is None:
            return Remarks()
        what = "all" if share > 0.5 else "none"
        saturated = min(share, 1 - share) < SATURATED
        note = f"{name} keeps {what} of its channels ({share:.4f}), so its selection does nothing."
        return Remarks({f"kept/{name}": share}, (note,) if saturated else ())

    def kept(self) -> float | None:
        """The mean share of channels kept in training since the last call; None where there was no pass since."""
        if not self._passes:
            return None
        share = float(self._kept) / self._passes
        self._kept.zero_()
        self._passes = 0
        return share


class SelectiveAttention(Selection):
    """Softmax attention over selected channels. Names of the tensors are those of :class:`.Attention`, and ``mask``.

    Args:
        width: D.
        heads: how many; divides D.
        mask: the layer from (..., D) to scores (..., D).
        config: what is masked, and the temperature.

    Example:
        >>> attention = ChannelSelection().build(width=8, heads=2, depth=1)[0]
        >>> attention(torch.zeros(1, 5, 8)).shape
        torch.Size([1, 5, 8])
    """

    def __init__(self, width: int, heads: int, mask: nn.Module, config: ChannelSelection) -> None:
        super().__init__(config)
        self.heads = heads
        self.masking = config.masked
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.mask = mask

    def forward(
        self,
        sequence: Float[Tensor, "batch length width"],
        observe: ReadProbabilities | None = None,
        noise: Float[Tensor, "batch length width"] | None = None,
    ) -> Float[Tensor, "batch length width"]:
        """Attend.

        Args:
            sequence: (B, L, D), already normalized.
            observe: as of :class:`.Attention`; the probabilities are those of the same mask.
            noise: g1 - g2 of each token and channel; None draws it in training. Not used at test.
        """
        query, key, value = self.masked(sequence, noise)
        if observe is not None:
            observe(partial(attention_probabilities, query.detach(), key.detach()))
        mixed = functional.scaled_dot_product_attention(query, key, value)
        return self.proj(mixed.transpose(1, 2).flatten(2))

    def masked(
        self, sequence: Float[Tensor, "batch length width"], noise: Float[Tensor, "batch length width"] | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Masked queries and keys, and values: each (B, heads, L, D / heads). Arguments as of :meth:`forward`."""
        scores = self.mask(sequence)
        if self.masking == "heads":
            query, key, value = (self._heads(part) for part in self.qkv(sequence).chunk(3, dim=-1))
            if not self.training:
                mask = self._heads(self.selected(scores).to(query.dtype))
                return query * mask, key * mask, value
            noise = self._heads(self.noise_for(scores, noise))
            query, key, share = masked_pair(query, key, self._heads(scores), noise, self.temperature)
            self.count(share)
            return query, key, value
        mask = self.selected(scores, noise)
        width = sequence.shape[-1]
        weight, bias = self.qkv.weight, self.qkv.bias
        both = functional.linear(sequence * mask, weight[: 2 * width], bias[: 2 * width])
        value = functional.linear(sequence, weight[2 * width :], bias[2 * width :])
        query, key = both.chunk(2, dim=-1)
        return self._heads(query), self._heads(key), self._heads(value)

    def _heads(self, rows: Float[Tensor, "batch length width"]) -> Float[Tensor, "batch heads length dim"]:
        return rows.unflatten(-1, (self.heads, -1)).transpose(1, 2)


@dataclass(frozen=True, kw_only=True)
class ChannelSelectionBlock(MaskConfig, MapModuleConfig):
    """A non-local block with channel selection, behind a stage of a convolutional trunk."""

    def __post_init__(self) -> None:
        check_fields(self, "network.trunk.after")

    def build(self, channels: int) -> SelectiveBlock:
        """The block for a map of so many channels."""
        return SelectiveBlock(channels, self)


class SelectiveBlock(Selection):
    """x + norm(depthwise 3 x 3 convolution of softmax((x M)(x M)' / sqrt(C)) x), over the positions of a map.

    The light non-local form of the authors' older code: queries, keys and values are the map itself. The norm's weight
    is 0 at the start, so that a trunk's weights are not disturbed.

    Args:
        channels: C.
        config: temperature and start of the mask.

    Example:
        >>> maps = torch.rand(2, 8, 4, 3)
        >>> torch.equal(ChannelSelectionBlock().build(8)(maps), maps)
        True
    """

    def __init__(self, channels: int, config: ChannelSelectionBlock) -> None:
        super().__init__(config)
        self.mask = nn.Linear(channels, channels)
        self.depthwise = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        initialize_linear(self.mask)
        nn.init.constant_(self.mask.bias, config.bias)
        nn.init.zeros_(self.norm.weight)

    def forward(
        self,
        maps: Float[Tensor, "batch channels rows columns"],
        noise: Float[Tensor, "batch positions channels"] | None = None,
    ) -> Float[Tensor, "batch channels rows columns"]:
        """Maps of any size to maps of the same size; `noise` as of :class:`SelectiveAttention`."""
        return maps + self.added(maps, noise)

    def added(
        self,
        maps: Float[Tensor, "batch channels rows columns"],
        noise: Float[Tensor, "batch positions channels"] | None = None,
        counted: Float[Tensor, ""] | None = None,
    ) -> Float[Tensor, "batch channels rows columns"]:
        """What is added to the maps.

        Args:
            maps: (B, C, H, W).
            noise: as of :class:`SelectiveAttention`.
            counted: the number of channels whose root divides the products, where it is not C since the others are 0.
        """
        positions = maps.flatten(2).transpose(1, 2)
        selected = (positions * self.selected(self.mask(positions), noise)).unsqueeze(1)
        query = selected if counted is None else selected * (maps.shape[1] / counted).sqrt()
        mixed = functional.scaled_dot_product_attention(query, selected, positions.unsqueeze(1)).squeeze(1)
        return self.norm(self.depthwise(mixed.transpose(1, 2).unflatten(2, maps.shape[2:])))


def _last(layer: nn.Module) -> nn.Linear:
    """The linear layer with the bias."""
    last = layer[-1] if isinstance(layer, nn.Sequential) else layer
    assert isinstance(last, nn.Linear)
    return last
