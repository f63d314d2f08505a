"""Final groups: the clusters that a user gets, at a radius of their own, and how far two halves of the features agree.

In training a larger radius is the better one: what it merges by mistake, the next epoch can part again. (On 6,660 real
pedestrians a fixed 0.5 ended at 34.5 mAP, ``auto`` at 42.4.) Of final groups each mistake stays. So the radius for
training (:mod:`.radius`) is where the search for this one begins.

Halves. A random orthogonal transform of the features is split into two halves of equal size. Each half is about as good
a feature as the whole, and what distinguishes individuals is in both, but the errors of one half are not those of the
other. Where both make the same groups, the groups follow from what the halves share.

Agreement is the adjusted Rand index of the two halves' groupings. Alone it says little: the smaller the radius, the
more pictures are in no group, and the shots of one tracklet that remain are the same group by any feature. Over 22 sets
of embeddings whose identities are known its rank correlation with the true index was 0.61. Times the share of pictures
that are in a group it was 0.96. This product is the support:

    support = agreement of the halves x share of pictures in a group

Radii are tried from that of training down in steps of 0.05 to 0.3. From the one with the largest support the steps go
on as long as support stays above 0.93 of it: where a smaller radius parts what had merged and leaves some pictures
alone for it, the two factors nearly cancel, and the groups are better. On the 15 sets of docs/measured/trust.json
(worlds, groceries and Omniglot, before and after training) the groups were 0.012 below the best radius of a sweep on
average and 0.036 at most; with the largest support itself 0.024 and 0.140, on 14 of them. Shares from 0.87 to 0.94 did
alike (0.043 at most). A rule without halves, the smallest radius below which clusters multiply no more, cut large
groups to pieces where groups are of very unequal sizes (60 groups, 2 to 200 rows each, by a Pareto law): 0.44 where
this one reaches 0.91 and the best radius 0.92. ``benchmarks/trust.py`` measures this again.

Cost: two graphs of half the width, and at each radius three times DBSCAN, which takes little time beside them. The
halves are grouped with the sizes (k1, k2, min_samples) of the whole.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Float32
from scipy import fft
from torch import Tensor

from reknow.clustering.agreement import adjusted_rand_index
from reknow.clustering.dbscan import PseudoLabels, graph_and_radius, labels_at
from reknow.clustering.graph import DistanceGraph, Size
from reknow.clustering.neighbors import unit_rows
from reknow.clustering.radius import SMALLEST_RADIUS, STEP

NEARLY = 0.93
"""Of the largest support, the share down to which smaller radii are taken."""

LEAST_NUMBERS = 4
"""Numbers of a feature that can be halved: a half of one number is a sign."""


@dataclass(frozen=True)
class Halves:
    """What two halves of the features say about groups at one radius.

    Attributes:
        radius: of all groupings.
        agreement: adjusted Rand index of the two halves' groupings; None where it is undefined.
        grouped: share of pictures that are in a group by the whole features.
    """

    radius: float
    agreement: float | None
    grouped: float

    @property
    def support(self) -> float:
        """Agreement times share, at least 0; 0 where there is no agreement to speak of."""
        return max(self.agreement or 0.0, 0.0) * self.grouped


@dataclass(frozen=True)
class FinalGroups:
    """Groups of pictures, and what two halves of the features say about them.

    Attributes:
        groups: the groups at the radius that was taken.
        halves: of these groups; None where the features cannot be halved, and then `reason` says why.
        tried: the same for every radius that was tried, descending.
        reason: why the halves say nothing; empty where they say something.
    """

    groups: PseudoLabels
    halves: Halves | None = None
    tried: tuple[Halves, ...] = ()
    reason: str = ""


def final_groups(
    features: Float[np.ndarray, "rows dim"] | Float[Tensor, "rows dim"],
    *,
    eps: float | Literal["auto"] = "auto",
    min_samples: Size = "auto",
    k1: Size = "auto",
    k2: Size = "auto",
    lowered: bool = True,
    seed: int = 0,
) -> FinalGroups:
    """Group rows for a user.

    Args:
        features: (N, D) vectors, array or tensor on any device; rows of another length than 1 are normalized.
        eps: largest Jaccard distance between neighbors, in (0, 1); ``auto``: by the rule above.
        min_samples, k1, k2: as in :func:`.pseudo_labels`.
        lowered: whether smaller radii than that of training are tried, where eps is ``auto``.
        seed: of the transform.

    Raises:
        DataError: rows that are not finite, or zero.
        RecipeError: a setting out of range.

    Example:
        >>> rows = np.repeat(np.eye(8, dtype=np.float32), 6, axis=0)
        >>> rows = rows + 0.02 * np.random.default_rng(0).normal(size=rows.shape).astype(np.float32)
        >>> found = final_groups(rows)
        >>> found.groups.num_clusters, found.halves.support
        (8, 1.0)
    """
    graph, start = graph_and_radius(features, eps=eps, min_samples=min_samples, k1=k1, k2=k2)
    reason = _cannot_halve(graph)
    if reason:
        return FinalGroups(labels_at(graph, start), reason=reason)
    first, second = (graph.of(half, start) for half in halves_of(graph.unit, seed))
    radii = [start]
    while eps == "auto" and lowered and radii[-1] - STEP >= SMALLEST_RADIUS:
        radii.append(radii[-1] - STEP)
    tried = tuple(_compared(graph, first, second, radius) for radius in radii)
    taken = _taken(tried)
    reason = "" if taken.agreement is not None else "half the features make no group, or one group of all pictures"
    groups = replace(labels_at(graph, taken.radius), agreement=taken.agreement)
    return FinalGroups(groups, taken, tried, reason)


def halves_of(unit: Float32[Tensor, "rows dim"], seed: int) -> tuple[Tensor, Tensor]:
    """Two halves of a random orthogonal transform of the rows, each at length 1, on the rows' device.

    Random signs, a cosine transform, and a random order: orthogonal as a random rotation is, in O(N D log D). A random
    matrix would take D^3, which is longer than to group a thousand rows of 2,048 numbers.

    Args:
        unit: (N, D) rows of length 1, D at least 4.
        seed: of the signs and the order.
    """
    random = np.random.default_rng(seed)
    signs = random.choice(np.array([-1, 1], np.float32), unit.shape[1])
    turned = np.asarray(fft.dct(unit.cpu().numpy() * signs, axis=1, norm="ortho"))
    turned = turned[:, random.permutation(unit.shape[1])]
    parts = (np.ascontiguousarray(part) for part in np.array_split(turned, 2, axis=1))
    first, second = (unit_rows(torch.from_numpy(part).to(unit.device)) for part in parts)
    return first, second


def _taken(tried: tuple[Halves, ...]) -> Halves:
    """The radius of the largest support, the larger of two equal ones; or a smaller one with nearly as much."""
    supports = [each.support for each in tried]
    place, least = supports.index(max(supports)), NEARLY * max(supports)
    while least and place + 1 < len(tried) and supports[place + 1] >= least:
        place += 1
    return tried[place]


def _cannot_halve(graph: DistanceGraph) -> str:
    """Why halves of these features say nothing; empty where they do."""
    rows, dim = graph.unit.shape
    if dim < LEAST_NUMBERS:
        return f"features of less than {LEAST_NUMBERS} numbers cannot be halved"
    if rows <= 2 * graph.sizes.min_samples:
        return f"{rows} distinct picture{'' if rows == 1 else 's'}, not enough to compare two groupings of them"
    return ""


def _compared(whole: DistanceGraph, first: DistanceGraph, second: DistanceGraph, radius: float) -> Halves:
    """The groupings of the halves at a radius, beside that of the whole."""
    agreement = adjusted_rand_index(first.labels(radius), second.labels(radius))
    return Halves(radius, agreement, float((whole.labels(radius) >= 0).mean()))
