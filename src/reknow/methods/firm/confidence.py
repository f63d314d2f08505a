"""How surely a picture belongs to a cluster, and the update of the memory by pictures that are sure (section 3.3.2).

In each view m the features of a batch are transported to the view's prototypes with cost 1 - cosine
(:func:`reknow.clustering.transport.sinkhorn`):

    omega^m_i  =  max over k of P^m_ik                                                 confidence
    Omega_i    =  omega^fusion_i > 0.5  and  max(omega^rgb_i, omega^infrared_i) > 0.4  gate
    p^m_k     <-  (1 - b) p^m_k + b f^m_i,  to length 1,    b = 0.2 omega^m_i          for k = argmax over P^fusion_i

Decisions. The paper names no marginals. Rows are transported whole and columns only roughly, with a slack of 0.05:
balanced columns take B / K rows each, and no entry is larger than its column. With 64 pictures and 400 clusters that is
0.16, and the gate never opens. A picture has one visual view, its own, and takes no part in the other. A feature that
points nowhere (shorter than 1e-6), and a picture that is left out, has a row of zeros: its confidence is 0. Plans of a
step are made once, before any update. Pictures of one cluster move it in the order of the batch. A prototype that is
invalid stays so until clusters are made anew.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from reknow.clustering.transport import sinkhorn
from reknow.errors import DataError, RecipeError
from reknow.fields import NonNegativeFloat, PositiveFloat, PositiveInt, check_fields
from reknow.losses.prototype_memory import occurrence
from reknow.methods.firm.cluster_memory import FUSION, INFRARED, RGB, ClusterMemory, check_rows, own_view, unit


@dataclass(frozen=True)
class Transport:
    """How features are transported to prototypes.

    Attributes:
        epsilon: weight of the entropy; a larger one spreads a picture over more clusters.
        iterations: updates of rows and columns.
        column_slack: what a deviation from equal shares of the clusters costs; None makes the shares equal, and then
            the gate hardly opens unless a batch has at least half as many pictures as there are clusters.
    """

    epsilon: PositiveFloat = 0.05
    iterations: PositiveInt = 5
    column_slack: NonNegativeFloat | None = 0.05

    def __post_init__(self) -> None:
        check_fields(self, "method.transport")


@dataclass(frozen=True)
class TransportPlans:
    """Where the pictures of a batch go, in each view.

    Attributes:
        plans: (3, B, K), without gradient; a row sums to 1, or is zeros where the picture takes no part in the view.
            Columns of invalid prototypes are zeros.
    """

    plans: Float[Tensor, "3 batch clusters"]

    @property
    def confidences(self) -> Float[Tensor, "3 batch"]:
        """omega: the largest entry of each row, 0 for a row of zeros."""
        if not self.plans.shape[2]:
            return self.plans.new_zeros(self.plans.shape[:2])
        return self.plans.amax(2)

    @property
    def clusters(self) -> Int[Tensor, "batch"]:
        """k*: the cluster that most of a picture goes to in the fusion view; -1 where its confidence there is 0."""
        if not self.plans.shape[2]:
            return torch.full(self.plans.shape[1:2], -1, device=self.plans.device)
        confidence, cluster = self.plans[FUSION].max(1)
        return cluster.where(confidence > 0, -1)


@torch.no_grad()
def transport_plans(
    memory: ClusterMemory,
    fusion: Float[Tensor, "batch dim"],
    visual: Float[Tensor, "batch dim"],
    infrared: Bool[Tensor, "batch"],
    kept: Bool[Tensor, "batch"] | None = None,
    transport: Transport | None = None,
) -> TransportPlans:
    """The plans of a batch.

    Args:
        memory: K clusters.
        fusion: (B, D) fusion features of any length.
        visual: (B, D) visual features of any length.
        infrared: (B,) whether a picture is an infrared one.
        kept: (B,) which pictures take part, such as those that are not noise; by default all.
        transport: by default as the paper.

    Returns:
        Plans in the memory's number format; zeros for an empty batch, or where no prototype is valid.

    Raises:
        DataError: features that are not finite, or of another shape.

    Example:
        >>> from reknow.methods.firm.cluster_memory import bootstrap
        >>> infrared = torch.tensor([False, True])
        >>> memory = bootstrap(torch.eye(2), torch.eye(2), infrared, torch.tensor([0, 1]))
        >>> plans = transport_plans(memory, torch.eye(2), torch.eye(2), infrared)
        >>> plans.clusters, plans.confidences
        (tensor([0, 1]), tensor([[1., 1.],
                [1., 0.],
                [0., 1.]]))
    """
    check_rows(fusion, visual, infrared, dim=memory.prototypes.shape[2])
    transport = transport or Transport()
    kept = torch.ones_like(infrared) if kept is None else kept
    plans = memory.prototypes.new_zeros(3, len(fusion), len(memory))
    # The similarities are divided by an epsilon of 0.05: 32 bit also under autocast.
    with torch.autocast(fusion.device.type, enabled=False):
        visual = unit(visual, "visual features")
        views = (unit(fusion, "fusion features"), kept), (visual, kept & ~infrared), (visual, kept & infrared)
        for view, (features, present) in enumerate(views):
            rows = (present & features.any(1)).nonzero()[:, 0]
            columns = memory.valid[:, view].nonzero()[:, 0]
            if len(rows) and len(columns):
                cosines = features[rows].to(plans) @ memory.prototypes[columns, view].T
                plans[view, rows[:, None], columns] = sinkhorn(
                    1 - cosines,
                    epsilon=transport.epsilon,
                    iterations=transport.iterations,
                    column_slack=transport.column_slack,
                )
    return TransportPlans(plans)


def check_plan(plan: Float[Tensor, "..."], pictures: int, clusters: int) -> None:
    """Raise a DataError for a plan of other pictures or clusters, which torch would broadcast."""
    if tuple(plan.shape) != (pictures, clusters):
        raise DataError(
            "plan",
            found=f"shape {tuple(plan.shape)}",
            expected=f"({pictures}, {clusters}), pictures x clusters",
            remedy="Pass the plan that was made of these pictures and this memory.",
        )


def open_gate(confidences: Float[Tensor, "3 batch"], fusion: float = 0.5, own: float = 0.4) -> Bool[Tensor, "batch"]:
    """Omega: which pictures are sure enough to move a cluster.

    Args:
        confidences: (3, B) omega; of the two visual views a picture's other one is 0.
        fusion: confidence that must be exceeded in the fusion view.
        own: likewise in the picture's own visual view.

    Example:
        >>> open_gate(torch.tensor([[0.9, 0.9, 0.5], [0.5, 0.0, 0.9], [0.0, 0.4, 0.0]]))
        tensor([ True, False, False])
    """
    return (confidences[FUSION] > fusion) & (confidences[[RGB, INFRARED]].amax(0) > own)


@torch.no_grad()
def update(
    memory: ClusterMemory,
    fusion: Float[Tensor, "batch dim"],
    visual: Float[Tensor, "batch dim"],
    infrared: Bool[Tensor, "batch"],
    plans: TransportPlans,
    gate: Bool[Tensor, "batch"],
    rate: float = 0.2,
) -> None:
    """Move the clusters of the pictures whose gate is open, in place: prototypes, n and s (eq. 14).

    For after the optimizer's step, since the losses keep the prototypes for their gradients.

    Args:
        memory: K clusters.
        fusion: (B, D) fusion features of any length, as of the step.
        visual: (B, D) visual features of any length.
        infrared: (B,) whether a picture is an infrared one.
        plans: of the same pictures.
        gate: (B,) whether a picture moves its cluster; one that goes to no cluster does not.
        rate: b at confidence 1, below 1/2, so that no feature can cancel a prototype.

    Raises:
        DataError: features that are not finite or of another shape, or plans of other pictures or clusters.
        RecipeError: a rate that is not from 0 to below 1/2.
    """
    check_rows(fusion, visual, infrared, dim=memory.prototypes.shape[2])
    check_plan(plans.plans[FUSION], len(fusion), len(memory))
    if not 0 <= rate < 0.5:
        raise RecipeError("rate", found=f"{rate:g}", expected="from 0 to below 0.5", remedy="0.2 is the paper's.")
    confidences, clusters = plans.confidences, plans.clusters
    rows = (gate & (clusters >= 0)).nonzero()[:, 0]
    clusters, own = clusters[rows], own_view(infrared[rows])
    sure = confidences[FUSION, rows]
    # Of each picture two moves, of the fusion prototype and of its own view's, which do not touch each other.
    toward = torch.cat([unit(fusion[rows], "fusion features"), unit(visual[rows], "visual features")])
    memory.counts.index_add_(0, clusters, torch.ones_like(clusters, dtype=memory.counts.dtype))
    memory.confidence_sums.index_add_(0, clusters, sure.to(memory.confidence_sums))
    cluster, view = torch.cat([clusters, clusters]), torch.cat([torch.full_like(own, FUSION), own])
    share = rate * torch.cat([sure, confidences[own, rows]])[:, None]
    exists = memory.valid[cluster, view]
    cluster, view, toward, share = cluster[exists], view[exists], toward[exists].to(share), share[exists]
    # First the first moves of all prototypes together, then the second ones, and so on: the same as in batch order.
    turn = occurrence(3 * cluster + view)
    order, moves = turn.argsort(stable=True), turn.bincount().tolist()
    turns = zip(*(part[order].split(moves) for part in (cluster, view, toward, share)), strict=True)
    for cluster, view, toward, share in turns:
        moved = torch.lerp(memory.prototypes[cluster, view], toward, share)
        memory.prototypes[cluster, view] = functional.normalize(moved, dim=1)
