"""The information-bottleneck bound: keep of a feature what predicts its class, drop what only follows its picture.

Wang et al., RIB (arXiv 2505.08961, section 3.1). Features F, inputs X and labels Y of n rows are assigned softly to as
many clusters as there are classes; class a's centroid is the mean of its unit rows, to length 1:

    phi(v, a)  = softmax over a of  - beta | v / |v|  -  c_a |^2
    Q(a | y)   = mean of phi(F_i, a) over the rows of class y
    bound      = 1/n sum_i sum_b phi(X_i, b) log phi(X_i, b)  -  1/n sum_i sum_a phi(F_i, a) log Q(a | y_i)
    IB         = I(F; X) - I(F; Y)     on the clusters,        IB <= bound + H(X) - H(F)

Centroids and Q are constants of an epoch. The bound's first sum does not depend on the network (the sum of phi(F_i, a)
over a is 1, which is how the double sum over a and b of the paper becomes one), so its gradient is zero: it is measured
once and no tensor of B x C x C is ever made. A mean over a batch estimates the whole without bias.

What belongs to no source is decided in docs/methods/rib.md. All is computed in 32 bit at least, also under autocast;
Q and phi(X) are clamped before their logarithm, since at large beta most of Q underflows (0.87 of it at beta 20 with 20
classes). For very many classes :mod:`.sampled_bottleneck` estimates the second sum without Q as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from reknow.errors import DataError, RecipeError

CLAMP = 1e-9
"""Smallest probability that a logarithm is taken of."""

ROWS_AT_ONCE = 4096
"""Rows whose assignments are held together where only sums over rows are wanted."""


def class_centroids(
    vectors: Float[Tensor, "rows dim"], labels: Int[Tensor, "rows"], classes: int
) -> Float[Tensor, "classes dim"]:
    """The mean unit row of each class, to length 1.

    Args:
        vectors: (N, D) of any length; rows of length 0 do not count.
        labels: (N,) from 0 to classes - 1.
        classes: C.

    Returns:
        (C, D) without gradient. A class without rows, or whose rows cancel each other, has a centroid of zeros, which
        no vector is assigned to.

    Raises:
        DataError: no class has a centroid.

    Example:
        >>> class_centroids(torch.tensor([[2.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 2]), classes=3)
        tensor([[1., 0.],
                [0., 0.],
                [0., 1.]])
    """
    unit = functional.normalize(_exact(vectors.detach()), dim=1)
    sums = unit.new_zeros(classes, unit.shape[1]).index_add_(0, labels, unit)
    if not sums.any():
        raise DataError(
            "class centroids",
            found=f"{len(vectors)} rows, none of which has a length above 0",
            expected="rows of at least one class",
            remedy="Check the pictures and the network: features of zeros say nothing.",
        )
    return functional.normalize(sums, dim=1)


def soft_assignments(
    vectors: Float[Tensor, "rows dim"], centroids: Float[Tensor, "classes dim"], beta: float = 1.0
) -> Float[Tensor, "rows classes"]:
    """phi: how much each vector belongs to each cluster; rows of sum 1.

    Args:
        vectors: (N, D) of any length; one of length 0 belongs to all clusters alike.
        centroids: (C, D); a row of zeros is no cluster, and its column is 0.
        beta: factor of the squared distances; a larger one assigns more sharply.

    Raises:
        RecipeError: a beta that is not finite, or below 0.

    Example:
        >>> soft_assignments(torch.tensor([[3.0, 0.0]]), torch.eye(2), beta=1.0).round(decimals=3)
        tensor([[0.8810, 0.1190]])
    """
    return assignment_logits(vectors, centroids, beta).softmax(dim=1)


def assignment_logits(
    vectors: Float[Tensor, "rows dim"], centroids: Float[Tensor, "classes dim"], beta: float = 1.0
) -> Float[Tensor, "rows classes"]:
    """Minus beta times the squared distances of unit rows to centroids, but for a constant of each row.

    Arguments and errors as of :func:`soft_assignments`; minus infinity where a centroid is no cluster.
    """
    check_beta(beta)
    with torch.autocast(vectors.device.type, enabled=False):
        unit = functional.normalize(_exact(vectors), dim=1)
        rows = centroids.to(unit)
        # |z|^2 is the row's constant, and drops out of the softmax.
        squared = rows.square().sum(1)
        logits = beta * (2 * unit @ rows.T - squared)
        return logits.masked_fill(squared == 0, -torch.inf)


def class_conditional(
    assignments: Float[Tensor, "rows classes"], labels: Int[Tensor, "rows"], classes: int
) -> Float[Tensor, "clusters classes"]:
    """Q(a | y): the mean assignment of each class's rows, one class per column; columns of sum 1.

    Args:
        assignments: (N, C) phi.
        labels: (N,) from 0 to classes - 1.
        classes: C.

    Returns:
        (C, C) without gradient, [a, y]. The column of a class without rows is uniform: it says nothing, and gives no
        gradient.

    Example:
        >>> class_conditional(torch.tensor([[0.9, 0.1], [0.7, 0.3]]), torch.tensor([0, 0]), classes=2)
        tensor([[0.8000, 0.5000],
                [0.2000, 0.5000]])
    """
    sums = assignments.new_zeros(classes, assignments.shape[1]).index_add_(0, labels, assignments.detach())
    return _means(sums, labels.bincount(minlength=classes)).T


def input_term(assignments: Float[Tensor, "rows classes"], clamp: float = CLAMP) -> Float[Tensor, "rows"]:
    """Of each row the sum over b of phi(X, b) log phi(X, b), from 0 down to -log C.

    Args:
        assignments: (N, C) phi of inputs.
        clamp: smallest probability that a logarithm is taken of.

    Example:
        >>> input_term(torch.tensor([[0.5, 0.5], [1.0, 0.0]])).round(decimals=3)
        tensor([-0.6930,  0.0000])
    """
    return (assignments * assignments.clamp(min=clamp).log()).sum(1)


def feature_term(
    assignments: Float[Tensor, "batch classes"],
    labels: Int[Tensor, "batch"],
    conditional: Float[Tensor, "classes classes"],
    clamp: float = CLAMP,
) -> Float[Tensor, ""]:
    """Minus the mean over rows of the sum over a of phi(F_i, a) log Q(a | y_i): the part that teaches.

    Args:
        assignments: (B, C) phi of features, with gradient.
        labels: (B,).
        conditional: (C, C) Q, [a, y]; a constant.
        clamp: smallest probability that a logarithm is taken of.

    Example:
        >>> conditional = torch.tensor([[0.8, 0.5], [0.2, 0.5]])
        >>> feature_term(torch.tensor([[1.0, 0.0]]), torch.tensor([0]), conditional).round(decimals=3)
        tensor(0.2230)
    """
    log = conditional.detach().T[labels].clamp(min=clamp).log()
    return -(assignments * log).sum(1).mean()


def bottleneck_bound(
    features: Float[Tensor, "batch dim"],
    labels: Int[Tensor, "batch"],
    centroids: Float[Tensor, "classes dim"],
    conditional: Float[Tensor, "classes classes"],
    input_assignments: Float[Tensor, "batch classes"] | None = None,
    *,
    beta: float = 1.0,
    clamp: float = CLAMP,
) -> Float[Tensor, ""]:
    """The bound of a batch, or of all rows.

    Args:
        features: (B, D) of any length.
        labels: (B,) class numbers.
        centroids: (C, D) of the features of an epoch.
        conditional: (C, C) Q of the same epoch, [a, y].
        input_assignments: (B, C) phi of the rows' inputs; None leaves the input term out, which changes no gradient.
        beta: see :func:`soft_assignments`.
        clamp: smallest probability that a logarithm is taken of.

    Raises:
        DataError: no row, another number of labels or of inputs, or a label that is no class.

    Example:
        >>> rows, labels = torch.eye(3), torch.arange(3)
        >>> centroids = class_centroids(rows, labels, classes=3)
        >>> conditional = class_conditional(soft_assignments(rows, centroids), labels, classes=3)
        >>> bottleneck_bound(rows, labels, centroids, conditional).round(decimals=3)
        tensor(0.6660)
    """
    _check_batch(features, labels, centroids, input_assignments)
    with torch.autocast(features.device.type, enabled=False):
        bound = feature_term(
            soft_assignments(features, centroids, beta), labels, conditional.to(features.device), clamp
        )
        return bound if input_assignments is None else input_term(input_assignments, clamp).mean() + bound


def _check_batch(features: Tensor, labels: Tensor, centroids: Tensor, inputs: Tensor | None) -> None:
    sizes = {"labels": labels, **({} if inputs is None else {"input_assignments": inputs})}
    for name, rows in sizes.items():
        if not len(features) or len(rows) != len(features):
            raise DataError(
                f"bottleneck bound, {name}",
                found=f"{len(rows)} rows for {len(features)} features",
                expected="as many of both, at least 1",
                remedy="Pass those of the same pictures, in the same order.",
            )
    outside = labels[(labels < 0) | (labels >= len(centroids))]
    if len(outside):
        raise DataError(
            "bottleneck bound, labels",
            found=f"class {int(outside[0])}",
            expected=f"0 to {len(centroids) - 1}, the classes of the centroids",
            remedy="Leave rows without a class out.",
        )


class Bottleneck(nn.Module):
    """The bound as a loss, with the constants of an epoch: centroids and Q of the same features.

    Args:
        dim: D, the feature size.
        beta: see :func:`soft_assignments`.
        clamp: smallest probability that a logarithm is taken of.

    Attributes:
        centroids: (C, D).
        conditional: (C, C) Q, [a, y].

    Raises:
        RecipeError: a beta that is not finite, or below 0.

    Example:
        >>> bottleneck = Bottleneck(dim=3)
        >>> bottleneck.rebuild(torch.eye(3), torch.arange(3), classes=3)
        >>> bottleneck(torch.eye(3), torch.arange(3)).round(decimals=3)
        tensor(0.6660)
    """

    centroids: Tensor
    conditional: Tensor

    def __init__(self, dim: int, beta: float = 1.0, clamp: float = CLAMP) -> None:
        super().__init__()
        check_beta(beta)
        self.beta = beta
        self.clamp = clamp
        self.register_buffer("centroids", torch.zeros(0, dim))
        self.register_buffer("conditional", torch.zeros(0, 0))

    @torch.no_grad()
    def rebuild(self, features: Float[Tensor, "rows dim"], labels: Int[Tensor, "rows"], classes: int) -> None:
        """Set centroids, then Q by the same centroids, from an epoch's features; no N x C is held.

        Args:
            features: (N, D) of any length.
            labels: (N,) from 0 to classes - 1; rows of label -1 do not count.
            classes: C.
        """
        device = self.centroids.device
        kept = labels >= 0
        features, labels = features[kept], labels[kept].to(device)
        centroids = class_centroids(features.to(device), labels, classes)
        sums = centroids.new_zeros(classes, classes)
        for part in _parts(len(labels)):
            assigned = soft_assignments(features[part].to(device), centroids, self.beta)
            sums.index_add_(0, labels[part], assigned)
        self.centroids = centroids
        self.conditional = _means(sums, labels.bincount(minlength=classes)).T.contiguous()

    def forward(self, features: Float[Tensor, "batch dim"], labels: Int[Tensor, "batch"]) -> Float[Tensor, ""]:
        """The part of the bound that teaches: minus the mean of the sum over a of phi(F_i, a) log Q(a | y_i)."""
        return bottleneck_bound(features, labels, self.centroids, self.conditional, beta=self.beta, clamp=self.clamp)

    def assigned(self, features: Float[Tensor, "rows dim"]) -> Float[Tensor, "rows classes"]:
        """phi of any features by the epoch's centroids, on their device, without gradient."""
        with torch.no_grad():
            return soft_assignments(features, self.centroids.to(features.device), self.beta)

    def _load_from_state_dict(  # pyright: ignore[reportIncompatibleMethodOverride] (torch names the other arguments)
        self, state_dict: dict[str, Any], prefix: str, *rest: Any
    ) -> None:
        # Pseudo-labels have another number of classes in every epoch.
        for name in ("centroids", "conditional"):
            if (stored := state_dict.get(f"{prefix}{name}")) is not None:
                setattr(self, name, torch.empty_like(stored, device=self.centroids.device))
        super()._load_from_state_dict(state_dict, prefix, *rest)


@dataclass(frozen=True)
class Information:
    """What features say of inputs and of labels, on the clusters, in nats.

    Attributes:
        features_inputs: I(F; X).
        features_labels: I(F; Y).
        entropy_inputs: H of the inputs' clusters.
        entropy_features: H of the features' clusters.
    """

    features_inputs: float
    features_labels: float
    entropy_inputs: float
    entropy_features: float

    @property
    def bottleneck(self) -> float:
        """IB: I(F; X) - I(F; Y)."""
        return self.features_inputs - self.features_labels

    def slack(self, bound: float) -> float:
        """bound + H(X) - H(F) - IB, which is never below 0 where the bound's Q is that of the same rows."""
        return bound + self.entropy_inputs - self.entropy_features - self.bottleneck


def information(
    features: Float[Tensor, "rows classes"],
    inputs: Float[Tensor, "rows classes"],
    labels: Int[Tensor, "rows"],
) -> Information:
    """The true information of rows, from their assignments, to compare with the bound. In 64 bit.

    Args:
        features: (N, C) phi of features.
        inputs: (N, C) phi of inputs.
        labels: (N,).

    Example:
        >>> sharp = torch.eye(4)
        >>> known = information(sharp, sharp, torch.arange(4))
        >>> round(known.features_inputs, 3), round(known.features_labels, 3), known.bottleneck
        (1.386, 1.386, 0.0)
    """
    rows, clusters = features.shape
    with_inputs = features.new_zeros(clusters, inputs.shape[1], dtype=torch.float64)
    with_labels = features.new_zeros(int(labels.max()) + 1, clusters, dtype=torch.float64)
    for part in _parts(rows):
        of_features, of_inputs = features[part].detach().double(), inputs[part].detach().double()
        with_inputs += of_features.T @ of_inputs
        with_labels.index_add_(0, labels[part], of_features)
    with_inputs, with_labels = with_inputs / rows, with_labels / rows
    return Information(
        features_inputs=mutual_information(with_inputs),
        features_labels=mutual_information(with_labels),
        entropy_inputs=entropy(with_inputs.sum(0)),
        entropy_features=entropy(with_inputs.sum(1)),
    )


def mutual_information(joint: Float[Tensor, "first second"]) -> float:
    """Of a joint distribution of sum 1, in nats.

    Example:
        >>> round(mutual_information(torch.eye(2) / 2), 4), mutual_information(torch.full((2, 2), 0.25))
        (0.6931, 0.0)
    """
    independent = joint.sum(1, keepdim=True) * joint.sum(0, keepdim=True)
    return float(torch.special.xlogy(joint, joint / independent.where(joint > 0, 1)).sum())


def entropy(distribution: Float[Tensor, "values"]) -> float:
    """In nats.

    Example:
        >>> round(entropy(torch.tensor([0.5, 0.5])), 4)
        0.6931
    """
    return float(torch.special.entr(distribution).sum())


def check_beta(beta: float) -> None:
    """Raise a RecipeError for a beta that is not finite, or below 0."""
    if not 0 <= beta < float("inf"):
        raise RecipeError(
            "beta",
            found=str(beta),
            expected="0 or more, and finite",
            remedy="1 is the default; larger values assign more sharply.",
        )


def _means(
    sums: Float[Tensor, "classes clusters"], counts: Int[Tensor, "classes"]
) -> Float[Tensor, "classes clusters"]:
    """Sums over rows to means; uniform for a class without rows."""
    means = sums / counts.clamp(min=1)[:, None]
    return means.where(counts[:, None] > 0, 1 / sums.shape[1])


def _parts(rows: int) -> Iterator[slice]:
    return (slice(start, start + ROWS_AT_ONCE) for start in range(0, rows, ROWS_AT_ONCE))


def _exact(vectors: Float[Tensor, "rows dim"]) -> Float[Tensor, "rows dim"]:
    """In 32 bit at least."""
    return vectors if vectors.dtype == torch.float64 else vectors.float()
