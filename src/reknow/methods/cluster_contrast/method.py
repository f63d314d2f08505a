"""Cluster contrast: cluster the unlabelled pictures, learn to tell the clusters apart, repeat.

Dai et al., "Cluster Contrast for Unsupervised Person Re-Identification" (ACCV 2022). Epochs, prototypes and their
momentum are those of :mod:`reknow.methods.clustered`; per step, cross-entropy over the prototypes.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from reknow.methods.clustered import Clustered, ClusteredConfig, Clustering
from reknow.methods.method import Moment
from reknow.methods.training_set import TrainingSet
from reknow.models.embedder import Embedder
from reknow.observation import Batch

__all__ = ["ClusterContrast", "ClusterContrastConfig", "Clustering"]


@dataclass(frozen=True, kw_only=True)
class ClusterContrastConfig(ClusteredConfig):
    """Settings of cluster contrast: the authors' momentum (0.1) and, of the two updates, the plain one."""

    def build(self, network: Embedder, training_set: TrainingSet) -> ClusterContrast:
        """The method for these training rows, which need neither identity nor camera."""
        return ClusterContrast(network, training_set, self)


class ClusterContrast(Clustered):
    """Clusters are classes; one loss, against their prototypes."""

    def losses(self, batch: Batch, moment: Moment) -> dict[str, Tensor]:
        """``prototype``: cross-entropy of the picture's cluster over all prototypes (eq. 2)."""
        embeddings = self.embed(batch)
        self.remember(batch, embeddings)
        return {"prototype": self.memory(embeddings, batch.label), **self.bottleneck_term(embeddings, batch.label)}
