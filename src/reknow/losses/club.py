"""CLUB: mutual information bounded from above, to be compared with the bottleneck's bound (:mod:`.bottleneck`).

Cheng et al., "CLUB: A Contrastive Log-ratio Upper Bound of Mutual Information" (ICML 2020, section 3). A network
predicts the features F of n rows from their inputs X, as a Gaussian q of D independent numbers:

    log q(f | x)  = - 1/2 sum over d of  (f_d - mean_d(x))^2 / variance_d(x)  +  log variance_d(x)  +  log 2 pi
    CLUB          = 1/n sum_i log q(F_i | X_i)  -  1/n^2 sum_i sum_j log q(F_j | X_i)
    sampled       = 1/n sum_i  log q(F_i | X_i)  -  log q(F_k(i) | X_i)        k(i) drawn from the n rows

For the true conditional p in q's place CLUB >= I(F; X), with equality where F and X are independent (theorem 3.1). A
learned q keeps that only as far as it is near p, so :meth:`CLUB.learning_loss` comes first, and again whenever the
features have changed. The sampled form has CLUB as its expectation (section 3.3).

The paper counts n^2 terms. With a Gaussian they need not be formed: log q is quadratic in f, so the mean over j follows
from the mean and the variance of the features, of O(n D) for the same number:

    1/n sum_j (F_j - m)^2  =  (mean F - m)^2  +  variance F

``benchmarks/bound_complexity.py`` times all three beside the bottleneck's bound. log variance stays between -10 and 10,
so that the bound of features that do not vary is finite. All is computed in 32 bit at least, also under autocast.
"""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reknow.errors import DataError, RecipeError, nearest

Pairs = Literal["moments", "all", "sampled"]
"""How independent pairs are averaged: all n^2, from moments or formed, or one drawn partner for each row."""

LARGEST_LOG_VARIANCE = 10.0
"""Of a number of the features, up and down."""

ROWS_AT_ONCE = 256
"""Rows whose pairs with all others are held together."""


class CLUB(nn.Module):
    """The bound, with the network that it learns.

    Args:
        dim: D, the size of a feature.
        input_dim: the size of an input. Pictures are averaged over cells before they are flattened: a first layer of
            98,304 numbers, those of a picture of 256 x 128, would learn them by heart.
        hidden: numbers in the hidden layers of mean and log variance.

    Example:
        >>> images, features = torch.rand(8, 3, 256, 128), torch.randn(8, 16)
        >>> inputs = nn.functional.adaptive_avg_pool2d(images, (8, 4)).flatten(1)
        >>> club = CLUB(dim=16, input_dim=96)
        >>> club.learning_loss(features, inputs).backward()
        >>> torch.allclose(club(features, inputs), club(features, inputs, pairs="all"), atol=1e-5)
        True
    """

    def __init__(self, dim: int, input_dim: int, hidden: int = 256) -> None:
        super().__init__()
        self.dim, self.input_dim = dim, input_dim
        self.mean = _perceptron(input_dim, hidden, dim)
        self.log_variance = _perceptron(input_dim, hidden, dim)

    def conditional(
        self, inputs: Float[Tensor, "batch inputs"]
    ) -> tuple[Float[Tensor, "batch dim"], Float[Tensor, "batch dim"]]:
        """Mean and log variance of q for each input."""
        with torch.autocast(inputs.device.type, enabled=False):
            inputs = inputs.to(next(self.parameters()))
            log_variance = LARGEST_LOG_VARIANCE * (self.log_variance(inputs) / LARGEST_LOG_VARIANCE).tanh()
            return self.mean(inputs), log_variance

    def _check(self, features: Tensor, inputs: Tensor) -> None:
        if not 0 < len(features) == len(inputs):
            raise DataError(
                "CLUB",
                found=f"{len(features)} features and {len(inputs)} inputs",
                expected="as many of both, at least 1",
                remedy="Pass the inputs of the same pictures, in the same order.",
            )
        for name, rows, width in (("features", features, self.dim), ("inputs", inputs, self.input_dim)):
            if rows.shape[1:] != (width,):
                raise DataError(
                    f"CLUB, {name}",
                    found=f"shape {tuple(rows.shape)}",
                    expected=f"(B, {width})",
                    remedy="Flatten them, or build CLUB for their size.",
                )

    def learning_loss(
        self, features: Float[Tensor, "batch dim"], inputs: Float[Tensor, "batch inputs"]
    ) -> Float[Tensor, ""]:
        """Minus the mean over rows of log q(F_i | X_i), in nats: what the network learns by.

        Args:
            features: (B, D).
            inputs: (B, input_dim) of the same rows.

        Raises:
            DataError: no rows, not as many features as inputs, or rows of another size than the network's.
        """
        self._check(features, inputs)
        mean, log_variance = self.conditional(inputs)
        squared = (features.to(mean) - mean).square() * (-log_variance).exp()
        return (squared + log_variance + math.log(2 * math.pi)).sum(1).mean() / 2

    def forward(
        self,
        features: Float[Tensor, "batch dim"],
        inputs: Float[Tensor, "batch inputs"],
        *,
        pairs: Pairs = "moments",
    ) -> Float[Tensor, ""]:
        """The bound of I(F; X) in nats, with gradients for features and network.

        Args:
            features: (B, D).
            inputs: (B, input_dim) of the same rows.
            pairs: see :func:`log_ratio_bound`.

        Raises:
            DataError: no rows, not as many features as inputs, or rows of another size than the network's.
            RecipeError: pairs of another name.
        """
        self._check(features, inputs)
        return log_ratio_bound(features, *self.conditional(inputs), pairs=pairs)


def log_ratio_bound(
    features: Float[Tensor, "batch dim"],
    mean: Float[Tensor, "batch dim"],
    log_variance: Float[Tensor, "batch dim"],
    *,
    pairs: Pairs = "moments",
) -> Float[Tensor, ""]:
    """CLUB for a conditional that is given.

    Args:
        features: (B, D).
        mean: (B, D) of q for each row's input.
        log_variance: (B, D) likewise.
        pairs: ``all`` forms the B^2 pairs as the paper writes them, in blocks of rows; ``moments`` gives the same
            number from the features' mean and variance in O(B D); ``sampled`` gives each row one partner, drawn by
            torch's generator of the CPU.

    Returns:
        A scalar in nats, 0 for one row alone. Below 0 where q predicts worse than chance.

    Raises:
        RecipeError: pairs of another name.

    Example:
        >>> features = torch.tensor([[-1.0], [1.0]])
        >>> log_ratio_bound(features, mean=0.5 * features, log_variance=torch.zeros(2, 1))
        tensor(0.5000)
    """
    if pairs not in get_args(Pairs):
        raise RecipeError("pairs", found=f"'{pairs}'", remedy=nearest(pairs, get_args(Pairs)))
    with torch.autocast(features.device.type, enabled=False):
        dtype = torch.promote_types(mean.dtype, torch.float32)
        features, mean, precision = features.to(dtype), mean.to(dtype), (-log_variance.to(dtype)).exp()
        own = ((features - mean).square() * precision).sum(1)
        if pairs == "sampled":
            partners = features[torch.randint(len(features), (len(features),)).to(features.device)]
            others = ((partners - mean).square() * precision).sum(1)
        else:
            center = features.mean(0)
            centered, off_center = features - center, mean - center
            if pairs == "moments":
                others = ((off_center.square() + centered.square().mean(0)) * precision).sum(1)
            else:
                others = _over_all(centered, off_center, precision)
        return (others - own).mean() / 2


def _over_all(
    features: Float[Tensor, "batch dim"], mean: Float[Tensor, "batch dim"], precision: Float[Tensor, "batch dim"]
) -> Float[Tensor, "batch"]:
    """Of each row the mean over all features of their squared distance to its mean, in its precision.

    The square is multiplied out into two matrix products, which needs features around 0 to lose no digits.
    """
    squares, others = features.square(), []
    for near, weights in zip(mean.split(ROWS_AT_ONCE), precision.split(ROWS_AT_ONCE), strict=True):
        distances = weights @ squares.T - 2 * (weights * near) @ features.T
        others.append(distances.mean(1) + (weights * near.square()).sum(1))
    return torch.cat(others)


def _perceptron(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, outputs))
