"""Settings that follow from the data where a user sets them to ``auto``: k1, k2, min_samples and eps.

Group sizes: how many near neighbors rows have
----------------------------------------------
If an individual has fewer pictures than a list has entries, the list also holds impostors (pictures of other
individuals). If an individual has two pictures, an encoding averaged over six rows (k2) is an encoding of impostors. So
the sizes of the published settings (k1 = 30, k2 = 6, min_samples = 4) cannot find groups of two or three, however clear
the groups are.

The similarity drops behind the last picture of the same individual. Let s_1 >= s_2 >= ... be a row's similarities to
its neighbors, the row itself not counted. If all neighbors are impostors, these are the largest of many independent
numbers. Then, by Renyi's representation of order statistics, all spacings

    d_j = j (s_j - s_{j+1})

have the same mean. (This is exact for exponential tails. For the rows of 500 impostors the mean stayed between 0.7 and
1.1 of the mean over the list's end.) A drop behind the m-th neighbor raises d_m. Each spacing is divided by the mean
over the end of its own list, bounded, so that no clear group outweighs a hundred unclear ones, and averaged over all
rows. What exceeds 1 is a histogram of group sizes. It shows sizes that no single row shows: in the world's target
domain before any adaptation, cut down to three pictures a person, the mean of d_2 is 1.8 and of all others 0.8 to 1.2.

``upper`` is the size below which four fifths of that histogram lie, ``lower`` the size below which a quarter lies; then

    k1 = 2 upper,  k2 = 0.7 upper,  min_samples = lower - 1,    at least 3, 2 and 2, at most 15, 6 and 4

The larger quantile is used because pictures come in bursts. If a person has five bursts of three pictures, most rows
show a clear gap at three, and lists of that length find the bursts only. Measured as adjusted Rand index, eps auto,
against 15, 6 and 4: 800 made rows in groups of two 1.00 (0.14), of three 1.00 (0.38), of one to three 0.92 (0.12), of
five 1.00 (0.86), of 14, 30 or 80 the same; the shipped network on two of the world's target domains, cut to two
pictures a person 0.69 and 0.71 (0.02 and 0.14), to four 0.69 and 0.71 (0.30 and 0.33), whole the same; on the source
domain, cut to two, 0.82 (0.13). Groceries and Omniglot before training show no sizes and keep the usual ones. The rule
is worse on bursts of three with strong noise: 0.67 (0.73). Above 80 pictures an individual k1 = 30 would be better.

eps: the middle between the distance of neighbors and the distance of impostors
-------------------------------------------------------------------------------
The k-distance curve (Ester et al., KDD 1996, section 4.2) is the sorted distance of every row to its min_samples-th
neighbor, the row itself counted. Over clustered rows the curve is low and flat, then it rises over isolated rows. The
usual choice, the knee of the curve, was tried and is bad for Jaccard distances: small clusters and edges bend the curve
long before the outliers do. The knee lay at 0.3 or below on 17 of 20 made data sets and cut most of their clusters to
pieces (adjusted Rand index 0.65 to 0.69 where 0.6 reached 0.97 to 0.99). The *height* of the flat part is stable. The
other end of the scale is fixed: rows that share no neighbor are at distance 1. The rule is the middle of the two:

    eps = (1 + median k-distance of rows that are not isolated) / 2,    at most 0.75

It gives 0.5 for tight clusters, 0.55 to 0.65 for usual ones, and up to 0.75 if individuals have more pictures than k1,
so that their clusters are connected by chains. Over 27 made kinds of data (noise, camera offsets, outliers up to 70 %,
2 to 80 pictures an individual, 16 to 512 dimensions; two seeds each) the mean adjusted Rand index was 0.90; a fixed 0.5
had 0.89, 0.6 had 0.90, 0.7 had 0.82. With 80 pictures an individual: auto 0.99, 0.6 0.85, 0.5 0.53. A fixed eps is
better if offsets between cameras are as large as the difference between individuals (0.6: 0.80, auto 0.70). With only
two pictures an individual and long lists this rule merges everything at 0.75; :func:`.pseudo_labels` then lowers eps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int
from scipy.sparse import csr_matrix

LISTED = 41
"""Length of the neighbor lists for this, the row itself included; they show groups of up to 25."""

LARGEST_SHOWN = 25

# Similarities have an error of about 1e-7. If all impostors are equally far, their spacings are only that error.
_SMALLEST_SPACING = 1e-5
_TAIL = 3 / 8  # share of the list, at its end, that is taken for impostors
_LARGEST = 6.0  # a spacing counts at most this many times the mean
# By chance one row in 200 has a spacing of ten times the others' mean. If a fifth of the rows that show a group lie in
# groups larger than the lists can show, short lists would cut these groups to pieces: ten individuals of 40 pictures
# beside a hundred of two became 168 groups (adjusted Rand index 0.10; with the usual sizes 0.74).
_CLEAR, _FEWEST_CLEAR, _MANY_BEYOND = 10.0, 0.05, 0.2
# A mean over N rows deviates by 1 / sqrt(N); twice that, and a tenth for tails that are not quite exponential.
_TOLERANCE, _DEVIATIONS = 0.1, 2.0


@dataclass(frozen=True)
class Sizes:
    """How long lists are, and how many rows make a cluster.

    Attributes:
        k1: length of the neighbor lists, the row itself included.
        k2: how many of them an encoding is averaged over.
        min_samples: rows within eps, itself included, that make a row the core of a cluster.
    """

    k1: int
    k2: int
    min_samples: int


USUAL = Sizes(k1=15, k2=6, min_samples=4)
"""Used if the data show no group sizes, or large ones. Lists of 15, not the papers' 30: on the world's target domain
before adaptation 0.67 against 0.58, on groceries 0.53 against 0.48, in made groups of 14 to 80 the same."""


@dataclass(frozen=True)
class GroupSizes:
    """How many pictures individuals seem to have.

    Attributes:
        lower: a quarter of the rows that show a size show at most this one.
        upper: four fifths of the rows that show a size show at most this one.
    """

    lower: int
    upper: int

    def sizes(self) -> Sizes:
        """The settings that find groups of these sizes.

        Example:
            >>> GroupSizes(2, 2).sizes()
            Sizes(k1=4, k2=2, min_samples=2)
            >>> GroupSizes(9, 17).sizes() == USUAL
            True
        """
        return Sizes(
            min(USUAL.k1, max(3, 2 * self.upper)),
            min(USUAL.k2, max(2, 7 * self.upper // 10)),
            min(USUAL.min_samples, max(2, self.lower - 1)),
        )


def _reach_beyond(similarity: Float32[np.ndarray, "rows neighbors"]) -> float:
    """Share of rows, among those that show a group, whose individual has more pictures than these lists can show.

    The middle of a row's clear drop is the border between near and far neighbors. Rows of large groups have no such
    drop, and all their listed neighbors are near.
    """
    if similarity.shape[1] < LISTED:
        return 0.0  # with fewer rows than that no individual can be so large
    others, spacing = similarity[:, 1:].astype(np.float64), _spacings(similarity)
    place, rows = spacing.argmax(1), np.arange(len(others))
    impostors = np.maximum((spacing.sum(1) - spacing[rows, place]) / (spacing.shape[1] - 1), _SMALLEST_SPACING)
    clear = spacing[rows, place] > _CLEAR * impostors
    if clear.sum() < _FEWEST_CLEAR * len(others):
        return 0.0
    middle = np.median((others[rows, place] + others[rows, place + 1])[clear]) / 2
    beyond = (others > middle).sum(1) + 1 > LARGEST_SHOWN
    return float(beyond.sum() / (beyond | clear).sum())


def group_sizes(
    similarity: Float32[np.ndarray, "rows neighbors"], weights: Int[np.ndarray, "rows"] | None = None
) -> GroupSizes | None:
    """How many pictures individuals seem to have.

    Args:
        similarity: (N, k) inner products of every row with its nearest rows, itself first, descending; :data:`LISTED`
            of them if there are as many rows.
        weights: (N,) how many pictures each row represents; by default one.

    Returns:
        None if the lists show no end of a group: fewer than 9 rows, no groups, larger groups, or many larger groups
        beside small ones.

    Example:
        >>> pairs = np.full((500, 41), 0.9, np.float32)
        >>> pairs[:, 2:] = 0.4 - 0.05 * np.cumsum(1 / np.arange(1, 40))
        >>> group_sizes(pairs)
        GroupSizes(lower=2, upper=2)
    """
    above = _excess(similarity)
    if not above.sum() > 0 or _reach_beyond(similarity) > _MANY_BEYOND:
        return None
    share = np.cumsum(above) / above.sum()
    # The first spacing is behind the first neighbor: there a group has two rows.
    lower, upper = (
        (2 + int(np.searchsorted(share, quantile))) * (1 if weights is None else int(np.quantile(weights, quantile)))
        for quantile in (0.25, 0.8)
    )
    return GroupSizes(lower, upper)


def _excess(similarity: Float32[np.ndarray, "rows neighbors"]) -> Float[np.ndarray, "spacings"]:
    """By how much each mean spacing exceeds the mean spacing of impostors; 0 if it does not."""
    spacing = _spacings(similarity)
    tail = int(spacing.shape[1] * _TAIL)
    if spacing.shape[1] < 7 or not len(spacing):
        return np.zeros(0)
    impostors = np.maximum(spacing[:, -tail:].mean(1, keepdims=True), _SMALLEST_SPACING)
    mean = np.minimum(spacing / impostors, _LARGEST).mean(0)[:-tail]
    return np.maximum(0, mean - (1 + _TOLERANCE + _DEVIATIONS / np.sqrt(len(spacing))))


def _spacings(similarity: Float32[np.ndarray, "rows neighbors"]) -> Float[np.ndarray, "rows spacings"]:
    """The spacings d_j of every row; no columns if the lists are too short."""
    others = similarity[:, 1:].astype(np.float64)
    return np.arange(1, max(1, others.shape[1])) * (others[:, :-1] - others[:, 1:])


# A larger distance does not distinguish neighbors from impostors: of 1,500 rows of noise, over 9 in 10 k-distances
# exceed it.
_ISOLATED = 0.7
# The value of the four papers; used if most rows are isolated, so that the curve has no flat part to measure.
_WITHOUT_STRUCTURE = 0.6
LARGEST_RADIUS = 0.75


def auto_radius(distances: csr_matrix, min_samples: int, weights: Int[np.ndarray, "rows"] | None = None) -> float:
    """An eps for DBSCAN; see the module's docstring.

    Args:
        distances: (N, N) Jaccard distances that store at least all up to ``LARGEST_RADIUS``, diagonal included.
        min_samples: DBSCAN's, the row itself counted.
        weights: (N,) how many rows each row represents; by default one.

    Returns:
        A distance from 0.5 to 0.75.
    """
    reach = k_distances(distances, min_samples, weights)
    near = reach[reach <= _ISOLATED]
    if 10 * len(near) < len(reach) or not len(near):
        return _WITHOUT_STRUCTURE
    return min(float(1 + np.median(near)) / 2, LARGEST_RADIUS)


def k_distances(
    distances: csr_matrix, count: int, weights: Int[np.ndarray, "rows"] | None = None
) -> Float32[np.ndarray, "rows"]:
    """Distance of each row to its `count`-th neighbor, itself counted; 1 if it has fewer within the radius."""
    total = len(distances.indptr) - 1
    weights = np.ones(total, np.int64) if weights is None else weights
    row = np.repeat(np.arange(total), np.diff(distances.indptr))
    order = np.lexsort((distances.data, row))
    counted = np.concatenate([[0], np.cumsum(weights[distances.indices[order]])])
    # In each row's own range the first entry with which the count is reached; the row's end if it is not reached.
    place = np.searchsorted(counted, counted[distances.indptr[:-1]] + count) - 1
    enough = place < distances.indptr[1:]
    reach = np.ones(total, np.float32)
    reach[enough] = distances.data[order][place[enough]]
    return reach
