"""The information-bottleneck bound for very many classes: estimated from a sample of the clusters, Q never whole.

RIB's own open question: is n C too much where C is large? With 100,000 classes Q alone has 40 GB. What teaches is
(:mod:`.bottleneck`)

    - mean over i of  sum over a of  phi(F_i, a) log Q(a | y_i)

For a batch, the clusters of its own classes are taken whole, and S others stand for the rest, each with the weight
(C - P) / S, P the number of classes in the batch. The same sample estimates the sums of phi's softmax. Q(a | y) is
needed for these clusters and the batch's classes alone: the mean of phi over the rows that class y had in the epoch. So
a step costs (B + rows of its classes) x (P + S) x D, whatever C is, and an epoch its centroids, n x D. With S = C - P
the estimate is the full sum. ``benchmarks/bottleneck.py`` has its error and its cost.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from reknow.errors import RecipeError
from reknow.losses.bottleneck import CLAMP, assignment_logits, check_beta, class_centroids


class SampledBottleneck(nn.Module):
    """The estimate as a loss, with the centroids and the features of an epoch.

    Args:
        dim: D, the feature size.
        samples: S, clusters of other classes in each estimate.
        beta: as of :func:`.soft_assignments`.
        clamp: smallest probability that a logarithm is taken of.

    Attributes:
        centroids: (C, D).

    Raises:
        RecipeError: fewer than one sample, or a beta that is not finite, or below 0.

    Example:
        >>> sampled = SampledBottleneck(dim=3, samples=2)
        >>> sampled.rebuild(torch.eye(3), torch.arange(3), classes=3)
        >>> sampled(torch.eye(3), torch.arange(3)).round(decimals=3)
        tensor(0.6660)
    """

    centroids: Tensor

    def __init__(self, dim: int, samples: int = 1024, beta: float = 1.0, clamp: float = CLAMP) -> None:
        super().__init__()
        check_beta(beta)
        if samples < 1:
            raise RecipeError("samples", found=str(samples), expected="at least 1", remedy="1024 is the default.")
        self.samples = samples
        self.beta = beta
        self.clamp = clamp
        self.register_buffer("centroids", torch.zeros(0, dim), persistent=False)
        self._features = torch.zeros(0, dim)
        self._starts = torch.zeros(1, dtype=torch.long)

    @torch.no_grad()
    def rebuild(self, features: Float[Tensor, "rows dim"], labels: Int[Tensor, "rows"], classes: int) -> None:
        """Set the centroids, and keep the rows of each class together.

        Args:
            features: (N, D) of any length, wherever there is room for them.
            labels: (N,) from 0 to classes - 1.
            classes: C.
        """
        labels = labels.to(features.device)
        self.centroids = class_centroids(features, labels, classes).to(self.centroids.device)
        self._features = features.detach()[labels.argsort(stable=True)]
        counts = labels.bincount(minlength=classes)
        self._starts = torch.cat([counts.new_zeros(1), counts.cumsum(0)])

    def forward(self, features: Float[Tensor, "batch dim"], labels: Int[Tensor, "batch"]) -> Float[Tensor, ""]:
        """The estimate for a batch; clusters are drawn by torch's generator of the CPU."""
        own, position = labels.unique(return_inverse=True)
        others, weight = self._others(own)
        clusters = torch.cat([own, others])
        weights = self.centroids.new_ones(len(clusters))
        weights[len(own) :] = weight
        with torch.no_grad():
            rows, of_class = self._rows(own)
            assigned = self._assigned(rows, clusters, weights)
            sums = assigned.new_zeros(len(own), len(clusters)).index_add_(0, of_class, assigned)
            counts = of_class.bincount(minlength=len(own)).clamp(min=1)
            log = (sums / counts[:, None]).clamp(min=self.clamp).log()
        with torch.autocast(features.device.type, enabled=False):
            return -(self._assigned(features, clusters, weights) * weights * log[position]).sum(1).mean()

    def _others(self, own: Int[Tensor, "own"]) -> tuple[Int[Tensor, "others"], float]:
        """Clusters of other classes, and how many each of them stands for."""
        classes = len(self.centroids)
        left = classes - len(own)
        if self.samples >= left:
            there = torch.ones(classes, dtype=torch.bool, device=own.device)
            there[own] = False
            return there.nonzero()[:, 0], 1.0
        # With replacement, so that no table of all classes is shuffled in every step.
        drawn = torch.randint(0, left, (self.samples,)).to(own.device)
        # `drawn` counts the classes that are not in `own`: the own ones before it are counted in.
        before = own - torch.arange(len(own), device=own.device)
        return drawn + torch.searchsorted(before, drawn, right=True), left / self.samples

    def _rows(self, own: Int[Tensor, "own"]) -> tuple[Float[Tensor, "rows dim"], Int[Tensor, "rows"]]:
        """The epoch's features of these classes, and which of the classes each is of."""
        own = own.to(self._starts.device)
        counts = self._starts[own + 1] - self._starts[own]
        of_class = torch.repeat_interleave(torch.arange(len(own), device=own.device), counts)
        first = self._starts[own] - torch.cat([counts.new_zeros(1), counts.cumsum(0)[:-1]])
        rows = torch.arange(len(of_class), device=own.device) + first[of_class]
        device = self.centroids.device
        return self._features[rows].to(device), of_class.to(device)

    def _assigned(
        self, vectors: Float[Tensor, "rows dim"], clusters: Int[Tensor, "clusters"], weights: Float[Tensor, "clusters"]
    ) -> Float[Tensor, "rows clusters"]:
        """phi of the clusters, its sum estimated from them."""
        logits = assignment_logits(vectors, self.centroids[clusters], self.beta)
        return (logits - (logits + weights.log()).logsumexp(1, keepdim=True)).exp()
