"""Spectrum clusters: clusters of every spectrum by themselves, and which of them are matched with another's.

What methods share that learn across spectra without labels (cluster contrast across spectra, FIRM). Clusters of
different spectra have different numbers, those of a spectrum follow each other; matched ones get one number for all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from reknow.clustering.dbscan import PseudoLabels
from reknow.clustering.matching import joined, match_clusters
from reknow.errors import DataError, RecipeError
from reknow.methods.clustered import LAST_CLUSTERS, NO_CLUSTERS
from reknow.methods.training_set import TrainingSet
from reknow.observation import Spectrum

Cluster = Callable[[Float[Tensor, "rows dim"], Int[np.ndarray, "rows"]], PseudoLabels]
"""Pseudo-labels of unit rows and their cameras."""


@dataclass(frozen=True)
class SpectrumClusters:
    """The clusters of an epoch.

    Attributes:
        labels: (N,) each row's cluster, -1 for outliers.
        counts: (S,) clusters of each spectrum, in the order of the rows that were given.
        diagnostics: what to log.
        notes: sentences for the user.
    """

    labels: Int[Tensor, "rows"]
    counts: Int[Tensor, "spectra"]
    diagnostics: Mapping[str, float]
    notes: tuple[str, ...]


def spectrum_clusters(
    embeddings: Float[Tensor, "rows dim"],
    cameras: Int[np.ndarray, "rows"],
    rows: Mapping[Spectrum, Int[np.ndarray, "_"]],
    cluster: Cluster,
    last: Int[Tensor, "rows"],
) -> SpectrumClusters:
    """Cluster each spectrum by itself.

    Args:
        embeddings: (N, D), unit rows.
        cameras: (N,) codes, -1 where unknown.
        rows: of each spectrum.
        cluster: makes pseudo-labels of a spectrum's rows.
        last: (N,) labels of the epoch before, -1 where there are none; a spectrum with fewer than two clusters keeps
            its own (decision 9 in docs/methods/cluster_contrast.md).
    """
    labels, counts = torch.full((len(embeddings),), -1), []
    diagnostics: dict[str, float] = {"rows": float(len(embeddings)), "clusters": 0.0, "outliers": 0.0, "alone": 0.0}
    notes: list[str] = []
    for spectrum, of_it in rows.items():
        clusters = cluster(embeddings[of_it], cameras[of_it])
        own, about = _or_last(clusters, last[of_it])
        notes += [f"{spectrum}: {note}" for note in about]
        labels[of_it] = torch.where(own >= 0, own + sum(counts), -1)
        counts.append(int(own.max()) + 1)
        diagnostics["clusters"] += clusters.num_clusters
        diagnostics["outliers"] += clusters.num_outliers
        diagnostics["alone"] += clusters.num_alone
        diagnostics |= {f"clusters_{spectrum}": float(clusters.num_clusters), f"eps_{spectrum}": clusters.eps}
    return SpectrumClusters(labels, torch.tensor(counts), diagnostics, tuple(notes))


def ranges_of(counts: Int[Tensor, "spectra"]) -> list[tuple[int, int]]:
    """The first number of each spectrum's clusters, and the one behind its last.

    Example:
        >>> ranges_of(torch.tensor([3, 2]))
        [(0, 3), (3, 5)]
    """
    ends = counts.cumsum(0).tolist()
    return list(zip([0, *ends], ends, strict=False))


def matched_groups(
    centers: Float[Tensor, "clusters dim"], counts: Int[Tensor, "spectra"], one_sided: bool = False
) -> tuple[Int[Tensor, "clusters"], int]:
    """One number for the clusters that are matched, and how many pairs are (:mod:`reknow.clustering.matching`).

    Args:
        centers: (K, D), unit rows; those of the first spectrum come first.
        counts: (S,) clusters of each spectrum.
        one_sided: see :func:`~reknow.clustering.matching.joined`.

    Returns:
        (K,) numbers from 0 up, each in use.
    """
    pairs, edges, ranges = 0, [], ranges_of(counts)
    for place, (start, end) in enumerate(ranges):
        for other_start, other_end in ranges[place + 1 :]:
            matches = match_clusters(centers[start:end], centers[other_start:other_end])
            numbers = torch.arange(start, end), torch.arange(other_start, other_end)
            edges.append(joined(matches, *numbers, one_sided=one_sided))
            pairs += len(matches.mutual)
    first, second = torch.cat(edges).numpy().T
    graph = coo_array((np.ones(len(first)), (first, second)), shape=(len(centers), len(centers)))
    return torch.from_numpy(connected_components(graph, directed=False)[1]).long(), pairs


def check_network(network: object, kind: type, recipe: str) -> None:
    """Refuse a network that a method cannot train, such as one that --init-from has brought.

    Raises:
        RecipeError: another kind than `kind`, which `recipe` has.
    """
    if not isinstance(network, kind):
        raise RecipeError(
            "network",
            found=f"a network of the kind {type(network).__name__}",
            expected=f"{kind.__name__}, which the recipe {recipe} has",
            remedy="Leave out --init-from; with --weights RUN its trunk fills the recipe's own network.",
        )


def rows_of_spectra(training_set: TrainingSet, spectra: Sequence[Spectrum]) -> dict[Spectrum, Int[np.ndarray, "_"]]:
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
            remedy="Add the other spectrum's pictures, or train on one: reknow train cluster_contrast --data ... Where "
            "folders are called rgb, nir or tir, write spectrum=subfolder behind the folder's name.",
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
        return labels, (*notes, LAST_CLUSTERS)
    return torch.arange(len(last)), (*notes, NO_CLUSTERS)
