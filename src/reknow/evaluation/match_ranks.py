"""Numba kernels over blocks of distances: the ranks of the matches, by pictures or individuals, and the nearest rows.

No metric needs the whole ranking. The ranks of a query's matches suffice, and a rank is a count:

    rank of match j = 1 + #{i kept : d_i < d_j, or d_i = d_j and i < j}

Counting is a plain comparison loop that vectorizes: for 21 matches among 15,913 it takes 0.01 ms a query, a full
sort about 1 ms. Ties are counted in gallery order, so the result is that of a stable sort. Rows that the protocol
removes have the query's identity, so their number is small: they are counted with the others, then subtracted.

Cost: O(G m) comparisons a query with m matches, 16 a cycle on a processor with wide registers. Memory: none beyond the
ranks. ``tests/references/sorted_ranking.py`` computes the same with a sort.

Queries are shared among plain threads, not by numba's parallel loops: OpenMP's threads spin while they wait, and so
occupy a core during the next block's matrix product (measured on two cores: 10 ms lost at every change).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from reknow.compiled import compiled, in_chunks

FEWEST_SHARED = 2**21
"""Distances of a block that threads share: handing out a smaller one takes longer, since the threads of the matrix
product before it still spin. On two cores ten trials of SYSU-MM01 (3,803 x 301) took 3.8 times their products so, and
2.0 now."""


def share_out(kernel: Callable[..., None], per_query: tuple[np.ndarray, ...], shared: tuple[np.ndarray, ...]) -> None:
    """Run a kernel of this module over all queries of a block, in chunks over threads where the block is large.

    Args:
        kernel: :func:`rank_matches`, :func:`rank_individuals` or :func:`nearest_rows`.
        per_query: its arrays with one entry a query; each chunk gets a slice.
        shared: the others.
    """
    if per_query[0].size < FEWEST_SHARED:
        kernel(*per_query, *shared)
        return
    in_chunks(len(per_query[0]), lambda first, last: kernel(*(array[first:last] for array in per_query), *shared))


@compiled()
def _ahead(row: np.ndarray, place: int) -> np.int64:
    """How many entries of `row` come before the one at `place`, in order of distance, then of place."""
    # Unsigned 32-bit counters and loops that start at zero: with 64-bit ones, or with one loop split at `place`, the
    # compiler does not use wide registers and the count takes eight times as long.
    increment, zero = np.uint32(1), np.uint32(0)
    distance = row[place]
    nearer = np.uint32(0)
    for other in range(row.size):
        nearer = np.uint32(nearer + (increment if row[other] < distance else zero))
    before = row[:place]
    for other in range(before.size):
        nearer = np.uint32(nearer + (increment if before[other] == distance else zero))
    return np.int64(nearer)


@compiled(nogil=True)
def rank_matches(
    distances: np.ndarray,
    first: np.ndarray,
    last: np.ndarray,
    query_group: np.ndarray,
    starts: np.ndarray,
    same_identity: np.ndarray,
    gallery_group: np.ndarray,
    ranks: np.ndarray,
) -> None:
    """Write the ascending ranks of every query's matches; places of removed rows stay as they are.

    Args:
        distances: (B, G) float32 or float64, C order, no NaN.
        first, last: (B,) bounds into `same_identity`; equal if the query's identity is unknown or absent.
        query_group: (B,) codes; a gallery row of equal identity and group is removed, with -1 none is.
        starts: (B,) where each query's ranks begin in `ranks`.
        same_identity: (G,) gallery rows in order of identity; a query's own are those from its `first` to its `last`.
        gallery_group: (G,) codes.
        ranks: the output, ``sum(last - first)`` long.
    """
    for query in range(distances.shape[0]):
        row = distances[query]
        group = query_group[query]
        end = starts[query]
        for position in range(first[query], last[query]):
            match = same_identity[position]
            if group >= 0 and gallery_group[match] == group:
                continue
            rank = 1 + _ahead(row, match)
            for removed_position in range(first[query], last[query]):
                removed = same_identity[removed_position]
                if (
                    group >= 0
                    and gallery_group[removed] == group
                    and (row[removed] < row[match] or (row[removed] == row[match] and removed < match))
                ):
                    rank -= 1
            ranks[end] = rank
            end += 1
        ranks[starts[query] : end].sort()


@compiled(nogil=True)
def rank_individuals(
    distances: np.ndarray,
    first: np.ndarray,
    last: np.ndarray,
    query_group: np.ndarray,
    individuals: np.ndarray,
    same_identity: np.ndarray,
    gallery_group: np.ndarray,
    run_starts: np.ndarray,
    run_individual: np.ndarray,
) -> None:
    """Write how many different individuals every query's ranking shows down to its first match, that one included.

    Args:
        distances, first, last, query_group, same_identity, gallery_group: as in :func:`rank_matches`.
        individuals: (B,) holds the rank of the first match, -1 where there is none; then the output.
        run_starts: (R + 1,) where the runs of gallery rows of one individual begin, and G; drawn galleries are in
            order of individuals, so that a run is long.
        run_individual: (R,) codes of their individuals, from 0 on; rows of unknown identity have one each.
    """
    before = np.zeros(run_individual.max() + 1, dtype=np.uint32)
    for query in range(distances.shape[0]):
        if individuals[query] <= 1:
            continue
        row = distances[query]
        group = query_group[query]
        match = np.int64(-1)
        for position in range(first[query], last[query]):
            place = same_identity[position]
            if group >= 0 and gallery_group[place] == group:
                continue
            if match < 0 or row[place] < row[match] or (row[place] == row[match] and place < match):
                match = place
        before[:] = 0
        distance = row[match]
        own = np.int64(-1)
        # Without branches within a run: which rows are nearer is as good as random, and wide registers compare many.
        for run in range(run_individual.size):
            rows = row[run_starts[run] : run_starts[run + 1]]
            nearer = np.uint32(0)
            if run_starts[run + 1] <= match:
                for place in range(rows.size):
                    nearer |= np.uint32(rows[place] <= distance)
            elif run_starts[run] > match:
                for place in range(rows.size):
                    nearer |= np.uint32(rows[place] < distance)
            else:
                own = run_individual[run]
            before[run_individual[run]] |= nearer
        before[own] = 0  # of the query's own, only removed rows can be before the match
        count = np.uint32(1)
        for code in range(before.size):
            count += before[code]
        individuals[query] = count


@compiled(nogil=True)
def nearest_rows(
    distances: np.ndarray,
    first: np.ndarray,
    last: np.ndarray,
    query_group: np.ndarray,
    rows: np.ndarray,
    nearest: np.ndarray,
    same_identity: np.ndarray,
    gallery_group: np.ndarray,
) -> None:
    """Write each query's nearest gallery rows that the protocol keeps; equal distances in gallery order.

    Args:
        distances: (B, G), finite; removed entries are overwritten with infinity.
        first, last, query_group, same_identity, gallery_group: as in :func:`rank_matches`.
        rows: (B, top) output, filled with -1 before.
        nearest: (B, top) output, their distances, filled with infinity before.
    """
    top = rows.shape[1]
    for query in range(distances.shape[0]):
        row = distances[query]
        if query_group[query] >= 0:
            for position in range(first[query], last[query]):
                if gallery_group[same_identity[position]] == query_group[query]:
                    row[same_identity[position]] = np.inf
        # Insertion into a short sorted list: after the first rows almost no row is near enough to be inserted.
        for candidate in range(row.size):
            distance = row[candidate]
            if distance < nearest[query, top - 1]:
                slot = top - 1
                while slot > 0 and nearest[query, slot - 1] > distance:
                    nearest[query, slot] = nearest[query, slot - 1]
                    rows[query, slot] = rows[query, slot - 1]
                    slot -= 1
                nearest[query, slot] = distance
                rows[query, slot] = candidate
