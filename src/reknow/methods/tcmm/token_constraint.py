"""Token constraint: pull a picture toward its most related patch, push it from the least related ones.

Zhu et al., TCMM (arXiv 2501.09044). Of one picture's N patches, with
s_j = (<cls, patch_j> + <part, patch_j>) / 2, the largest s is the positive and the R = floor(N alpha) smallest are the
negatives:

    L = mean over pictures of  - log ( e^(s+/t) / ( e^(s+/t) + sum over r of e^(s-_r/t) ) )

The paper does not say what makes the vectors comparable (decision 1 in docs/methods/tcmm.md): ``feature`` gives each of
them length 1, so that s is a cosine. ``as_released`` is what the released code does, and what the published numbers
were made with: a fresh batch norm per token slot (over pictures and channels, in training mode also at test time), then
length 1 over the *tokens* instead of the channels. A trunk without PART tokens compares with CLS alone (decision 2).
There is one positive (decision 3).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import floor
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from reknow.errors import RecipeError
from reknow.models.tokens import Tokens

Normalize = Literal["feature", "as_released"]


def negatives_of(patches: int, alpha: float) -> int:
    """R: how many of a picture's patches are pushed away.

    Raises:
        RecipeError: the number is 0 or more than there are patches.

    Example:
        >>> negatives_of(128, alpha=0.075)
        9
    """
    # 40 x 0.075 is 3 - 4e-16 in binary.
    count = floor(patches * alpha + 1e-9)
    if not 1 <= count <= patches:
        raise RecipeError(
            "method, field 'alpha'",
            found=f"{alpha}, which makes {count} negatives of {patches} patches",
            expected=f"at least {1 / patches:.4g}, so that one patch is pushed away, and at most 1",
            remedy="Change --method.alpha, or set --method.token-weight 0 to leave this part out.",
        )
    return count


@dataclass(frozen=True)
class Chosen:
    """Which patches the constraint acts on.

    Attributes:
        similarity: (B, N) of the picture to each of its patches.
        positive: (B,) the most similar patch.
        negatives: (B, R) the least similar ones, the very least first.
    """

    similarity: Float[Tensor, "batch patches"]
    positive: Int[Tensor, "batch"]
    negatives: Int[Tensor, "batch negatives"]


class TokenConstraint(nn.Module):
    """The constraint as a loss on any trunk's tokens.

    Args:
        alpha: patch noise rate, the share of a picture's patches that are negatives (paper: 0.075).
        normalize: ``feature`` or ``as_released``, see above.
        temperature: t of the softmax.

    Example:
        >>> tokens = Tokens(torch.eye(4)[:1], torch.zeros(1, 0, 4), torch.eye(4)[None], (2, 2))
        >>> constraint = TokenConstraint(alpha=0.5, temperature=1.0)
        >>> constraint.choose(tokens).positive, round(constraint(tokens).item(), 4)  # log(1 + 2/e)
        (tensor([0]), 0.5514)
    """

    def __init__(self, alpha: float = 0.075, normalize: Normalize = "feature", temperature: float = 0.05) -> None:
        super().__init__()
        self.alpha = alpha
        self.temperature = temperature
        # Without weights and running statistics the layer serves any number of token slots, the 0 included.
        released = normalize == "as_released"
        self.slots = nn.BatchNorm1d(0, affine=False, track_running_stats=False) if released else None

    def forward(self, tokens: Tokens) -> Float[Tensor, ""]:
        """The loss, mean over the pictures.

        Raises:
            RecipeError: alpha makes no negative of this many patches.
        """
        chosen = self.choose(tokens)
        similarity = chosen.similarity / self.temperature
        positive = similarity.gather(1, chosen.positive[:, None])
        logits = torch.cat([positive, similarity.gather(1, chosen.negatives)], dim=1)
        return functional.cross_entropy(logits, logits.new_zeros(len(logits), dtype=torch.long))

    def choose(self, tokens: Tokens) -> Chosen:
        """Similarities, and the patches that they choose; gradient flows through the similarities."""
        similarity = self.similarity(tokens)
        count = negatives_of(similarity.shape[1], self.alpha)
        negatives = similarity.detach().topk(count, dim=1, largest=False).indices
        return Chosen(similarity, similarity.detach().argmax(1), negatives)

    def similarity(self, tokens: Tokens) -> Float[Tensor, "batch patches"]:
        """Of each picture to each of its patches."""
        # 32 bit also under autocast: over a temperature of 0.05, bf16 would round a logit of 16 to the next 0.125.
        with torch.autocast(tokens.cls.device.type, enabled=False):
            cls, patches = tokens.cls.float(), tokens.patches.float()
            part = tokens.extra.float().mean(1) if tokens.extra.shape[1] else cls
            if self.slots is not None:
                sequence = torch.cat([cls[:, None], part[:, None], patches], dim=1)
                sequence = functional.normalize(self.slots(sequence), dim=1)
                cls, part, patches = sequence[:, 0], sequence[:, 1], sequence[:, 2:]
                return (patches @ _half_sum(cls, part)).squeeze(2)
            # The patches' lengths divide the products, not the vectors: that spares a second (B, N, D) tensor.
            products = patches @ _half_sum(functional.normalize(cls, dim=1), functional.normalize(part, dim=1))
            return products.squeeze(2) / patches.norm(dim=2).clamp_min(1e-12)


def _half_sum(cls: Tensor, part: Tensor) -> Tensor:
    """Half of <cls, x> + <part, x> is <(cls + part) / 2, x>: one product instead of two."""
    return ((cls + part) / 2)[:, :, None]
