"""Contrast with prototypes, and the memory that holds one prototype per cluster (Dai et al., "Cluster Contrast", ACCV
2022).

The loss is InfoNCE over one unit vector per class (eq. 2): a feature is compared with all prototypes. TCMM has the same
term. Prototypes are constants of the loss. After the step they move toward the batch's features by momentum. `momentum`
is the share of the OLD prototype, as in the authors' code: 0.1 keeps a tenth. Gradients use the prototypes as they were
before the step's update (decisions 1 to 3 in docs/methods/cluster_contrast.md).
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from reknow.growing import GrowingBuffers

Update = Literal["hard", "plain"]


def prototype_contrast(
    features: Float[Tensor, "batch dim"],
    prototypes: Float[Tensor, "classes dim"],
    labels: Int[Tensor, "batch"],
    temperature: float = 0.05,
) -> Float[Tensor, ""]:
    """Mean cross-entropy of the similarities to all prototypes.

    Args:
        features: (B, D), unit rows.
        prototypes: (C, D), unit rows.
        labels: (B,) the number of each feature's own prototype.
        temperature: divides the cosines; a smaller one gives more weight to the nearest prototypes.

    Example:
        >>> prototype_contrast(torch.eye(2), torch.eye(2), torch.tensor([0, 1]), temperature=1.0)
        tensor(0.3133)
    """
    # 32 bit also under autocast: over a temperature of 0.05, bf16 would round a logit of 16 to the next 0.125.
    with torch.autocast(features.device.type, enabled=False):
        return functional.cross_entropy(features.to(prototypes) @ prototypes.T / temperature, labels)


class PrototypeMemory(GrowingBuffers):
    """Cluster prototypes, rebuilt every epoch and moved every step.

    Args:
        dim: D, the embedding size.
        momentum: share of the old prototype that an update keeps, in [0, 1].
        temperature: of the softmax over prototypes.
        update: ``hard`` moves a prototype to the batch member that is least like it; ``plain`` moves it to every
            member in turn. The authors of cluster contrast report that `hard` is better when tuned and `plain` is more
            robust.

    Example:
        >>> memory = PrototypeMemory(dim=2)
        >>> memory.rebuild(torch.eye(2), torch.tensor([0, 1]))
        >>> memory.prototypes
        tensor([[1., 0.],
                [0., 1.]])
    """

    growing = ("prototypes",)
    prototypes: Tensor

    def __init__(self, dim: int, momentum: float = 0.1, temperature: float = 0.05, update: Update = "hard") -> None:
        super().__init__()
        self.momentum = momentum
        self.temperature = temperature
        self.update_rule: Update = update
        self.register_buffer("prototypes", torch.zeros(0, dim))

    @torch.no_grad()
    def rebuild(self, embeddings: Float[Tensor, "rows dim"], labels: Int[Tensor, "rows"]) -> None:
        """Set prototypes to the normalized means of their clusters; outliers (label -1) are left out."""
        labels = labels.to(embeddings.device)
        kept = labels >= 0
        count = int(labels.max().item()) + 1 if len(labels) else 0
        sums = embeddings.new_zeros(count, embeddings.shape[1])
        sums.index_add_(0, labels[kept], embeddings[kept])
        # Normalization removes the length, so sums give the same as means.
        self.prototypes = functional.normalize(sums, dim=1).to(self.prototypes)

    def forward(self, embeddings: Float[Tensor, "batch dim"], labels: Int[Tensor, "batch"]) -> Float[Tensor, ""]:
        """Cross-entropy of the similarities to all prototypes, over the temperature."""
        # Cloned, so that an update before backward cannot change the gradient.
        return prototype_contrast(embeddings, self.prototypes.clone(), labels, self.temperature)

    @torch.no_grad()
    def update(self, embeddings: Float[Tensor, "batch dim"], labels: Int[Tensor, "batch"]) -> None:
        """Move the prototypes of the clusters in this batch; the others stay equal to the bit."""
        present, group = labels.unique(return_inverse=True)
        embeddings = embeddings.to(self.prototypes)
        if self.update_rule == "hard":
            self._move(present, embeddings[self._hardest(embeddings, labels, group, len(present))])
            return
        # The k-th members of all clusters are applied together. The order within a cluster is the batch's, and the
        # number of turns is the size of the largest cluster, not the number of rows in the batch.
        turn = occurrence(group)
        for k in range(int(turn.max().item()) + 1 if len(turn) else 0):
            members = turn == k
            self._move(labels[members], embeddings[members])

    def _hardest(self, embeddings: Tensor, labels: Tensor, group: Tensor, groups: int) -> Tensor:
        """Per cluster, the first batch row with the smallest similarity to its prototype."""
        similarity = (embeddings * self.prototypes[labels]).sum(1)
        smallest = similarity.new_full((groups,), torch.inf).scatter_reduce(0, group, similarity, "amin")
        row = torch.arange(len(labels), device=labels.device)
        candidates = torch.where(similarity == smallest[group], row, len(labels))
        return row.new_full((groups,), len(labels)).scatter_reduce(0, group, candidates, "amin")

    def _move(self, clusters: Tensor, toward: Tensor) -> None:
        moved = self.momentum * self.prototypes[clusters] + (1 - self.momentum) * toward
        self.prototypes[clusters] = functional.normalize(moved, dim=1)


def occurrence(group: Int[Tensor, "batch"]) -> Int[Tensor, "batch"]:
    """The number of earlier rows of the batch in the same group; groups are numbers from 0 on.

    Example:
        >>> occurrence(torch.tensor([0, 1, 0, 0]))
        tensor([0, 0, 1, 2])
    """
    order = group.argsort(stable=True)
    position = torch.arange(len(group), device=group.device)
    counts = group.bincount()
    starts = counts.cumsum(0) - counts
    occurrence = torch.empty_like(group)
    occurrence[order] = position - starts[group[order]]
    return occurrence
