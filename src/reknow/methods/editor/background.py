"""Background consistency (EDITOR section 3.2, "BCC"; spec section 2.5 [C]): what is not kept should look alike.

With B_m = (1 - M) * patches_m,    L = MSE(B_R, B_N) + MSE(B_R, B_T) + MSE(B_N, B_T),

each a mean over all B * N * D entries: kept patches add nothing to the sum and count in the mean. Gradients reach the
trunk through both sides. Decision: a pair of spectra is compared in the observations that have both; one without such
an observation adds 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from reknow.observation import Spectrum


def background_consistency(
    patches: Mapping[Spectrum, Float[Tensor, "batch patches width"]],
    kept: Mapping[Spectrum, Bool[Tensor, "batch patches"]],
    present: Mapping[Spectrum, Bool[Tensor, "batch"]],
) -> Float[Tensor, ""]:
    """The loss.

    Args:
        patches: per spectrum, (B, N, D): the trunk's patch tokens.
        kept: per spectrum, (B, N): which of them were selected.
        present: per spectrum, (B,): which observations have it.

    Example:
        >>> ones, none, here = torch.ones(2, 4, 3), torch.zeros(2, 4, dtype=torch.bool), torch.tensor([True, True])
        >>> tokens = {"rgb": ones, "nir": 2 * ones, "tir": 2 * ones}
        >>> background_consistency(tokens, dict.fromkeys(tokens, none), dict.fromkeys(tokens, here))
        tensor(2.)
    """
    background: dict[Spectrum, Tensor] = {name: tokens * ~kept[name][..., None] for name, tokens in patches.items()}
    terms = []
    for (one, first), (other, second) in combinations(background.items(), 2):
        both = present[one] & present[other]
        squared = (first - second).square().mean((1, 2))
        terms.append((squared * both).sum() / both.sum().clamp(min=1))
    return torch.stack(terms).sum() if terms else next(iter(patches.values())).sum() * 0
