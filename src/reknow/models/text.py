"""Text tower: captions to the states of a transformer's layers, for methods that read text beside pictures.

The text tower of CLIP (Radford et al., ICML 2021, section 2.4): pre-norm blocks in which a token attends to those
before it, so that END, the last one, has read the whole caption, and what stands behind END changes nothing. The same
module is CLIP's own, filled from its files (``CLIP_TEXT``), and a small one that is trained along.

A learned prefix of token vectors stands behind START, shared by all captions (CoOp, Zhou et al., IJCV 2022; FIRM, eq.
2). FIRM reads the states of three depths (eq. 3): of END after one third, two thirds and all of the layers (4, 8 and 12
of 12), and of all tokens after the last. Decision, since the paper projects all three by one matrix: each goes through
the tower's last norm first, or their sizes would differ by layer.

Files hold the tower under the names of OpenAI and open_clip (:mod:`reknow.models.weights.clip`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from reknow.errors import RecipeError
from reknow.fields import NonNegativeInt, PositiveInt, check_fields
from reknow.models.attention import Activation, Attention, Block, initialize_linear
from reknow.models.tokenization import ClipTokens, HashedWords, Tokenizer

DEPTHS = 3
"""Number of depths of which END's states are read."""

MLP_RATIO = 4.0
LAYER_NORM_EPS = 1e-5


@dataclass(frozen=True, kw_only=True)
class TextTowerConfig:
    """Shape of a text tower; without any setting the small one.

    Attributes:
        tokens: the vocabulary.
        width: size of a token vector.
        depth: number of layers, at least 3.
        heads: number of heads of each attention; divides the width.
        context: length of the longest prompt, prefix included; longer captions lose their end.
        prefix: number of learned vectors behind START.
        activation: activation of the MLPs.
        trained_layers: how many layers, the last ones, are trained, with the last norm; none is trained without the
            ones behind it. None trains all, and the vocabulary's vectors with them. The prefix is always trained.
    """

    tokens: Tokenizer = field(default_factory=HashedWords)
    width: PositiveInt = 96
    depth: PositiveInt = 3
    heads: PositiveInt = 4
    context: PositiveInt = 77
    prefix: NonNegativeInt = 8
    activation: Activation = "gelu"
    trained_layers: NonNegativeInt | None = None

    def __post_init__(self) -> None:
        check_fields(self, "network.text")
        least = self.prefix + 5  # START, ':', a word, '.', END
        for wrong, name, expected in (
            (self.depth < DEPTHS, "depth", f"{DEPTHS} or more, one layer for each depth that is read"),
            (self.width % self.heads, "heads", f"a divisor of width {self.width}"),
            (self.context < least, "context", f"{least} or more, for a prompt of one word behind the prefix"),
            ((self.trained_layers or 0) > self.depth, "trained_layers", f"at most the depth {self.depth}"),
        ):
            if wrong:
                value, remedy = str(getattr(self, name)), "Change one of them."
                raise RecipeError(f"network.text.{name}", found=value, expected=expected, remedy=remedy)

    @property
    def depths(self) -> tuple[int, ...]:
        """The layers whose states are read, counted from 1: after one third, two thirds and all of them.

        Example:
            >>> CLIP_TEXT.depths
            (4, 8, 12)
        """
        return tuple(round(self.depth * part / DEPTHS) for part in range(1, DEPTHS + 1))

    @property
    def part(self) -> str:
        """The tower's name among a network's fillable modules, by its vocabulary."""
        return text_tower_of(self.tokens)

    def build(self) -> TextTower:
        """The tower, with fresh random weights."""
        return TextTower(self)


def text_tower_of(tokens: Tokenizer) -> str:
    """The name of a text tower in :meth:`Network.fillable`; a tower for another vocabulary does not fit."""
    return f"text tower of {tokens.name}"


CLIP_TEXT = TextTowerConfig(
    tokens=ClipTokens(), width=512, depth=12, heads=8, activation="quick_gelu", trained_layers=2
)
"""The text tower of CLIP ViT-B/16 and ViT-B/32, as FIRM trains it: its last two layers and the prefix."""


@dataclass(frozen=True)
class TextStates:
    """What a text tower says of B captions.

    Attributes:
        vectors: (B, 3, T) END's states of three depths.
        tokens: (B, L, T) the states of all tokens after the last layer.
        valid: (B, L) which of them belong to the prompt; the others stand behind END.
    """

    vectors: Float[Tensor, "batch depths width"]
    tokens: Float[Tensor, "batch length width"]
    valid: Bool[Tensor, "batch length"]


class TextTower(nn.Module):
    """Prompts to :class:`TextStates`.

    Args:
        config: its shape.

    Example:
        >>> tower = TextTowerConfig(width=8, heads=2).build()
        >>> states = tower(tower.prompts(["a man in a red coat", None]))
        >>> states.vectors.shape, states.tokens.shape, states.valid.sum(1)
        (torch.Size([2, 3, 8]), torch.Size([2, 18, 8]), tensor([18, 10]))
    """

    def __init__(self, config: TextTowerConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.token_embedding = nn.Embedding(config.tokens.size, width)
        self.positional_embedding = nn.Parameter(torch.empty(config.context, width))
        self.prefix = nn.Parameter(torch.empty(config.prefix, width))
        self.blocks = nn.ModuleList(
            Block(width, Attention(width, config.heads, causal=True), MLP_RATIO, 0.0, LAYER_NORM_EPS, config.activation)
            for _ in range(config.depth)
        )
        self.norm = nn.LayerNorm(width, eps=LAYER_NORM_EPS)
        for vectors, deviation in ((self.token_embedding.weight, 0.02), (self.positional_embedding, 0.01)):
            nn.init.normal_(vectors, std=deviation)  # as CLIP
        nn.init.normal_(self.prefix, std=0.02)  # as CoOp
        initialize_linear(self.blocks)
        self.train_last(config.trained_layers)

    def train_last(self, layers: int | None) -> None:
        """Train so many of the last layers, with the last norm; 0 trains the prefix alone, None everything."""
        self.requires_grad_(layers is None)
        self.prefix.requires_grad_(True)
        if layers:
            for module in (*list(self.blocks)[-layers:], self.norm):
                module.requires_grad_(True)

    def prompts(self, captions: Sequence[str | None]) -> Int[Tensor, "rows length"]:
        """The token numbers of captions, as :meth:`forward` takes them; see :meth:`.Tokenizer.prompts`."""
        return self.config.tokens.prompts(captions, self.config.context - self.config.prefix)

    def forward(self, prompts: Int[Tensor, "batch length"]) -> TextStates:
        """(B, L - P) token numbers to the states of prompts with their prefix of P vectors."""
        embedded = self.token_embedding(prompts)
        prefix = self.prefix.expand(len(prompts), -1, -1)
        sequence = torch.cat([embedded[:, :1], prefix, embedded[:, 1:]], dim=1)
        sequence = sequence + self.positional_embedding[: sequence.shape[1]]
        end = prompts.argmax(1) + self.config.prefix
        rows = torch.arange(len(prompts), device=prompts.device)
        vectors = []
        for layer, block in enumerate(self.blocks, start=1):
            sequence = block(sequence)
            if layer in self.config.depths:
                vectors.append(self.norm(sequence[rows, end]))
        places = torch.arange(sequence.shape[1], device=prompts.device)
        return TextStates(torch.stack(vectors, dim=1), self.norm(sequence), places <= end[:, None])
