"""Cluster contrast across spectra: visible and infrared pictures of the same individuals, unpaired and unlabelled.

What the field's methods have in common (ADCA: Yang et al., ACM MM 2022; RPNR: Yin et al., 2024), in two stages. First
each spectrum is clustered and contrasted with its own prototypes, on one trunk that both train. Then, anew in each
epoch, clusters of different spectra are matched by optimal transport (:mod:`reknow.clustering.matching`); matched ones
share a prototype in a second memory, and every picture is contrasted with that memory, too. Channel exchange and gray
pictures, which make visible pictures more like infrared ones, are the recipe's augmentation.

Decisions are numbered in docs/methods/cluster_contrast.md, from 16 on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from reknow.distributed import from_first
from reknow.fields import NonNegativeFloat, Share, check_fields
from reknow.losses.prototype_memory import PrototypeMemory, prototype_contrast
from reknow.methods.clustered import Clustered, ClusteredConfig
from reknow.methods.diagnostic import Diagnostic
from reknow.methods.matched_pictures import matched_pictures
from reknow.methods.method import EpochPlan, Moment
from reknow.methods.spectrum_clusters import (
    check_network,
    matched_groups,
    ranges_of,
    rows_of_spectra,
    spectrum_clusters,
)
from reknow.methods.training_set import TrainingSet
from reknow.models.cross_spectrum import CrossSpectrumEmbedder
from reknow.observation import Batch


@dataclass(frozen=True, kw_only=True)
class AcrossSpectraConfig(ClusteredConfig):
    """Settings.

    Attributes:
        apart: share of the run in which each spectrum learns from its own clusters alone; 1 leaves out the matching.
        one_sided: whether a cluster that no other one matches joins the pair of the cluster that it is most like.
        shared_weight: weight of the contrast with the prototypes that matched clusters share.
    """

    apart: Share = 0.5
    one_sided: bool = False
    shared_weight: NonNegativeFloat = 1.0

    def __post_init__(self) -> None:
        check_fields(self, "method")

    def build(self, network: CrossSpectrumEmbedder, training_set: TrainingSet) -> AcrossSpectra:
        """The method for these training rows, which need neither identity nor camera, and pictures of two spectra.

        Raises:
            DataError: pictures of one spectrum alone, or observations with pictures in several.
            RecipeError: a network that reads one spectrum alone, or several of an observation.
        """
        check_network(network, CrossSpectrumEmbedder, "cluster_contrast/visible_infrared")
        return AcrossSpectra(network, training_set, self)


class AcrossSpectra(Clustered):
    """Clusters of each spectrum are classes; matched ones are one class, too.

    Args:
        network: reads one picture of an observation, in any of its spectra.
        training_set: N rows, each with a picture in one spectrum.
        config: see :class:`AcrossSpectraConfig`.

    Attributes:
        last_labels: (N,) each row's cluster in its own spectrum; clusters of different spectra have different numbers.
        last_groups: (N,) the same numbers where matched clusters have one; -1 before clusters are matched.
        counts: clusters of each spectrum of `rows`, in its order; their numbers follow each other.
    """

    def __init__(self, network: CrossSpectrumEmbedder, training_set: TrainingSet, config: AcrossSpectraConfig) -> None:
        super().__init__(network, training_set, config)
        self.apart, self.one_sided, self.shared_weight = config.apart, config.one_sided, config.shared_weight
        self.rows = rows_of_spectra(training_set, network.spectra)
        self.shared = PrototypeMemory(network.dim, config.momentum, config.temperature, config.update)
        self.last_groups: Tensor
        self.register_buffer("last_groups", torch.full((len(training_set),), -1))
        self.counts: Tensor
        self.register_buffer("counts", torch.zeros(len(self.rows), dtype=torch.long))
        self._training_set = training_set

    def before_epoch(self, epoch: int, training_set: TrainingSet) -> EpochPlan:
        """Cluster each spectrum; in the second stage, match their clusters."""
        embeddings = training_set.embed(self.embed)
        cameras, last = training_set.cameras, self.last_labels.cpu()
        clusters = from_first(lambda: spectrum_clusters(embeddings, cameras, self.rows, self._clusters, last))
        labels, diagnostics = clusters.labels, dict(clusters.diagnostics)
        self.counts.copy_(clusters.counts)
        self.last_labels.copy_(labels)
        self.memory.rebuild(embeddings, labels)
        groups = labels
        matched = epoch >= self.apart * training_set.epochs
        if matched:
            centers = self.memory.prototypes.cpu()
            of_cluster, pairs = from_first(lambda: matched_groups(centers, clusters.counts, self.one_sided))
            groups = torch.where(labels >= 0, of_cluster[labels.clamp(min=0)], -1)
            diagnostics |= {"matched": float(pairs), "groups": float(int(of_cluster.max()) + 1)}
            # Of centers and not of rows, so that the spectrum with more pictures does not outweigh the other.
            self.shared.rebuild(self.memory.prototypes, of_cluster)
        self.last_groups.copy_(groups if matched else torch.full_like(groups, -1))
        if self.bottleneck is not None:
            self.bottleneck.rebuild(embeddings, groups, int(groups.max()) + 1)
        rows = np.flatnonzero(labels.numpy() >= 0)
        return EpochPlan(rows, groups.numpy()[rows], diagnostics, clusters.notes)

    def losses(self, batch: Batch, moment: Moment) -> dict[str, Tensor]:
        """``prototype``: over the clusters of the picture's own spectrum; ``shared``: over those of all, matched."""
        embeddings = self.embed(batch)
        self.remember(batch, embeddings)
        terms = {"prototype": self._within_spectra(embeddings, self.last_labels[batch.index])}
        if self._are_matched:
            terms["shared"] = self.shared_weight * self.shared(embeddings, batch.label)
        return {**terms, **self.bottleneck_term(embeddings, batch.label)}

    @property
    def _are_matched(self) -> bool:
        return len(self.shared.prototypes) > 0

    def _within_spectra(self, embeddings: Float[Tensor, "batch dim"], labels: Int[Tensor, "batch"]) -> Tensor:
        """Mean cross-entropy, where the other spectra's prototypes are no negatives: they are no other individuals."""
        total = embeddings.new_zeros(())
        for start, end in ranges_of(self.counts):
            rows = (labels >= start) & (labels < end)
            if bool(rows.any()):
                own = self.memory.prototypes[start:end].clone()
                mean = prototype_contrast(embeddings[rows], own, labels[rows] - start, self.memory.temperature)
                total = total + mean * (rows.sum() / len(labels))
        return total

    def follow(
        self, embeddings: Float[Tensor, "batch dim"], labels: Int[Tensor, "batch"], index: Int[Tensor, "batch"]
    ) -> None:
        """Move both memories toward the pictures of a step."""
        self.memory.update(embeddings, self.last_labels[index])
        if self._are_matched:
            self.shared.update(embeddings, labels)

    def diagnostics(self) -> Sequence[Diagnostic]:
        """Which clusters were matched in the last epoch, with pictures of both spectra."""
        return matched_pictures(self._training_set, self.last_groups.cpu().numpy(), self.rows)
