"""Pseudo-labels: DBSCAN (Ester et al., KDD 1996) on sparse Jaccard distances, as in cluster contrast and TCMM.

The graph of pairs within eps is sparse (:mod:`.graph`), so nothing is N x N. A result from which no run can learn is
not an error: :attr:`PseudoLabels.warning` says what the result is and what to change. Golden cases: jaccard_*.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float, Int64
from torch import Tensor

from reknow.clustering.automatic import LARGEST_RADIUS, USUAL, GroupSizes, Sizes
from reknow.clustering.graph import DistanceGraph, Size, distance_graph
from reknow.clustering.radius import radius_in
from reknow.errors import RecipeError

# Above this share of outliers a run learns from a small part of its pictures, mostly near-duplicates.
_TOO_MANY_OUTLIERS = 0.8
_MANY_ISOLATED, _MANY_COPIES = 0.3, 0.1  # shares of the rows above which a note is given


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
        agreement: adjusted Rand index of the groupings of two halves of the features; None where they were not
            compared, see :mod:`.final_groups`.
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
    agreement: float | None = None
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
        eps: largest distance between neighbors, in (0, 1); larger merges more. ``auto``: see :mod:`.radius`.
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
    return labels_at(*graph_and_radius(features, eps=eps, min_samples=min_samples, k1=k1, k2=k2))


def graph_and_radius(
    features: Float[np.ndarray, "rows dim"] | Float[Tensor, "rows dim"],
    *,
    eps: float | Literal["auto"],
    min_samples: Size,
    k1: Size,
    k2: Size,
) -> tuple[DistanceGraph, float]:
    """The graph that :func:`pseudo_labels` clusters, and the radius at which it does; arguments and errors as there."""
    if eps != "auto" and not 0 < eps < 1:
        raise RecipeError(
            "eps",
            found=str(eps),
            expected="'auto', or a Jaccard distance between 0 and 1",
            remedy="If in doubt, use 0.6; larger merges more.",
        )
    largest = LARGEST_RADIUS if eps == "auto" else float(eps)
    graph = distance_graph(features, largest=largest, min_samples=min_samples, k1=k1, k2=k2)
    return graph, radius_in(graph) if eps == "auto" else largest


def labels_at(graph: DistanceGraph, radius: float) -> PseudoLabels:
    """The clusters of a graph at a radius, with what there is to say about them."""
    labels = graph.labels(radius)
    clusters, outliers = int(labels.max(initial=-1)) + 1, int((labels < 0).sum())
    result = PseudoLabels(labels, clusters, outliers, radius, graph.sizes, int(graph.alone(radius).sum()), graph.copies)
    return replace(result, warning=_warning(result), notes=_notes(result, graph.groups))


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
            f"No clusters among {rows:,} rows: none has {min_samples} rows, itself included, within eps {eps:.3g}. "
            "Raise eps, or lower min_samples."
        )
    if outliers > _TOO_MANY_OUTLIERS * rows:
        return (
            f"{outliers:,} of {rows:,} rows ({outliers / rows:.0%}) are outliers at eps {eps:.3g}, the others in "
            f"{clusters:,} clusters. Raise eps or lower min_samples; if individuals have only two or three "
            "pictures, lower k1 and k2 too."
        )
    if clusters == 1:
        return (
            f"One cluster holds {rows - outliers:,} of {rows:,} rows at eps {eps:.3g}. Lower eps, or k1 and k2 if "
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
            f"{result.eps:.3g}: single pictures of an individual, or lists that are too long for it (k1 {sizes.k1}, "
            f"k2 {sizes.k2})."
        )
    if result.num_copies > _MANY_COPIES * rows:
        notes.append(
            f"{result.num_copies:,} of {rows:,} rows are copies of another one; each picture counts once as a neighbor."
        )
    return tuple(notes)
