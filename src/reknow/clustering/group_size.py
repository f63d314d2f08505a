"""Group sizes from the data: how many near neighbors rows have, and which k1, k2 and min_samples fit that.

Lists longer than an individual has pictures reach into strangers, and an encoding averaged over six rows (k2) is that
of strangers where an individual has two. So the sizes of the published settings (k1 = 30, k2 = 6, min_samples = 4)
cannot find groups of two or three, however clear they are.

What tells where strangers begin is the drop of similarity behind the last picture of the same individual. Let
s_1 >= s_2 >= ... be a row's similarities to its neighbors, itself not counted. Where all of them are strangers they are
the largest of many independent numbers, and by Renyi's representation of order statistics the spacings

    d_j = j (s_j - s_{j+1})

then have one common mean (exactly so for exponential tails; for the rows of 500 strangers it stayed within 0.7 and 1.1
of the mean over the list's end). A drop behind the m-th neighbor lifts d_m. Averaged over all rows, each relative to
the end of its own list and bounded so that no clear group outweighs a hundred unclear ones, what exceeds 1 is a
histogram of group sizes. It shows sizes that no single row does: in the world's target domain before any adaptation,
cut down to three pictures a person, the mean of d_2 is 1.8 and of all others 0.8 to 1.2.

From that histogram: ``upper``, below which four fifths of it lie, and ``lower``, below which a quarter lies; then

    k1 = 2 upper,  k2 = 0.7 upper,  min_samples = lower - 1,    at least 3, 2 and 2, at most 15, 6 and 4

The upper one, since pictures come in bursts: where a person is five bursts of three, most rows show a clear gap at
three, and lists cut there leave nothing but bursts. Measured as adjusted Rand index, eps auto, against 15, 6 and 4:
800 made rows in groups of two 1.00 (0.14), of three 1.00 (0.38), of one to three 0.92 (0.12), of five 1.00 (0.86), of
14, 30 or 80 the same; the shipped network on two of the world's target domains, cut to two pictures a person 0.69 and
0.71 (0.02 and 0.14), to four 0.69 and 0.71 (0.30 and 0.33), whole the same; on the source domain, cut to two, 0.82
(0.13). Groceries and Omniglot before training show no sizes and keep the usual ones. It loses on bursts of three that
nearly drown in noise: 0.67 (0.73). Above 80 pictures an individual k1 = 30 would be better.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int

LISTED = 41
"""Neighbors that are looked at, the row itself included; groups of up to 25 show."""

LARGEST_SHOWN = 25

# Similarities are known to about 1e-7. Where strangers are all equally far, their spacings are nothing but that.
_SMALLEST_SPACING = 1e-5
_TAIL = 3 / 8  # of the list: what is taken for strangers
_LARGEST = 6.0  # spacings beyond this many times the mean are as clear as can be
# A spacing of ten times the others' mean is one in 200 rows by chance. Where a fifth of the rows that tell lie in
# groups beyond the lists' reach, short lists would cut these to pieces: ten individuals of 40 beside a hundred of two
# came out as 168 groups (adjusted Rand index 0.10; with the usual sizes 0.74).
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
"""Where the data show no sizes, or large ones. Lists of 15, not the papers' 30: on the world's target domain before
adaptation 0.67 against 0.58, on groceries 0.53 against 0.48, in made groups of 14 to 80 the same."""


@dataclass(frozen=True)
class GroupSizes:
    """How many pictures individuals seem to have.

    Attributes:
        lower: a quarter of the rows that show it have no more.
        upper: four fifths of the rows that show it have no more.
    """

    lower: int
    upper: int

    def sizes(self) -> Sizes:
        """What finds groups of these sizes.

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
    """Share of rows, among those that tell, whose individual has more pictures than lists of this length can show.

    Where a row has a drop that is as clear as can be, the middle of it parts the near from the far. Rows of large
    groups have no such drop, and none but near neighbors.
    """
    if similarity.shape[1] < LISTED:
        return 0.0  # among few rows no individual can be so large
    others, spacing = similarity[:, 1:].astype(np.float64), _spacings(similarity)
    place, rows = spacing.argmax(1), np.arange(len(others))
    strangers = np.maximum((spacing.sum(1) - spacing[rows, place]) / (spacing.shape[1] - 1), _SMALLEST_SPACING)
    clear = spacing[rows, place] > _CLEAR * strangers
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
        similarity: (N, k) inner products of every row with its nearest, itself first, descending; :data:`LISTED` of
            them where there are as many.
        weights: (N,) how many pictures each row stands for; by default one.

    Returns:
        None where lists show no end of a group: fewer than 9 rows, no groups, larger ones, or many larger ones beside
        small ones.

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
    # The first spacing is behind the first neighbor, where a group has two rows.
    lower, upper = (
        (2 + int(np.searchsorted(share, quantile))) * (1 if weights is None else int(np.quantile(weights, quantile)))
        for quantile in (0.25, 0.8)
    )
    return GroupSizes(lower, upper)


def _excess(similarity: Float32[np.ndarray, "rows neighbors"]) -> Float[np.ndarray, "spacings"]:
    """By how much each mean spacing exceeds that of strangers; 0 where it does not."""
    spacing = _spacings(similarity)
    tail = int(spacing.shape[1] * _TAIL)
    if spacing.shape[1] < 7 or not len(spacing):
        return np.zeros(0)
    strangers = np.maximum(spacing[:, -tail:].mean(1, keepdims=True), _SMALLEST_SPACING)
    mean = np.minimum(spacing / strangers, _LARGEST).mean(0)[:-tail]
    return np.maximum(0, mean - (1 + _TOLERANCE + _DEVIATIONS / np.sqrt(len(spacing))))


def _spacings(similarity: Float32[np.ndarray, "rows neighbors"]) -> Float[np.ndarray, "rows spacings"]:
    """d_j of every row; none where lists are too short to have any."""
    others = similarity[:, 1:].astype(np.float64)
    return np.arange(1, max(1, others.shape[1])) * (others[:, :-1] - others[:, 1:])
