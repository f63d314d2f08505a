"""The graph that rows are clustered in: sparse Jaccard distances between distinct rows, and what it was made with.

Rows that are copies of each other are one row of the graph, with a weight (:func:`.first_copies`; decision 5 in
docs/methods/cluster_contrast.md). Sizes that are ``auto`` follow from the data (:mod:`.automatic`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int, Int64
from scipy.sparse import csr_matrix
from torch import Tensor

from reknow.clustering.automatic import LISTED, USUAL, GroupSizes, Sizes, group_sizes
from reknow.clustering.density import density_clusters
from reknow.clustering.jaccard import check_sizes, distances_among
from reknow.clustering.neighbors import Neighbors, first_copies, nearest_neighbors, unit_rows
from reknow.errors import RecipeError
from reknow.fields import PositiveInt

Size = PositiveInt | Literal["auto"]
"""A number of rows, or ``auto``: it follows from the data; see :mod:`.automatic`."""


@dataclass(frozen=True)
class DistanceGraph:
    """Distances among the M distinct rows of N.

    Attributes:
        distances: (M, M) Jaccard distances up to the radius that the graph was made with, diagonal included.
        unit: (M, D) the distinct rows, of length 1, on their device.
        first: (N,) the row that represents each row: itself, or the one that it is a copy of.
        kept: (M,) which rows are in the graph, ascending.
        weights: (M,) how many rows each of them represents.
        sizes: the k1, k2 and min_samples that were used.
        groups: the estimated group sizes, if some size was ``auto``.
    """

    distances: csr_matrix
    unit: Float32[Tensor, "distinct dim"]
    first: Int64[np.ndarray, "rows"]
    kept: Int64[np.ndarray, "distinct"]
    weights: Int64[np.ndarray, "distinct"]
    sizes: Sizes
    groups: GroupSizes | None

    @property
    def copies(self) -> int:
        """How many rows repeat an earlier one."""
        return len(self.first) - len(self.kept)

    def clusters(self, radius: float) -> Int64[np.ndarray, "distinct"]:
        """The cluster of every distinct row; -1 is an outlier."""
        return density_clusters(self.distances, radius, self.sizes.min_samples, self.weights)

    def labels(self, radius: float) -> Int64[np.ndarray, "rows"]:
        """The cluster of every row; copies share theirs."""
        # `kept` ascends, so clusters stay numbered by their first row.
        return self.clusters(radius)[np.searchsorted(self.kept, self.first)]

    def alone(self, radius: float) -> Bool[np.ndarray, "distinct"]:
        """Which distinct rows have no copy, and no neighbor within `radius` but themselves."""
        near = np.concatenate([[0], np.cumsum(self.distances.data <= radius)])
        return (np.diff(near[self.distances.indptr]) <= 1) & (self.weights == 1)

    def of(self, unit: Float32[Tensor, "distinct _"], largest: float) -> DistanceGraph:
        """The graph of the same rows with other features, made with the same sizes.

        Args:
            unit: (M, d) the features of the distinct rows, of length 1.
            largest: radius up to which distances are stored.
        """
        length = min(self.sizes.k1, len(unit))
        neighbors, host = nearest_neighbors(unit, length), unit.cpu().numpy()
        return replace(self, distances=_distances(neighbors, host, self.sizes, largest, self.weights), unit=unit)


def distance_graph(
    features: Float[np.ndarray, "rows dim"] | Float[Tensor, "rows dim"],
    *,
    largest: float,
    min_samples: Size = 4,
    k1: Size = 30,
    k2: Size = 6,
) -> DistanceGraph:
    """The graph of rows within a radius; arguments as in :func:`.pseudo_labels`.

    Raises:
        DataError: rows that are not finite, or zero.
        RecipeError: a setting out of range.
    """
    given: dict[str, Size] = {"min_samples": min_samples, "k1": k1, "k2": k2}
    check_sizes(**{name: size for name, size in given.items() if not isinstance(size, str)})
    unit = unit_rows(features)
    host = unit.cpu().numpy()
    first = first_copies(host)
    kept, weights = np.unique(first, return_counts=True)
    if len(kept) < len(first):
        unit, host = unit[torch.from_numpy(kept).to(unit.device)], host[kept]
    sizes, neighbors, groups = _sizes_and_neighbors(unit, weights, min_samples, k1, k2)
    distances = _distances(neighbors, host, sizes, largest, weights)
    return DistanceGraph(distances, unit, first, kept, weights, sizes, groups)


def check_averaged(name: str, k1: Size, k2: Size) -> None:
    """Raise a RecipeError where a user asks for the average of more rows (k2) than are in a list (k1).

    Args:
        name: of the option that sets k2, such as ``method.clustering.k2``.
        k1, k2: as in :func:`.pseudo_labels`.
    """
    if k1 != "auto" and k2 != "auto" and k2 > k1:
        raise RecipeError(
            name,
            found=f"{k2} with k1 {k1}",
            expected="at most k1, since the lists of neighbors have that length",
            remedy=f"--{name} {k1} or less.",
        )


def _distances(
    neighbors: Neighbors,
    host: Float32[np.ndarray, "rows dim"],
    sizes: Sizes,
    largest: float,
    weights: Int[np.ndarray, "rows"],
) -> csr_matrix:
    copied = weights if (weights > 1).any() else None
    return distances_among(neighbors, host, sizes.k1, sizes.k2, largest, copied)


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
    sizes = Sizes(length, min(fitting.k2 if k2 == "auto" else k2, length), least)
    return sizes, Neighbors(*(part[:, :length] for part in (neighbors.rows, neighbors.similarity))), groups
