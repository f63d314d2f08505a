"""Straight through: a mask of 0 and 1 that has the gradient of a relaxed one (binary Gumbel-softmax).

    soft = sigmoid((theta + g1 - g2) / tau),    M = 1[soft > 1/2],    dM = dsoft

Of the mask and its products the backward pass keeps one tensor of their shape, since the mask follows from the relaxed
one; as a sum of differentiable parts autograd would keep four.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from reknow.errors import RecipeError


def select_channels(
    scores: Float[Tensor, "*shape"], noise: Float[Tensor, "*shape"], temperature: float
) -> Float[Tensor, "*shape"]:
    """The mask of scores with noise: 0 or 1, with the gradient of sigmoid((scores + noise) / temperature).

    Args:
        scores: theta, of any shape.
        noise: of the same shape; a constant.
        temperature: tau, above 0. It does not change the mask.

    Raises:
        RecipeError: a temperature that is not above 0.

    Example:
        >>> scores = torch.tensor([0.5, -0.5], requires_grad=True)
        >>> mask = select_channels(scores, torch.zeros(2), temperature=1.0)
        >>> mask.sum().backward()
        >>> mask.tolist(), [round(float(number), 3) for number in scores.grad]
        ([1.0, 0.0], [0.235, 0.235])
    """
    if not 0 < temperature < float("inf"):
        raise RecipeError("temperature", found=str(temperature), expected="above 0, and finite", remedy="1 is usual.")
    return _StraightThrough.apply(scores, noise, temperature)


class _StraightThrough(torch.autograd.Function):
    """See :func:`select_channels`."""

    @staticmethod
    def forward(ctx: Any, scores: Tensor, noise: Tensor, temperature: float) -> Tensor:
        soft = _relaxed(scores, noise, temperature)
        ctx.save_for_backward(soft)
        ctx.temperature = temperature
        return (soft > 0.5).to(scores.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (soft,) = ctx.saved_tensors
        return gradients[0] * soft * (1 - soft) / ctx.temperature, None, None


def masked_pair(
    query: Float[Tensor, "*shape"],
    key: Float[Tensor, "*shape"],
    scores: Float[Tensor, "*shape"],
    noise: Float[Tensor, "*shape"],
    temperature: float,
) -> tuple[Float[Tensor, "*shape"], Float[Tensor, "*shape"], Float[Tensor, ""]]:
    """Queries and keys times the mask of :func:`select_channels`, and the share of channels that it keeps.

    Example:
        >>> ones = torch.ones(2)
        >>> masked_pair(ones, 2 * ones, torch.tensor([0.5, -0.5]), torch.zeros(2), temperature=1.0)
        (tensor([1., 0.]), tensor([2., 0.]), tensor(0.5000))
    """
    return _MaskedPair.apply(query, key, scores, noise, temperature)


class _MaskedPair(torch.autograd.Function):
    """See :func:`masked_pair`."""

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, scores: Tensor, noise: Tensor, temperature: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        soft = _relaxed(scores, noise, temperature)
        ctx.save_for_backward(query, key, soft)
        ctx.temperature = temperature
        mask = soft > 0.5
        share = mask.float().mean()
        ctx.mark_non_differentiable(share)
        return query * mask, key * mask, share

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        query, key, soft = ctx.saved_tensors
        of_query, of_key, _ = gradients
        mask = soft > 0.5
        of_mask = of_query * query + of_key * key
        of_scores = of_mask.to(soft.dtype) * soft * (1 - soft) / ctx.temperature
        return of_query * mask, of_key * mask, of_scores, None, None


def gumbel_difference(like: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """The difference of two Gumbel draws per entry: logistic noise log(u / (1 - u)), in 32 bit at least."""
    dtype = torch.float64 if like.dtype == torch.float64 else torch.float32
    return torch.special.logit(torch.rand_like(like, dtype=dtype), eps=torch.finfo(dtype).tiny)


def _relaxed(scores: Tensor, noise: Tensor, temperature: float) -> Tensor:
    return torch.sigmoid((scores + noise.to(scores.dtype)) / temperature)
