"""Clustered: what methods share that learn from clusters of the unlabelled pictures, found anew each epoch.

Per epoch: embed everything, Jaccard distances of k-reciprocal neighbors, DBSCAN, prototypes from the clusters' means
(:class:`~reknow.losses.prototype_memory.PrototypeMemory`); outliers do not train. Per step the memories follow the
pictures of the whole batch. Which losses are taken against them is the method's own business: cluster contrast has one,
TCMM three.

Decision: an epoch that finds fewer than two clusters trains on the last good labels, since one prototype gives no
gradient and old labels on new features still pull the right way; without any, each picture is its own cluster.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from reknow.clustering.dbscan import PseudoLabels, Size, pseudo_labels
from reknow.distributed import from_first, gathered
from reknow.errors import DataError
from reknow.fields import Bounds, PositiveFloat, Share, check_fields
from reknow.losses.prototype_memory import PrototypeMemory, Update
from reknow.methods.method import EpochPlan, Method, MethodConfig
from reknow.methods.training_set import TrainingSet
from reknow.models.embedder import Embedder
from reknow.observation import Batch


@dataclass(frozen=True, kw_only=True)
class Clustering:
    """How pseudo-labels are made each epoch (spec TCMM section 2.3).

    Attributes:
        eps: largest Jaccard distance between neighbors, in (0, 1), or ``auto``: from the k-distance curve.
        min_samples: neighbors, itself included, that make a core.
        k1: size of the reciprocal neighborhoods.
        k2: neighbors that a row is averaged over. Each of these three may be ``auto``: it then follows how many near
            neighbors the rows have, anew in each epoch (:mod:`reknow.clustering.automatic`).
        camera_centered: subtract each camera's mean embedding before clustering, where cameras are known. Not in the
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

    def __call__(self, embeddings: Tensor, cameras: Int[np.ndarray, "rows"]) -> PseudoLabels:
        """Pseudo-labels of unit rows; cameras are codes, -1 where unknown."""
        if self.camera_centered and len(np.unique(cameras)) > 1:
            embeddings = without_camera_means(embeddings, torch.from_numpy(cameras))
        return pseudo_labels(embeddings, eps=self.eps, min_samples=self.min_samples, k1=self.k1, k2=self.k2)


@dataclass(frozen=True, kw_only=True)
class ClusteredConfig(MethodConfig):
    """Settings that such methods share.

    Attributes:
        clustering: how pseudo-labels are made.
        momentum: share of the old prototype that an update keeps.
        temperature: of the softmax over prototypes.
        update: ``hard`` or ``plain``, see :class:`PrototypeMemory`.
    """

    clustering: Clustering = Clustering()
    momentum: Share = 0.1
    temperature: PositiveFloat = 0.05
    update: Update = "plain"

    def __post_init__(self) -> None:
        check_fields(self, "method")


class Clustered(Method):
    """Clusters are classes.

    Args:
        network: from pictures to unit vectors.
        training_set: N rows, which need neither identity nor camera.
        config: see :class:`ClusteredConfig`.

    Raises:
        DataError: fewer than two rows.
    """

    network: Embedder

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
        self.clustering = config.clustering
        self.last_labels: Tensor
        self.register_buffer("last_labels", torch.full((len(training_set),), -1))
        self.have_clustered: Tensor
        self.register_buffer("have_clustered", torch.tensor(False))  # whether `last_labels` ever were clusters
        self._step: list[tuple[Tensor, Tensor, Tensor]] = []

    def before_epoch(self, epoch: int, training_set: TrainingSet) -> EpochPlan:
        """Cluster; where that yields nothing to learn from, keep the last good labels."""
        return self.planned(training_set.embed(self.embed), training_set.cameras)

    def planned(self, embeddings: Float[Tensor, "rows dim"], cameras: Int[np.ndarray, "rows"]) -> EpochPlan:
        """The plan and the prototypes that follow from the embedded rows."""
        found = from_first(lambda: self.clustering(embeddings, cameras))
        notes = (found.warning,) if found.warning else ()
        labels = torch.from_numpy(found.labels)
        if found.num_clusters < 2:
            if self.have_clustered:
                labels = self.last_labels.cpu()
                notes = (*notes, "This epoch trains on the last good clusters.")
            else:
                labels = torch.arange(len(labels))
                notes = (*notes, "No earlier clusters to fall back on: each picture is its own cluster this epoch.")
        else:
            self.have_clustered.fill_(True)
        self.last_labels.copy_(labels)
        self.memory.rebuild(embeddings, labels)
        rows = np.flatnonzero(labels.numpy() >= 0)
        diagnostics = {
            "clusters": float(found.num_clusters),
            "outliers": float(found.num_outliers),
            "rows": float(len(labels)),
            "alone": float(found.num_alone),
            "eps": float(found.eps),
            "k1": float(found.sizes.k1),
            "k2": float(found.sizes.k2),
            "min_samples": float(found.sizes.min_samples),
        }
        return EpochPlan(rows, labels.numpy()[rows], diagnostics, notes)

    def remember(self, batch: Batch, embeddings: Float[Tensor, "batch dim"]) -> None:
        """Keep a part of the step's pictures until the step is over."""
        self._step.append((embeddings.detach().float(), batch.label, batch.index))

    def after_step(self, batch: Batch) -> None:
        """The memories follow all pictures of the step, those of other processes included."""
        if self._step:
            self.follow(*(gathered(torch.cat(parts)) for parts in zip(*self._step, strict=True)))
            self._step.clear()

    def follow(
        self, embeddings: Float[Tensor, "batch dim"], labels: Int[Tensor, "batch"], index: Int[Tensor, "batch"]
    ) -> None:
        """Move what is kept of earlier steps toward this one."""
        self.memory.update(embeddings, labels)


def without_camera_means(
    embeddings: Float[Tensor, "rows dim"], cameras: Int[Tensor, "rows"]
) -> Float[Tensor, "rows dim"]:
    """Unit rows minus the mean row of their camera, at length 1 again; rows of unknown camera (-1) share a mean too.

    Example:
        >>> rows = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.8, 0.6], [0.0, 1.0]])
        >>> without_camera_means(rows, torch.tensor([0, 0, 1, 1])).round(decimals=2)
        tensor([[ 0.4500, -0.8900],
                [-0.4500,  0.8900],
                [ 0.8900, -0.4500],
                [-0.8900,  0.4500]])
    """
    _, group = cameras.unique(return_inverse=True)
    sums = torch.zeros(int(group.max()) + 1, embeddings.shape[1]).index_add_(0, group, embeddings)
    centered = embeddings - (sums / group.bincount()[:, None])[group]
    # A camera's only row is its mean: it has no direction left, and keeps the one it had.
    return functional.normalize(torch.where(centered.norm(dim=1, keepdim=True) > 1e-6, centered, embeddings), dim=1)
