"""Clustered: what methods share that learn from clusters of the unlabelled pictures, computed anew each epoch.

Per epoch: embed everything, Jaccard distances of k-reciprocal neighbors, DBSCAN, prototypes from the clusters' means
(:class:`~reknow.losses.prototype_memory.PrototypeMemory`); outliers do not train. Per step the memories are updated
with the pictures of the whole batch. The losses against the memories belong to each method: cluster contrast has one,
TCMM three.

An epoch that has fewer than two clusters trains on the last good labels; without any, each picture is its own cluster
(decision 9 in docs/methods/cluster_contrast.md).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from reknow.clustering.centering import without_group_means
from reknow.clustering.dbscan import PseudoLabels, pseudo_labels
from reknow.clustering.final_groups import final_groups
from reknow.clustering.graph import Size, check_averaged
from reknow.distributed import from_first, gathered
from reknow.errors import DataError
from reknow.fields import Bounds, NonNegativeFloat, PositiveFloat, Share, check_fields
from reknow.losses.bottleneck import Bottleneck
from reknow.losses.prototype_memory import PrototypeMemory, Update
from reknow.methods.method import EpochPlan, Method, MethodConfig
from reknow.methods.training_set import TrainingSet
from reknow.models.embedder import Embedder
from reknow.observation import Batch

LAST_CLUSTERS = "This epoch trains on the last good clusters."
NO_CLUSTERS = "No earlier clusters to fall back on: each picture is its own cluster this epoch."
"""What a user is told of an epoch with fewer than two clusters (decision 9)."""


@dataclass(frozen=True, kw_only=True)
class Clustering:
    """How pseudo-labels are made each epoch (decisions 4 to 8 in docs/methods/cluster_contrast.md).

    Attributes:
        eps: largest Jaccard distance between neighbors, above 0 and below 1; auto computes it from the data in each
            epoch.
        min_samples: neighbors, itself included, that a picture needs to be the core of a cluster; auto computes the
            number from the data in each epoch.
        k1: neighbors in the list of a picture that k-reciprocal neighborhoods are made from, itself included; auto as
            in min_samples.
        k2: nearest neighbors that the encoding of a picture is averaged over; auto as in min_samples.
        camera_centered: subtract each camera's mean embedding before clustering, where cameras are known; not in the
            paper. A camera's background and color then no longer hold its pictures together: on three target worlds
            it raised the first clusters' purity from 0.58-0.78 to 0.65-0.82.
    """

    eps: Annotated[float, Bounds(0, 1, above=True, below=True)] | Literal["auto"] = 0.6
    min_samples: Size = 4
    k1: Size = 30
    k2: Size = 6
    camera_centered: bool = False

    def __post_init__(self) -> None:
        check_fields(self, "method.clustering")
        check_averaged("method.clustering.k2", self.k1, self.k2)

    def __call__(self, embeddings: Tensor, cameras: Int[np.ndarray, "rows"], halved: bool = False) -> PseudoLabels:
        """Pseudo-labels of unit rows.

        Args:
            embeddings: (N, D), of length 1.
            cameras: (N,) codes, -1 where unknown.
            halved: whether two halves of the embeddings are compared.
        """
        if self.camera_centered and len(np.unique(cameras)) > 1:
            embeddings = without_group_means(embeddings, torch.from_numpy(cameras).to(embeddings.device))
        eps, min_samples, k1, k2 = self.eps, self.min_samples, self.k1, self.k2
        if halved:
            return final_groups(embeddings, eps=eps, min_samples=min_samples, k1=k1, k2=k2, lowered=False).groups
        return pseudo_labels(embeddings, eps=eps, min_samples=min_samples, k1=k1, k2=k2)


def where_it_fits(
    cluster: Callable[[Tensor], PseudoLabels], embeddings: Float[Tensor, "rows dim"], device: torch.device
) -> PseudoLabels:
    """Pseudo-labels with the neighbor search on a device; on the CPU if the rows do not fit there."""
    try:
        return cluster(embeddings.to(device))
    except torch.OutOfMemoryError:
        return cluster(embeddings.cpu())


@dataclass(frozen=True, kw_only=True)
class ClusteredConfig(MethodConfig):
    """Settings that such methods share.

    Attributes:
        clustering: how pseudo-labels are made.
        momentum: share of the old prototype that an update keeps, from 0 to 1.
        temperature: temperature of the softmax over prototypes; similarities are divided by it.
        update: hard moves a prototype toward the picture of its cluster in the batch that is least similar to it,
            plain toward each picture of its cluster in turn.
        bottleneck_weight: weight of RIB's bound on the information bottleneck, with clusters as classes; 0 leaves it
            out, as the papers of these methods do.
        bottleneck_beta: how sharply the bound assigns embeddings to clusters.
    """

    clustering: Clustering = Clustering()
    momentum: Share = 0.1
    temperature: PositiveFloat = 0.05
    update: Update = "plain"
    bottleneck_weight: NonNegativeFloat = 0.0
    bottleneck_beta: NonNegativeFloat = 1.0

    def __post_init__(self) -> None:
        check_fields(self, "method")


class Clustered(Method):
    """Clusters are classes.

    Args:
        network: from pictures to unit vectors.
        training_set: N rows, which need neither identity nor camera.
        config: see :class:`ClusteredConfig`.

    Attributes:
        compares_halves: whether the method needs the agreement of two halves of the embeddings in each epoch.

    Raises:
        DataError: fewer than two rows.
    """

    network: Embedder
    compares_halves = False

    def __init__(self, network: Embedder, training_set: TrainingSet, config: ClusteredConfig) -> None:
        super().__init__(network)
        if len(training_set) < 2:
            raise DataError(
                training_set.manifest.name,
                found=f"{len(training_set)} picture to train on",
                expected="at least 2",
                remedy="Add pictures.",
            )
        self.memory = PrototypeMemory(network.dim, config.momentum, config.temperature, config.update)
        self.bottleneck_weight = config.bottleneck_weight
        self.bottleneck = Bottleneck(network.dim, config.bottleneck_beta) if config.bottleneck_weight else None
        self.clustering = config.clustering
        self.last_labels: Tensor
        self.register_buffer("last_labels", torch.full((len(training_set),), -1))
        self.have_clustered: Tensor
        self.register_buffer("have_clustered", torch.tensor(False))  # whether any epoch had clusters
        self._parts: list[tuple[Tensor, Tensor, Tensor]] = []

    def before_epoch(self, epoch: int, training_set: TrainingSet) -> EpochPlan:
        """Cluster; where that yields nothing to learn from, keep the last good labels."""
        return self.planned(training_set.embed(self.embed), training_set.cameras)

    def planned(self, embeddings: Float[Tensor, "rows dim"], cameras: Int[np.ndarray, "rows"]) -> EpochPlan:
        """The plan and the prototypes that follow from the embedded rows."""
        clusters = from_first(lambda: self._clusters(embeddings, cameras))
        notes = (clusters.warning,) if clusters.warning else ()
        labels = torch.from_numpy(clusters.labels)
        if clusters.num_clusters < 2:
            if self.have_clustered:
                labels = self.last_labels.cpu()
                notes = (*notes, LAST_CLUSTERS)
            else:
                labels = torch.arange(len(labels))
                notes = (*notes, NO_CLUSTERS)
        else:
            self.have_clustered.fill_(True)
        self.last_labels.copy_(labels)
        self.memory.rebuild(embeddings, labels)
        if self.bottleneck is not None:
            self.bottleneck.rebuild(embeddings, labels, int(labels.max()) + 1)
        rows = np.flatnonzero(labels.numpy() >= 0)
        diagnostics = {
            "clusters": float(clusters.num_clusters),
            "outliers": float(clusters.num_outliers),
            "rows": float(len(labels)),
            "alone": float(clusters.num_alone),
            "eps": float(clusters.eps),
            "k1": float(clusters.sizes.k1),
            "k2": float(clusters.sizes.k2),
            "min_samples": float(clusters.sizes.min_samples),
        }
        if clusters.agreement is not None:
            diagnostics["agreement"] = clusters.agreement
        return EpochPlan(rows, labels.numpy()[rows], diagnostics, notes)

    def _clusters(self, embeddings: Float[Tensor, "rows dim"], cameras: Int[np.ndarray, "rows"]) -> PseudoLabels:
        """Pseudo-labels, made where the network is."""
        return where_it_fits(
            lambda rows: self.clustering(rows, cameras, self.compares_halves), embeddings, self.memory.prototypes.device
        )

    def bottleneck_term(
        self, embeddings: Float[Tensor, "batch dim"], labels: Int[Tensor, "batch"]
    ) -> dict[str, Float[Tensor, ""]]:
        """``bottleneck``, where it has a weight."""
        if self.bottleneck is None:
            return {}
        return {"bottleneck": self.bottleneck_weight * self.bottleneck(embeddings, labels)}

    def remember(self, batch: Batch, embeddings: Float[Tensor, "batch dim"]) -> None:
        """Keep a part of the step's pictures until the step is over."""
        self._parts.append((embeddings.detach().float(), batch.label, batch.index))

    def after_step(self, batch: Batch) -> None:
        """Update the memories with all pictures of the step, those of other processes included."""
        if self._parts:
            self.follow(*(gathered(torch.cat(parts)) for parts in zip(*self._parts, strict=True)))
            self._parts.clear()

    def follow(
        self, embeddings: Float[Tensor, "batch dim"], labels: Int[Tensor, "batch"], index: Int[Tensor, "batch"]
    ) -> None:
        """Move the prototypes toward the pictures of a step; subclasses with further memories extend this."""
        self.memory.update(embeddings, labels)
