"""Pseudo-labels: DBSCAN (Ester et al., KDD 1996) on sparse Jaccard distances, as in spec TCMM section 2.3.

scikit-learn does the clustering, on the sparse graph of pairs within eps, so nothing is N x N. Clusters are numbered
by their first core row. Results that no run can learn from are not errors: :attr:`PseudoLabels.warning` says what was
found and what to change. Golden cases: jaccard_*.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int64
from scipy.sparse import csr_matrix
from sklearn.cluster import DBSCAN
from torch import Tensor

from reknow.clustering.jaccard import check_sizes, jaccard_distances
from reknow.clustering.radius import LARGEST_RADIUS, auto_radius
from reknow.errors import RecipeError

# Above this share of outliers a run learns from a sliver of its pictures, mostly near-duplicates.
_TOO_MANY_OUTLIERS = 0.8
_STEP, _SMALLEST_RADIUS = 0.05, 0.4  # of the search for a radius that merges no strangers


@dataclass(frozen=True)
class PseudoLabels:
    """What clustering found.

    Attributes:
        labels: (N,) cluster of each row, -1 = outlier.
        num_clusters: how many clusters; labels run from 0 to ``num_clusters - 1``.
        num_outliers: how many rows are in none.
        eps: the radius that was used; where it was ``auto``, the one chosen.
        warning: a sentence on a result that is hardly usable, and what to change; None where all is well.
    """

    labels: Int64[np.ndarray, "rows"]
    num_clusters: int
    num_outliers: int
    eps: float
    warning: str | None = None


def pseudo_labels(
    features: Float[np.ndarray, "rows dim"] | Float[Tensor, "rows dim"],
    *,
    eps: float | Literal["auto"],
    min_samples: int = 4,
    k1: int = 30,
    k2: int = 6,
) -> PseudoLabels:
    """Cluster rows by k-reciprocal Jaccard distance and DBSCAN.

    Args:
        features: (N, D) vectors, array or tensor on any device; rows of another length than 1 are normalized.
        eps: largest distance between neighbors, in (0, 1); larger merges more. ``auto``: see :mod:`.radius`, then
            lowered where clusters have merged.
        min_samples: rows within eps, itself included, that make a row the core of a cluster.
        k1, k2: see :func:`.jaccard_distances`. Lists of all rows would make everything neighbors, so where k1 is not
            below N, half of the rows are listed (but no fewer than min_samples).

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
    check_sizes(min_samples=min_samples, k1=k1, k2=k2)
    if eps != "auto" and not 0 < eps < 1:
        raise RecipeError(
            "eps",
            found=str(eps),
            expected="'auto', or a Jaccard distance between 0 and 1",
            remedy="Take 0.6 where in doubt; larger merges more.",
        )
    rows = len(features)
    if k1 >= rows:
        k1 = max(min_samples, rows // 2)
    graph = jaccard_distances(features, k1, k2, radius=LARGEST_RADIUS if eps == "auto" else eps)
    radius = _unmerged(graph, auto_radius(graph, min_samples), min_samples) if eps == "auto" else float(eps)
    labels = density_clusters(graph, radius, min_samples)
    clusters, outliers = int(labels.max(initial=-1)) + 1, int((labels < 0).sum())
    return PseudoLabels(labels, clusters, outliers, radius, _warning(rows, clusters, outliers, radius, min_samples))


def density_clusters(distances: csr_matrix, eps: float, min_samples: int) -> Int64[np.ndarray, "rows"]:
    """DBSCAN on a sparse graph that stores at least all distances up to `eps`."""
    if len(distances.indptr) == 1:
        return np.empty(0, np.int64)
    clustering = DBSCAN(eps=eps, min_samples=min_samples, metric="precomputed")
    return clustering.fit(distances).labels_.astype(np.int64)


def _unmerged(distances: csr_matrix, radius: float, min_samples: int) -> float:
    """Lower a radius in steps of 0.05 for as long as that gives a quarter more clusters.

    Where embeddings are weak, rows in between chain most of a data set into one cluster, and the curve of distances
    does not show it: on the world's target, before any adaptation, a radius of 0.71 gave 39 clusters, the largest with
    1,481 of 2,041 rows, and 0.61 gave 129 of 150. On Omniglot 0.75 gave 12, the largest with 2,419 of 2,860, and 0.6
    gave 83. Real clusters do not multiply like that when the radius shrinks.
    """
    count = int(density_clusters(distances, radius, min_samples).max(initial=-1)) + 1
    while radius - _STEP >= _SMALLEST_RADIUS:
        lower = radius - _STEP
        more = int(density_clusters(distances, lower, min_samples).max(initial=-1)) + 1
        if more < 1.25 * count or more < 2:
            return radius
        radius, count = lower, more
    return radius


def _warning(rows: int, clusters: int, outliers: int, eps: float, min_samples: int) -> str | None:
    """The sentence for a result that is hardly usable."""
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
            f"{clusters:,} clusters. Raise eps or lower min_samples; where individuals have few pictures, lower k1 too."
        )
    if clusters == 1:
        return (
            f"One cluster holds {rows - outliers:,} of {rows:,} rows at eps {eps:.2f}. Lower eps, or k1 where "
            "individuals have few pictures. If it stays one, the embeddings are all alike: start from other weights."
        )
    return None
