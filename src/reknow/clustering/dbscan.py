"""Pseudo-labels: DBSCAN (Ester et al., KDD 1996) on sparse Jaccard distances, as in cluster contrast and TCMM.

The graph of pairs within eps is sparse, so nothing is N x N. Clusters are numbered by their first row. A row that
several clusters reach belongs to the first of them, as in scikit-learn, which took 1.2 s for a graph of 100,000 rows
where this takes 0.012 s. Rows that are copies of each other count once, with a weight (:func:`.first_copies`; decision
5 in docs/methods/cluster_contrast.md). A result from which no run can learn is not an error:
:attr:`PseudoLabels.warning` says what the result is and what to change. Golden cases: jaccard_*.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int, Int64
from scipy.sparse import csr_matrix
from torch import Tensor

from reknow.clustering.automatic import (
    LARGEST_RADIUS,
    LISTED,
    USUAL,
    GroupSizes,
    Sizes,
    auto_radius,
    group_sizes,
)
from reknow.clustering.jaccard import check_sizes, distances_among
from reknow.clustering.neighbors import Neighbors, first_copies, nearest_neighbors, unit_rows
from reknow.compiled import compiled
from reknow.errors import RecipeError
from reknow.fields import PositiveInt

Size = PositiveInt | Literal["auto"]
"""A number of rows, or ``auto``: it follows from the data; see :mod:`.automatic`."""

# Above this share of outliers a run learns from a small part of its pictures, mostly near-duplicates.
_TOO_MANY_OUTLIERS = 0.8
_MANY_ISOLATED, _MANY_COPIES = 0.3, 0.1  # shares of the rows above which a note is given
_STEP, _SMALLEST_RADIUS = 0.05, 0.4  # of the search for a radius that merges no impostors


@dataclass(frozen=True)
class PseudoLabels:
    """The result of clustering.

    Attributes:
        labels: (N,) cluster of each row; -1 is an outlier.
        num_clusters: number of clusters; labels are 0 to ``num_clusters - 1``.
        num_outliers: number of rows in no cluster.
        eps: the radius that was used, also where it was ``auto``.
        sizes: the k1, k2 and min_samples that were used, also where they were ``auto``.
        num_alone: rows without any neighbor within `eps`, copies of themselves not counted.
        num_copies: rows that repeat an earlier one.
        warning: a sentence on a result that is hardly usable, and what to change; otherwise None.
        notes: sentences on what was chosen and on unusual rows; usually empty.
    """

    labels: Int64[np.ndarray, "rows"]
    num_clusters: int
    num_outliers: int
    eps: float
    sizes: Sizes = USUAL
    num_alone: int = 0
    num_copies: int = 0
    warning: str | None = None
    notes: tuple[str, ...] = ()


def pseudo_labels(
    features: Float[np.ndarray, "rows dim"] | Float[Tensor, "rows dim"],
    *,
    eps: float | Literal["auto"],
    min_samples: Size = 4,
    k1: Size = 30,
    k2: Size = 6,
) -> PseudoLabels:
    """Cluster rows by k-reciprocal Jaccard distance and DBSCAN.

    Args:
        features: (N, D) vectors, array or tensor on any device; rows of another length than 1 are normalized.
        eps: largest distance between neighbors, in (0, 1); larger merges more. ``auto``: see :mod:`.automatic`;
            it is then lowered if clusters have merged.
        min_samples: rows within eps, itself included, that make a row the core of a cluster.
        k1, k2: see :func:`.jaccard_distances`. Lists of all rows would make all rows neighbors. So if k1 is not below
            N, half of the rows are listed (but at least min_samples).

    Each of the three sizes may be ``auto``: it follows from the number of near neighbors that rows have, see
    :mod:`.automatic`.

    Returns:
        Labels; for any N, also 0.

    Raises:
        DataError: rows that are not finite, or zero.
        RecipeError: a setting out of range.

    Example:
        >>> turned = np.repeat(np.eye(4, dtype=np.float32)[:2], 5, axis=0)
        >>> pseudo_labels(turned, eps=0.5, k1=5).labels.tolist()
        [0, 0, 0, 0, 0, 1, 1, 1, 1, 1]
    """
    sizes_given: dict[str, Size] = {"min_samples": min_samples, "k1": k1, "k2": k2}
    check_sizes(**{name: size for name, size in sizes_given.items() if not isinstance(size, str)})
    if eps != "auto" and not 0 < eps < 1:
        raise RecipeError(
            "eps",
            found=str(eps),
            expected="'auto', or a Jaccard distance between 0 and 1",
            remedy="If in doubt, use 0.6; larger merges more.",
        )
    unit = unit_rows(features)
    host = unit.cpu().numpy()
    first = first_copies(host)
    kept, weights = np.unique(first, return_counts=True)
    if len(kept) < len(first):
        unit = unit[torch.from_numpy(kept).to(unit.device)]
        host = unit.cpu().numpy()
    sizes, neighbors, groups = _sizes_and_neighbors(unit, weights, min_samples, k1, k2)
    largest = LARGEST_RADIUS if eps == "auto" else float(eps)
    copy_weights = weights if len(kept) < len(first) else None
    graph = distances_among(neighbors, host, sizes.k1, sizes.k2, largest, copy_weights)
    radius = largest
    if eps == "auto":
        radius = _unmerged(graph, auto_radius(graph, sizes.min_samples, weights), sizes.min_samples, weights)
    # `kept` ascends, so clusters stay numbered by their first row.
    place = np.searchsorted(kept, first)
    labels = density_clusters(graph, radius, sizes.min_samples, weights)[place]
    isolated = _without_neighbor(graph, radius) & (weights == 1)
    clusters, outliers = int(labels.max(initial=-1)) + 1, int((labels < 0).sum())
    result = PseudoLabels(labels, clusters, outliers, radius, sizes, int(isolated.sum()), len(first) - len(kept))
    return replace(result, warning=_warning(result), notes=_notes(result, groups))


def _sizes_and_neighbors(
    unit: Float32[Tensor, "rows dim"], weights: Int[np.ndarray, "rows"], min_samples: Size, k1: Size, k2: Size
) -> tuple[Sizes, Neighbors, GroupSizes | None]:
    """The sizes to use, lists of k1 rows, and the estimated group sizes if some size is ``auto``."""
    automatic, rows = "auto" in (min_samples, k1, k2), int(weights.sum())
    longest = max(LISTED if automatic else 0, k1 if k1 != "auto" else 0)
    neighbors = nearest_neighbors(unit, min(longest, len(unit)))
    # The end of a list must be near impostors. The end of a list of all rows would be the farthest ones.
    measured = min(LISTED, max(10, len(unit) // 2 + 1))
    groups = group_sizes(neighbors.similarity[:, :measured], weights) if automatic else None
    fitting = groups.sizes() if groups else USUAL
    least = fitting.min_samples if min_samples == "auto" else min_samples
    length = fitting.k1 if k1 == "auto" else k1
    if length >= rows:
        length = max(least, rows // 2)
    sizes = Sizes(length, min(fitting.k2, length) if k2 == "auto" else k2, least)
    return sizes, Neighbors(*(part[:, :length] for part in (neighbors.rows, neighbors.similarity))), groups


def density_clusters(
    distances: csr_matrix, eps: float, min_samples: int, weights: Int[np.ndarray, "rows"] | None = None
) -> Int64[np.ndarray, "rows"]:
    """DBSCAN on a sparse graph that stores at least all distances up to `eps`.

    Args:
        distances: (N, N), diagonal included.
        eps: largest distance between neighbors.
        min_samples: weight within eps, the row itself included, that makes it the core of a cluster.
        weights: (N,) how many rows each row represents; by default one.
    """
    total = len(distances.indptr) - 1
    weights = np.ones(total, np.int64) if weights is None else weights
    return _connected(distances.indptr, distances.indices, distances.data <= eps, weights, min_samples)


@compiled(nogil=True)
def _connected(
    start: np.ndarray, column: np.ndarray, near: np.ndarray, weights: np.ndarray, min_samples: int
) -> np.ndarray:
    """Clusters of core rows that are near each other, and of the rows near them; -1 for all others."""
    total = start.size - 1
    core = np.zeros(total, np.bool_)
    for row in range(total):
        weight = 0
        for entry in range(start[row], start[row + 1]):
            if near[entry]:
                weight += weights[column[entry]]
        core[row] = weight >= min_samples
    labels = np.full(total, -1, np.int64)
    waiting = np.empty(total, np.int64)  # core rows of the cluster that grows, whose neighbors are not yet labelled
    clusters = 0
    for first in range(total):
        if labels[first] >= 0 or not core[first]:
            continue
        labels[first] = clusters
        waiting[0] = first
        count = 1
        while count:
            count -= 1
            row = waiting[count]
            for entry in range(start[row], start[row + 1]):
                other = column[entry]
                if near[entry] and labels[other] < 0:
                    labels[other] = clusters
                    if core[other]:
                        waiting[count] = other
                        count += 1
        clusters += 1
    return labels


def _unmerged(distances: csr_matrix, radius: float, min_samples: int, weights: Int[np.ndarray, "rows"]) -> float:
    """Lower a radius in steps of 0.05 as long as each step gives a quarter more clusters.

    If embeddings are weak, rows in between connect most of a data set to one cluster, and the curve of distances does
    not show it: on the world's target, before any adaptation, a radius of 0.71 gave 39 clusters, the largest with
    1,481 of 2,041 rows, and 0.61 gave 129 of 150. On Omniglot 0.75 gave 12, the largest with 2,419 of 2,860, and 0.6
    gave 83. Real clusters do not multiply like that when the radius shrinks.
    """
    count = int(density_clusters(distances, radius, min_samples, weights).max(initial=-1)) + 1
    while radius - _STEP >= _SMALLEST_RADIUS:
        lower = radius - _STEP
        more = int(density_clusters(distances, lower, min_samples, weights).max(initial=-1)) + 1
        if more < 1.25 * count or more < 2:
            return radius
        radius, count = lower, more
    return radius


def _without_neighbor(distances: csr_matrix, eps: float) -> Bool[np.ndarray, "rows"]:
    """Which rows have no neighbor within `eps` but themselves; the diagonal is stored as 0."""
    near = np.concatenate([[0], np.cumsum(distances.data <= eps)])
    return np.diff(near[distances.indptr]) <= 1


def _warning(result: PseudoLabels) -> str | None:
    """The sentence for a result that is hardly usable."""
    rows, clusters, outliers = len(result.labels), result.num_clusters, result.num_outliers
    eps, min_samples = result.eps, result.sizes.min_samples
    if rows < min_samples:
        return (
            f"{rows} rows cannot form a cluster, which takes at least {min_samples} (min_samples): "
            "add pictures, or lower min_samples."
        )
    if clusters == 0:
        return (
            f"No clusters among {rows:,} rows: none has {min_samples} rows, itself included, within eps {eps:.2f}. "
            "Raise eps, or lower min_samples."
        )
    if outliers > _TOO_MANY_OUTLIERS * rows:
        return (
            f"{outliers:,} of {rows:,} rows ({outliers / rows:.0%}) are outliers at eps {eps:.2f}, the others in "
            f"{clusters:,} clusters. Raise eps or lower min_samples; if individuals have only two or three "
            "pictures, lower k1 and k2 too."
        )
    if clusters == 1:
        return (
            f"One cluster holds {rows - outliers:,} of {rows:,} rows at eps {eps:.2f}. Lower eps, or k1 and k2 if "
            "individuals have only two or three pictures. If one cluster remains, the embeddings are all alike: start "
            "from other weights."
        )
    return None


def _notes(result: PseudoLabels, groups: GroupSizes | None) -> tuple[str, ...]:
    """Sentences on what was chosen, and on unusual rows."""
    rows, sizes, notes = len(result.labels), result.sizes, []
    if groups is not None and groups.sizes() == sizes != USUAL:
        pictures = str(groups.lower) if groups.lower == groups.upper else f"{groups.lower} to {groups.upper}"
        notes.append(
            f"Individuals seem to have {pictures} pictures each, so k1 {sizes.k1}, k2 {sizes.k2} and min_samples "
            f"{sizes.min_samples} are used."
        )
    if result.num_alone > _MANY_ISOLATED * rows:
        notes.append(
            f"{result.num_alone:,} of {rows:,} rows ({result.num_alone / rows:.0%}) have no neighbor within eps "
            f"{result.eps:.2f}: single pictures of an individual, or lists that are too long for it (k1 {sizes.k1}, "
            f"k2 {sizes.k2})."
        )
    if result.num_copies > _MANY_COPIES * rows:
        notes.append(
            f"{result.num_copies:,} of {rows:,} rows are copies of another one; each picture counts once as a neighbor."
        )
    return tuple(notes)
