"""Hierarchical masked aggregation (EDITOR, section 3.3): kept tokens, first per spectrum, then together.

Stage 1, a block of its own weights per spectrum:      Z <- Z + A(norm Z),  Z <- Z + MLP(norm Z).
Stage 2, one block over the tokens of all spectra:     the same, then a norm.
Read-out per spectrum: CLS beside the mean of its kept patches, through a linear map of its own back to D.

Neither attention nor MLP has a bias, and both multiply by the mask first, so a token that is not kept is zero and stays
zero. The paper masks tokens and carries them along; here each observation's kept tokens are moved to the front and as
many are carried along as the fullest observation has (at most 82 of 129 by the paper's settings), which changes only
the rounding (decision 7 in docs/methods/editor.md). The mean divides by the number of kept patches (decision 8). An
observation that lacks a spectrum has an empty mask there, so no token attends to it, and its part of the descriptor is
zero (decision 15).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from timm.layers.weight_init import trunc_normal_
from torch import Tensor, nn
from torch.nn import functional

from reknow.observation import Spectrum

MASKED = -65504.0
"""What is added to the score of a masked token: the lowest half-precision number, so no row becomes NaN."""

LAYER_NORM_EPS = 1e-5
"""Of every norm here, as in the released code; the trunk's is 1e-6."""


class MaskedAttention(nn.Module):
    """Attention among the kept tokens; the others come out zero.

    Args:
        width: D.
        heads: how many; divides D.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.proj = nn.Linear(width, width, bias=False)

    def forward(
        self, sequence: Float[Tensor, "batch length width"], mask: Bool[Tensor, "batch length"]
    ) -> Float[Tensor, "batch length width"]:
        """(B, L, D), already normalized, and which tokens are kept."""
        batch, length, width = sequence.shape
        sequence = sequence * mask[..., None]
        query, key, value = self.qkv(sequence).view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        # Rows of masked tokens need no score of their own: they are multiplied by zero below.
        scores = torch.zeros_like(mask, dtype=query.dtype).masked_fill(~mask, MASKED)
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=scores[:, None, None])
        return self.proj(mixed.transpose(1, 2).reshape(batch, length, width)) * mask[..., None]


class MaskedMlp(nn.Module):
    """Two linear maps without biases around GELU, on the kept tokens.

    Args:
        width: D.
        hidden: between the two maps.
    """

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden, bias=False)
        self.fc2 = nn.Linear(hidden, width, bias=False)

    def forward(
        self, sequence: Float[Tensor, "batch length width"], mask: Bool[Tensor, "batch length"]
    ) -> Float[Tensor, "batch length width"]:
        """(B, L, D), already normalized, and which tokens are kept."""
        return self.fc2(functional.gelu(self.fc1(sequence * mask[..., None])))


class MaskedBlock(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)), among the kept tokens.

    Args:
        width: D.
        heads: of the attention.
        mlp_ratio: hidden width of the MLP over D.
    """

    def __init__(self, width: int, heads: int, mlp_ratio: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=LAYER_NORM_EPS)
        self.attn = MaskedAttention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=LAYER_NORM_EPS)
        self.mlp = MaskedMlp(width, int(width * mlp_ratio))

    def forward(
        self, sequence: Float[Tensor, "batch length width"], mask: Bool[Tensor, "batch length"]
    ) -> Float[Tensor, "batch length width"]:
        """(B, L, D), zero where masked, and which tokens are kept."""
        sequence = sequence + self.attn(self.norm1(sequence), mask)
        return sequence + self.mlp(self.norm2(sequence), mask)


@dataclass(frozen=True)
class Aggregated:
    """The outputs of the aggregation.

    Attributes:
        alone: per spectrum, (B, D): CLS after stage 1, which the centers refine.
        descriptor: (B, spectra x D): the spectra side by side, zero where an observation lacks one.
    """

    alone: Mapping[Spectrum, Float[Tensor, "batch width"]]
    descriptor: Float[Tensor, "batch dim"]


class Aggregation(nn.Module):
    """Both stages and the read-out.

    Args:
        width: D.
        heads: of every attention.
        mlp_ratio: hidden width of every MLP over D.
        spectra: their order is the descriptor's.

    Example:
        >>> aggregation = Aggregation(width=8, heads=2, mlp_ratio=4.0, spectra=("rgb", "nir"))
        >>> tokens, mask = torch.rand(3, 5, 8), torch.ones(3, 5, dtype=torch.bool)
        >>> aggregation({"rgb": tokens, "nir": tokens}, {"rgb": mask, "nir": mask}).descriptor.shape
        torch.Size([3, 16])
    """

    def __init__(self, width: int, heads: int, mlp_ratio: float, spectra: Sequence[Spectrum]) -> None:
        super().__init__()
        self.spectra = tuple(spectra)
        self.independent = nn.ModuleDict({name: MaskedBlock(width, heads, mlp_ratio) for name in spectra})
        self.collaborative = MaskedBlock(width, heads, mlp_ratio)
        self.norm = nn.LayerNorm(width, eps=LAYER_NORM_EPS)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                trunc_normal_(module.weight, std=0.02)
        self.reduce = nn.ModuleDict({name: _reduction(width) for name in spectra})

    def forward(
        self,
        tokens: Mapping[Spectrum, Float[Tensor, "batch length width"]],
        masks: Mapping[Spectrum, Bool[Tensor, "batch length"]],
    ) -> Aggregated:
        """Aggregate.

        Args:
            tokens: per spectrum, (B, 1 + N, D): CLS and patches.
            masks: per spectrum, (B, 1 + N): which of them are kept; CLS wherever the spectrum is present.
        """
        # Stacked, so that a GPU is waited for once and not for every spectrum.
        carried = int(torch.stack([mask.sum(1).max() for mask in masks.values()]).max())
        kept = {name: _kept_first(tokens[name], masks[name], carried) for name in self.spectra}
        alone = [self.independent[name](sequence, mask) for name, (sequence, mask) in kept.items()]
        mask = torch.cat([mask for _, mask in kept.values()], dim=1)
        joint = self.norm(self.collaborative(torch.cat(alone, dim=1), mask)) * mask[..., None]
        parts = [
            self.read_out(name, sequence, kept[name][1])
            for name, sequence in zip(self.spectra, joint.chunk(len(self.spectra), dim=1), strict=True)
        ]
        first: dict[Spectrum, Tensor] = {
            name: sequence[:, 0].clone() for name, sequence in zip(self.spectra, alone, strict=True)
        }
        return Aggregated(first, torch.cat(parts, dim=1))

    def read_out(
        self, spectrum: Spectrum, sequence: Float[Tensor, "batch length width"], mask: Bool[Tensor, "batch length"]
    ) -> Float[Tensor, "batch width"]:
        """One spectrum's part of the descriptor, in 32 bit at least; zero where an observation lacks it.

        Descriptors share most of their length (on the world 47.7 of 47.8), so what tells them apart would be
        lost if they were rounded to bf16 before they are compared (decision 9).
        """
        count = mask[:, 1:].sum(1, keepdim=True).clamp(min=1)
        with torch.autocast(sequence.device.type, enabled=False):
            sequence = sequence if sequence.dtype == torch.float64 else sequence.float()
            pooled = torch.cat([sequence[:, 0], sequence[:, 1:].sum(1) / count], dim=1)
            return self.reduce[spectrum](pooled) * mask[:, :1]


def _kept_first(
    sequence: Float[Tensor, "batch length width"], mask: Bool[Tensor, "batch length"], carried: int
) -> tuple[Float[Tensor, "batch carried width"], Bool[Tensor, "batch carried"]]:
    """The kept tokens in their order, then zeros, `carried` in all; and which of them are kept. CLS stays first."""
    if carried < mask.shape[1]:
        places = mask.byte().argsort(dim=1, descending=True, stable=True)[:, :carried]
        sequence = sequence.gather(1, places[..., None].expand(-1, -1, sequence.shape[2]))
        mask = mask.gather(1, places)
    return sequence * mask[..., None], mask


def _reduction(width: int) -> nn.Linear:
    """From CLS and the mean patch back to D, with Kaiming initialization by fan-out, as in the released code."""
    linear = nn.Linear(2 * width, width)
    nn.init.kaiming_normal_(linear.weight, mode="fan_out")
    nn.init.zeros_(linear.bias)
    return linear
