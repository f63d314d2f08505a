"""Cluster contrast: cluster the unlabelled pictures, learn to tell the clusters apart, repeat.

Dai et al., "Cluster Contrast for Unsupervised Person Re-Identification" (ACCV 2022). Per epoch: embed everything,
Jaccard distances of k-reciprocal neighbors, DBSCAN, prototypes from the clusters' means; per step: cross-entropy
over the prototypes (:mod:`.memory`). Outliers do not train. Identities are read for one purpose: the logged
purity, where they exist.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from reknow.clustering.dbscan import PseudoLabels, pseudo_labels
from reknow.data.batch import Batch
from reknow.data.manifest import Manifest
from reknow.errors import DataError
from reknow.methods.cluster_contrast.memory import PrototypeMemory, Update
from reknow.methods.method import EpochPlan, Method, MethodConfig, Survey, gathered
from reknow.models.embedder import Embedder


@dataclass(frozen=True, kw_only=True)
class Clustering:
    """How pseudo-labels are made each epoch (spec TCMM section 2.3).

    Attributes:
        eps: largest Jaccard distance between neighbors, in (0, 1), or ``auto``: from the k-distance curve.
        min_samples: neighbors, itself included, that make a core.
        k1: size of the reciprocal neighborhoods.
        k2: neighbors that a row is averaged over.
    """

    eps: float | Literal["auto"] = 0.6
    min_samples: int = 4
    k1: int = 30
    k2: int = 6

    def __call__(self, embeddings: Tensor) -> PseudoLabels:
        """Pseudo-labels of unit rows."""
        return pseudo_labels(embeddings, eps=self.eps, min_samples=self.min_samples, k1=self.k1, k2=self.k2)


@dataclass(frozen=True, kw_only=True)
class ClusterContrastConfig(MethodConfig):
    """Settings of cluster contrast.

    Attributes:
        clustering: how pseudo-labels are made.
        momentum: share of the old prototype that an update keeps (authors' code: 0.1).
        temperature: of the softmax over prototypes.
        update: ``hard`` or ``plain``, see :class:`PrototypeMemory`.
    """

    clustering: Clustering = Clustering()
    momentum: float = 0.1
    temperature: float = 0.05
    update: Update = "plain"

    def build(self, network: Embedder, manifest: Manifest) -> ClusterContrast:
        """The method for these training rows, which need neither identity nor camera."""
        if len(manifest) < 2:
            raise DataError(
                manifest.name,
                found=f"{len(manifest)} picture to train on",
                expected="at least 2",
                remedy="Add pictures.",
            )
        memory = PrototypeMemory(network.dim, self.momentum, self.temperature, self.update)
        return ClusterContrast(network, memory, self.clustering, manifest.codes("identity"))


class ClusterContrast(Method):
    """Clusters are classes.

    Args:
        network: from pictures to unit vectors.
        memory: holds the prototypes.
        clustering: makes pseudo-labels of the survey.
        identities: (N,) true identities, -1 where unknown; for the logged purity alone.
    """

    def __init__(
        self, network: Embedder, memory: PrototypeMemory, clustering: Clustering, identities: np.ndarray
    ) -> None:
        super().__init__(network)
        self.memory = memory
        self.clustering = clustering
        self.identities = identities
        self.last_labels: Tensor
        self.register_buffer("last_labels", torch.full((len(identities),), -1))
        self._moved: tuple[Tensor, Tensor] | None = None

    def before_epoch(self, epoch: int, survey: Survey) -> EpochPlan:
        """Cluster; where that yields nothing to learn from, keep the last good labels."""
        embeddings = survey()
        found = self.clustering(embeddings)
        notes = (found.warning,) if found.warning else ()
        labels = torch.from_numpy(found.labels)
        if found.num_clusters < 2:
            # One prototype or none gives no gradient. Old labels on new features still pull the right way.
            if int(self.last_labels.max()) < 1:
                labels = torch.arange(len(labels))
                notes = (*notes, "No earlier clusters to fall back on: each picture is its own cluster this epoch.")
            else:
                labels = self.last_labels.cpu()
                notes = (*notes, "This epoch trains on the last good clusters.")
        self.last_labels.copy_(labels)
        self.memory.rebuild(embeddings, labels)
        rows = np.flatnonzero(labels.numpy() >= 0)
        diagnostics = {
            "clusters": float(found.num_clusters),
            "outliers": float(found.num_outliers),
            "rows": float(len(labels)),
            "eps": float(found.eps),
            **agreement(labels.numpy(), self.identities),
        }
        return EpochPlan(rows, labels.numpy()[rows], diagnostics, notes)

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """``prototype``: which cluster is this picture of?"""
        embeddings = self.embed(batch)
        self._moved = (embeddings.detach(), batch.label)
        return {"prototype": self.memory(embeddings, batch.label)}

    def after_step(self, batch: Batch) -> None:
        """The prototypes follow the batch that has just been learned."""
        if self._moved is not None:
            embeddings, labels = self._moved
            self.memory.update(gathered(embeddings), gathered(labels))
            self._moved = None


def agreement(labels: Int[np.ndarray, "rows"], identities: Int[np.ndarray, "rows"]) -> dict[str, float]:
    """How clusters agree with identities, where those are known; empty where they are not.

    Returns:
        ``purity``: share of clustered rows whose identity is their cluster's most frequent one;
        ``identities``: how many there are.
    """
    known = (labels >= 0) & (identities >= 0)
    if not known.any():
        return {}
    pairs, counts = np.unique(np.stack([labels[known], identities[known]]), axis=1, return_counts=True)
    most = np.zeros(labels.max() + 1, dtype=np.int64)
    np.maximum.at(most, pairs[0], counts)
    return {"purity": float(most.sum() / known.sum()), "identities": float(len(np.unique(identities[identities >= 0])))}
