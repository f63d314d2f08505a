"""Radius: how far apart neighbors may be, by what happens to the clusters when the radius shrinks.

If embeddings are weak, rows in between connect many individuals to one cluster, and the curve of distances
(:func:`.auto_radius`) does not show it. What shows it is the effective number of clusters, the inverse of Simpson's
index, times the share of rows that are in a cluster. With n_c of N rows in cluster c,

    clusters apart = (sum n_c)^2 / sum n_c^2  x  sum n_c / N

That is the number of clusters where all rows are in clusters of one size, and close to 1 where one cluster holds nearly
everything. If the radius shrinks by 0.05 and it multiplies, clusters had merged; if it grows little, the step only cut
rows off. So the radius of the curve is lowered, step by step, as long as a step multiplies it by a factor, or the next
two steps by the factor's square. While one cluster holds nearly everything, a step may do nothing and a later one much;
so then it goes on if any smaller radius parts clusters.

The factor decides. With 1.1 the radius was within 0.08 of the best adjusted Rand index on 42 sets of embeddings of the
worlds, groceries and Omniglot (the plain number of clusters, with the factor that is best for it: 0.18). But smaller
factors cut large groups to pieces where sizes are very unequal, and in training the larger radius is better on real
pictures: what it merges by mistake, the next epoch can part again, and views of one individual that a smaller one keeps
apart are never drawn together. With 1.5 cluster contrast on groceries ends as with 1.7 (54.9 and 54.9 mAP, three seeds)
and on the hard world, where first clusters are impure, 2.7 above it. So it is 1.5. docs/methods/cluster_contrast.md has
what was tried. Final groups start here and go lower (:mod:`.final_groups`).
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from jaxtyping import Int

from reknow.clustering.automatic import auto_radius
from reknow.clustering.graph import DistanceGraph

STEP, SMALLEST_RADIUS = 0.05, 0.3

NOTHING_APART = 2.0
"""Below so many clusters apart one cluster holds most rows."""

FACTOR = 1.5
"""By which a step must multiply the clusters apart."""


def radius_in(graph: DistanceGraph) -> float:
    """The radius that follows from a graph, which was made with the largest radius or more."""
    start = auto_radius(graph.distances, graph.sizes.min_samples, graph.weights)
    radii = [start - STEP * step for step in range(math.floor((start - SMALLEST_RADIUS) / STEP) + 1)]

    @lru_cache
    def apart(step: int) -> float:
        return clusters_apart(graph.clusters(radii[step])) if step < len(radii) else 0.0

    def goes_on(step: int) -> bool:
        """Whether the next step parts clusters, or one behind it where nothing is apart yet."""
        if apart(step + 1) == 0:
            return False
        if apart(step) < NOTHING_APART:
            return max(apart(later) for later in range(step + 1, len(radii))) >= FACTOR**2 * NOTHING_APART
        return apart(step + 1) >= FACTOR * apart(step) or apart(step + 2) >= FACTOR**2 * apart(step)

    taken = 0
    while goes_on(taken):
        taken += 1
    return radii[taken]


def clusters_apart(labels: Int[np.ndarray, "rows"]) -> float:
    """The effective number of clusters times the share of rows in one; 0 without any cluster.

    Args:
        labels: (N,) cluster of each row, -1 in none.

    Example:
        >>> clusters_apart(np.array([0, 0, 1, 1])), clusters_apart(np.array([0, 0, 1, 1, -1, -1, -1, -1]))
        (2.0, 1.0)
    """
    sizes = np.bincount(labels[labels >= 0]).astype(np.float64)
    return float(sizes.sum() ** 3 / ((sizes**2).sum() * len(labels))) if len(sizes) else 0.0
