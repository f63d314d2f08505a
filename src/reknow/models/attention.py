"""Multi-head self-attention and the pre-norm block around it (Dosovitskiy et al., "ViT", ICLR 2021, appendix A).

Attribute names follow timm (``attn.qkv``, ``mlp.fc1``), so that published weights keep their names. A recipe replaces
the attention by a value: a frozen dataclass that is an :class:`AttentionConfig` and builds modules which are called
like :class:`Attention`. If their tensors have its names and sizes, files of weights fill them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from jaxtyping import Float
from timm.layers.activations import QuickGELU
from timm.layers.drop import DropPath
from timm.layers.mlp import Mlp
from timm.layers.weight_init import trunc_normal_
from torch import Tensor, nn
from torch.nn import functional

Probabilities = Callable[[], Tensor]
"""Computes the attention probabilities of one block, (B, heads, L, L), rows of sum 1; without gradient."""

ReadProbabilities = Callable[[Probabilities], None]
"""Takes the function that computes a block's attention probabilities, and calls it at once, later or never."""

Activation = Literal["gelu", "quick_gelu"]
"""Activation of the MLPs: GELU, or x sigmoid(1.702 x), with which OpenAI trained CLIP."""


class AttentionConfig(ABC):
    """The attention in the blocks of a trunk: a frozen dataclass that builds it."""

    @abstractmethod
    def build(self, width: int, heads: int, depth: int) -> Sequence[nn.Module]:
        """The attention of every block, first block first.

        All are built at once, so that an attention may know its block's number, and blocks may share a layer or a
        module.

        Args:
            width: D.
            heads: of each attention; divides `width`.
            depth: number of blocks.

        Returns:
            `depth` modules, each called like :class:`Attention`: with (B, L, D), already normalized, and `observe`,
            which takes the function that computes the probabilities.
        """

    def initialize(self, attention: nn.Module) -> None:
        """Initialize the weights of one block's attention; by default linear layers are initialized as in ViT."""
        initialize_linear(attention)


@dataclass(frozen=True)
class SoftmaxAttention(AttentionConfig):
    """ViT's own: every token attends to every token."""

    def build(self, width: int, heads: int, depth: int) -> Sequence[Attention]:
        """`depth` separate modules :class:`Attention`."""
        return [Attention(width, heads) for _ in range(depth)]


class Attention(nn.Module):
    """Softmax attention of every token to every token.

    Args:
        width: D.
        heads: how many; divides D.
        causal: whether a token attends only to itself and to those before it, as in CLIP's text tower.

    Example:
        >>> import torch
        >>> Attention(width=8, heads=2)(torch.zeros(1, 5, 8)).shape
        torch.Size([1, 5, 8])
    """

    def __init__(self, width: int, heads: int, causal: bool = False) -> None:
        super().__init__()
        self.heads = heads
        self.causal = causal
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(
        self, sequence: Float[Tensor, "batch length width"], observe: ReadProbabilities | None = None
    ) -> Float[Tensor, "batch length width"]:
        """Attend.

        Args:
            sequence: (B, L, D), already normalized.
            observe: takes a function that computes the probabilities. The fused kernel never forms them, so that
                function computes them separately, from queries and keys, which the backward pass keeps anyway. They
                carry no gradient: a training step then holds one block's map at a time, and not the maps of all
                blocks until the backward pass.
        """
        batch, length, width = sequence.shape
        query, key, value = self.qkv(sequence).view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        if observe is not None:
            observe(partial(attention_probabilities, query.detach(), key.detach(), self.causal))
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=self.causal)
        return self.proj(mixed.transpose(1, 2).reshape(batch, length, width))


@torch.no_grad()
def attention_probabilities(
    query: Float[Tensor, "batch heads length dim"], key: Float[Tensor, "batch heads length dim"], causal: bool = False
) -> Float[Tensor, "batch heads length length"]:
    """The attention of each query to each key, or if causal to those up to its own: softmax of q k' / sqrt(dim)."""
    scores = query.shape[-1] ** -0.5 * query @ key.transpose(-2, -1)
    if causal:
        scores = scores.masked_fill(torch.ones_like(scores, dtype=torch.bool).triu(1), -torch.inf)
    return scores.softmax(dim=-1)


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)).

    Args:
        width: D.
        attention: called like :class:`Attention`.
        mlp_ratio: hidden width of the MLP divided by D.
        drop_path: probability that a picture skips a branch in training (Huang et al., "Stochastic Depth").
        layer_norm_eps: of both norms.
        activation: of the MLP.
    """

    def __init__(
        self,
        width: int,
        attention: nn.Module,
        mlp_ratio: float,
        drop_path: float,
        layer_norm_eps: float,
        activation: Activation,
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=layer_norm_eps)
        self.attn = attention
        self.norm2 = nn.LayerNorm(width, eps=layer_norm_eps)
        self.mlp = Mlp(width, int(width * mlp_ratio), act_layer=nn.GELU if activation == "gelu" else QuickGELU)
        self.drop_path = DropPath(drop_path) if drop_path else nn.Identity()

    def forward(
        self, sequence: Float[Tensor, "batch length width"], observe: ReadProbabilities | None = None
    ) -> Float[Tensor, "batch length width"]:
        """One block; `observe` is passed to the attention."""
        sequence = sequence + self.drop_path(self.attn(self.norm1(sequence), observe))
        return sequence + self.drop_path(self.mlp(self.norm2(sequence)))


def initialize_linear(module: nn.Module) -> None:
    """Truncated normal of deviation 0.02 for the weights of linear layers and 0 for their biases, as in ViT."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            trunc_normal_(layer.weight, std=0.02)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
