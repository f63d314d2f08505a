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
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from reknow.clustering.dbscan import PseudoLabels
from reknow.clustering.matching import joined, match_clusters
from reknow.distributed import from_first
from reknow.errors import DataError
from reknow.fields import NonNegativeFloat, Share, check_fields
from reknow.losses.prototype_memory import PrototypeMemory, prototype_contrast
from reknow.methods.cluster_contrast.matched_pictures import matched_pictures
from reknow.methods.clustered import Clustered, ClusteredConfig
from reknow.methods.diagnostic import Diagnostic
from reknow.methods.method import EpochPlan, Moment
from reknow.methods.training_set import TrainingSet
from reknow.models.cross_spectrum import CrossSpectrumEmbedder
from reknow.observation import Batch, Spectrum


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
        """
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
        self.rows = _rows_of_spectra(training_set, network.spectra)
        self.shared = PrototypeMemory(network.dim, config.momentum, config.temperature, config.update)
        self.last_groups: Tensor
        self.register_buffer("last_groups", torch.full((len(training_set),), -1))
        self.counts: Tensor
        self.register_buffer("counts", torch.zeros(len(self.rows), dtype=torch.long))
        self._training_set = training_set

    def before_epoch(self, epoch: int, training_set: TrainingSet) -> EpochPlan:
        """Cluster each spectrum; in the second stage, match their clusters."""
        embeddings = training_set.embed(self.embed)
        labels, counts, diagnostics, notes = from_first(lambda: self._labelled(embeddings, training_set.cameras))
        self.counts.copy_(counts)
        self.last_labels.copy_(labels)
        self.memory.rebuild(embeddings, labels)
        groups = labels
        matched = epoch >= self.apart * training_set.epochs
        if matched:
            of_cluster, pairs = from_first(self._matched)
            groups = torch.where(labels >= 0, of_cluster[labels.clamp(min=0)], -1)
            diagnostics |= {"matched": float(pairs), "groups": float(int(of_cluster.max()) + 1)}
            # Of centers and not of rows, so that the spectrum with more pictures does not outweigh the other.
            self.shared.rebuild(self.memory.prototypes, of_cluster)
        self.last_groups.copy_(groups if matched else torch.full_like(groups, -1))
        if self.bottleneck is not None:
            self.bottleneck.rebuild(embeddings, groups, int(groups.max()) + 1)
        rows = np.flatnonzero(labels.numpy() >= 0)
        return EpochPlan(rows, groups.numpy()[rows], diagnostics, notes)

    def _labelled(
        self, embeddings: Float[Tensor, "rows dim"], cameras: Int[np.ndarray, "rows"]
    ) -> tuple[Int[Tensor, "rows"], Int[Tensor, "spectra"], dict[str, float], tuple[str, ...]]:
        """Each row's cluster, how many each spectrum has, what to log, and notes."""
        labels, counts = torch.full((len(embeddings),), -1), []
        diagnostics: dict[str, float] = {"rows": float(len(embeddings)), "clusters": 0.0, "outliers": 0.0, "alone": 0.0}
        notes: list[str] = []
        for spectrum, rows in self.rows.items():
            clusters = self._clusters(embeddings[rows], cameras[rows])
            own, about = _or_last(clusters, self.last_labels.cpu()[rows])
            notes += [f"{spectrum}: {note}" for note in about]
            labels[rows] = torch.where(own >= 0, own + sum(counts), -1)
            counts.append(int(own.max()) + 1)
            diagnostics["clusters"] += clusters.num_clusters
            diagnostics["outliers"] += clusters.num_outliers
            diagnostics["alone"] += clusters.num_alone
            diagnostics |= {f"clusters_{spectrum}": float(clusters.num_clusters), f"eps_{spectrum}": clusters.eps}
        return labels, torch.tensor(counts), diagnostics, tuple(notes)

    def _matched(self) -> tuple[Int[Tensor, "clusters"], int]:
        """The number of each cluster's group, and how many pairs of clusters are matched."""
        centers, pairs, edges = self.memory.prototypes.cpu(), 0, []
        spectra = self._ranges
        for place, (start, end) in enumerate(spectra):
            for other_start, other_end in spectra[place + 1 :]:
                matches = match_clusters(centers[start:end], centers[other_start:other_end])
                numbers = torch.arange(start, end), torch.arange(other_start, other_end)
                edges.append(joined(matches, *numbers, one_sided=self.one_sided))
                pairs += len(matches.mutual)
        first, second = torch.cat(edges).numpy().T
        graph = coo_array((np.ones(len(first)), (first, second)), shape=(len(centers), len(centers)))
        return torch.from_numpy(connected_components(graph, directed=False)[1]).long(), pairs

    def losses(self, batch: Batch, moment: Moment) -> dict[str, Tensor]:
        """``prototype``: over the clusters of the picture's own spectrum; ``shared``: over those of all, matched."""
        embeddings = self.embed(batch)
        self.remember(batch, embeddings)
        terms = {"prototype": self._within_spectra(embeddings, self.last_labels[batch.index])}
        if self._are_matched:
            terms["shared"] = self.shared_weight * self.shared(embeddings, batch.label)
        return {**terms, **self.bottleneck_term(embeddings, batch.label)}

    @property
    def _ranges(self) -> list[tuple[int, int]]:
        """The first number of each spectrum's clusters, and the one behind its last."""
        ends = self.counts.cumsum(0).tolist()
        return list(zip([0, *ends], ends, strict=False))

    @property
    def _are_matched(self) -> bool:
        return bool((self.last_groups >= 0).any())

    def _within_spectra(self, embeddings: Float[Tensor, "batch dim"], labels: Int[Tensor, "batch"]) -> Tensor:
        """Mean cross-entropy, where the other spectra's prototypes are no negatives: they are no other individuals."""
        total = embeddings.new_zeros(())
        for start, end in self._ranges:
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


def _rows_of_spectra(training_set: TrainingSet, spectra: Sequence[Spectrum]) -> dict[Spectrum, Int[np.ndarray, "_"]]:
    """The rows with a picture in each spectrum.

    Raises:
        DataError: one spectrum alone, a spectrum that the network does not read, or rows with pictures in several.
    """
    name, present = training_set.manifest.name, training_set.present
    rows: dict[Spectrum, Int[np.ndarray, "_"]] = {
        spectrum: np.flatnonzero(present[spectrum]) for spectrum in spectra if spectrum in present
    }
    counts = ", ".join(f"{len(of_it)} of {spectrum}" for spectrum, of_it in rows.items()) or ", ".join(present)
    if unread := [spectrum for spectrum in present if spectrum not in spectra]:
        raise DataError(
            name,
            found=f"pictures of {unread[0]}",
            expected=f"{' and '.join(spectra)}, which the network reads",
            remedy=f"Write --network.spectra {' '.join(present)} --network.trunk.stems {' '.join(present)}.",
        )
    if sum(len(of_it) > 0 for of_it in rows.values()) < 2:
        raise DataError(
            name,
            found=f"pictures to train on: {counts}",
            expected="pictures of two spectra, which are matched with each other",
            remedy="Add the other spectrum's pictures, or train on one: reknow train cluster_contrast --data ...",
        )
    together = np.sum([present[spectrum] for spectrum in rows], axis=0) > 1
    if together.any():
        row = int(np.flatnonzero(together)[0])
        raise DataError(
            f"{name}, row {row}",
            found="pictures in several spectra",
            expected="one picture a row: nothing tells this method which pictures belong together",
            remedy="Make a row of each picture, or take EDITOR, which reads all spectra of a row: reknow train editor.",
        )
    return rows


def _or_last(clusters: PseudoLabels, last: Int[Tensor, "rows"]) -> tuple[Int[Tensor, "rows"], tuple[str, ...]]:
    """Labels from 0 up to train on, and notes; the last ones where there are fewer than two clusters (decision 9)."""
    notes = (clusters.warning,) if clusters.warning else ()
    if clusters.num_clusters >= 2:
        return torch.from_numpy(clusters.labels), notes
    kept = last >= 0
    if kept.any() and len(last[kept].unique()) < len(last):
        _, numbers = last[kept].unique(return_inverse=True)
        labels = torch.full_like(last, -1)
        labels[kept] = numbers
        return labels, (*notes, "This epoch trains on the last good clusters.")
    notes = (*notes, "No earlier clusters to fall back on: each picture is its own cluster this epoch.")
    return torch.arange(len(last)), notes
