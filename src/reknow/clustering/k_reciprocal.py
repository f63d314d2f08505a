"""k-reciprocal encoding (Zhong et al., "Re-ranking Person Re-identification with k-reciprocal Encoding", CVPR 2017).

Pseudo-labels (:mod:`.jaccard`) and re-ranking (:mod:`reknow.evaluation.rerank`) share it. From the list of every row's
neighbors, the row itself first:

    R(i, k)  = {j in the first k of i : i in the first k of j}                              eq. 3
    R*(i)    = R(i, k) plus every R(c, h) of a c in R(i, k), where
               |R(c, h) and R(i, k)| > 2/3 |R(c, h)|                                        eq. 5 (strict)
    V_i      = weights over R*(i), of sum 1                                                 eq. 7
    V_i      = mean of V over the first k2 of i                                             eq. 11

Here k is the length of the list and h = round(k1/2) + 1, halves to even. Two conventions exist: clustering lists k1
rows, re-ranking k1 + 1. A list may end early, with -1 in the rest of its row.

Everything is sparse: at most some hundred entries a row, three flat arrays, no N x N and no Python object per row.
``tests/references/dense_jaccard.py`` computes the same with dense matrices.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from reknow.compiled import compiled, in_chunks


@dataclass(frozen=True)
class SparseRows:
    """N sparse rows in three flat arrays; columns within a row are in no particular order.

    Attributes:
        start: (N + 1,) int64; row i holds the entries ``start[i]:start[i + 1]``.
        column: int32, the column of each entry.
        value: float32, the value of each entry.
    """

    start: np.ndarray
    column: np.ndarray
    value: np.ndarray

    def __len__(self) -> int:
        return len(self.start) - 1

    @property
    def row(self) -> np.ndarray:
        """The row of each entry."""
        return np.repeat(np.arange(len(self), dtype=np.int32), np.diff(self.start))

    @classmethod
    def joined(cls, chunks: list[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> SparseRows:
        """One value from consecutive chunks of (entries per row, columns, values)."""
        if not chunks:
            return cls(np.zeros(1, np.int64), np.empty(0, np.int32), np.empty(0, np.float32))
        counts, columns, values = zip(*chunks, strict=True)
        start = np.concatenate([[0], np.cumsum(np.concatenate(counts), dtype=np.int64)])
        return cls(start, np.concatenate(columns), np.concatenate(values))


def encoded(
    lists: np.ndarray,
    values: np.ndarray,
    k1: int,
    k2: int,
    weigh: Callable[[SparseRows], np.ndarray],
    averaged: np.ndarray | None = None,
) -> SparseRows:
    """The k-reciprocal encoding of every row: expanded sets, weighted, and averaged over neighbors.

    Args:
        lists: (N, k) int32 neighbor lists, the row itself first, -1 behind a shorter one.
        values: (N, k) float32, the known similarity or distance of each listed pair.
        k1: gives the size of the sets that may join, see :func:`half_length`.
        k2: number of neighbors over which an encoding is averaged, the row itself included.
        weigh: gives each entry of the expanded sets its weight. The sets hold values from `values`, NaN for pairs that
            are not listed, which `weigh` must fill.
        averaged: (N, k) lists whose first `k2` entries are averaged; by default `lists`.
    """
    sets = expanded_sets(lists, values, half_length(k1))
    return query_expanded(normalized(sets, weigh(sets)), lists if averaged is None else averaged, k2)


def half_length(k1: int) -> int:
    """Number of entries in the first half of a list: round(k1/2) + 1, halves to even.

    Example:
        >>> half_length(30), half_length(20), half_length(5)
        (16, 11, 3)
    """
    return round(k1 / 2) + 1


def expanded_sets(rows: np.ndarray, values: np.ndarray, half: int) -> SparseRows:
    """R*(i) of every row, each member with its value from the row's own list, or NaN if it is not listed there.

    Args:
        rows: (N, k) int32 lists, the row itself first, -1 behind a shorter one; k is the size of the reciprocal sets.
        values: (N, k) float32, the similarity or the distance of each listed pair.
        half: h, the size of the sets that may join; at most k.
    """
    whole, whole_count = _reciprocal_sets(rows, rows.shape[1])
    halves, half_count = _reciprocal_sets(rows, min(half, rows.shape[1]))

    def work(first: int, last: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return _expand(rows, values, whole, whole_count, halves, half_count, first, last)

    return SparseRows.joined(in_chunks(len(rows), work))


def fill_similarities(sets: SparseRows, unit: np.ndarray) -> None:
    """Replace every NaN by the inner product of its two unit rows, in place."""
    in_chunks(len(sets), lambda first, last: _fill(sets.start, sets.column, sets.value, unit, first, last))


def normalized(sets: SparseRows, weights: np.ndarray) -> SparseRows:
    """The same sets with these weights, divided so that the sum of each row is 1.

    Args:
        sets: none is empty, because each holds its own row.
        weights: float32, one per entry.
    """
    if not len(sets):
        return sets
    sums = np.add.reduceat(weights, sets.start[:-1])
    return SparseRows(sets.start, sets.column, weights / np.repeat(sums, np.diff(sets.start)))


def query_expanded(encoding: SparseRows, rows: np.ndarray, k2: int) -> SparseRows:
    """Local query expansion: each row's mean over its first `k2` neighbors, or over a shorter list."""
    lists = np.ascontiguousarray(rows[:, :k2])

    def work(first: int, last: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return _mean_rows(encoding.start, encoding.column, encoding.value, lists, first, last)

    return SparseRows.joined(in_chunks(len(encoding), work))


def transposed(encoding: SparseRows, columns: int) -> tuple[SparseRows, np.ndarray]:
    """The inverted index of an encoding: for each column the rows that hold it, ascending.

    Returns:
        The index, and for every entry of `encoding` its place in the index. Entries after that place, up to the
        column's end, belong to later rows.
    """
    start, row, value, place = _transpose(encoding.start, encoding.column, encoding.value, columns)
    return SparseRows(start, row, value), place


def _reciprocal_sets(rows: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """R(i, length) of every row: (N, length) members in list order, and (N,) how many of them are set."""
    members = np.empty((len(rows), length), np.int32)
    count = np.zeros(len(rows), np.int32)
    in_chunks(len(rows), lambda first, last: _reciprocal(rows, length, members, count, first, last))
    return members, count


@compiled(nogil=True)
def _reciprocal(rows: np.ndarray, length: int, members: np.ndarray, count: np.ndarray, first: int, last: int) -> None:
    for i in range(first, last):
        for place in range(length):
            j = rows[i, place]
            if j < 0:
                break
            for other in range(length):
                if rows[j, other] == i:
                    members[i, count[i]] = j
                    count[i] += 1
                    break


@compiled(nogil=True)
def _expand(
    rows: np.ndarray,
    known: np.ndarray,
    whole: np.ndarray,
    whole_count: np.ndarray,
    halves: np.ndarray,
    half_count: np.ndarray,
    first: int,
    last: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """R*(i) for ``first <= i < last``: entries per row, members, the known value of each."""
    total, length = rows.shape
    counts = np.empty(last - first, np.int32)
    # `stamp[j] == 2i`: j is in R*(i); `2i + 1`: j is in R(i, k) itself. Stamps need no clearing between rows.
    stamp = np.full(total, -1, np.int64)
    listed = np.full(total, -1, np.int32)
    place_of = np.empty(total, np.int32)
    most = length * (1 + halves.shape[1])
    members = np.empty(most + (last - first) * 2 * length, np.int32)
    values = np.empty(members.size, np.float32)
    used = 0
    for i in range(first, last):
        if used + most > members.size:
            members = np.concatenate((members, np.empty(members.size + most, np.int32)))
            values = np.concatenate((values, np.empty(values.size + most, np.float32)))
        begin = used
        for place in range(length):
            if rows[i, place] < 0:
                break
            listed[rows[i, place]] = i
            place_of[rows[i, place]] = place
        for place in range(whole_count[i]):
            j = whole[i, place]
            stamp[j] = 2 * i + 1
            members[used] = j
            used += 1
        for place in range(whole_count[i]):
            candidate = whole[i, place]
            shared = 0
            for other in range(half_count[candidate]):
                if stamp[halves[candidate, other]] == 2 * i + 1:
                    shared += 1
            if 3 * shared > 2 * half_count[candidate]:
                for other in range(half_count[candidate]):
                    j = halves[candidate, other]
                    if stamp[j] < 2 * i:
                        stamp[j] = 2 * i
                        members[used] = j
                        used += 1
        for entry in range(begin, used):
            j = members[entry]
            values[entry] = known[i, place_of[j]] if listed[j] == i else np.nan
        counts[i - first] = used - begin
    return counts, members[:used].copy(), values[:used].copy()


# fastmath lets the sum be taken 16 at a time; without it a product of 768 is four times slower.
@compiled(nogil=True, fastmath={"reassoc", "contract"})
def _dot(left: np.ndarray, right: np.ndarray) -> np.float32:
    total = np.float32(0)
    for index in range(left.size):
        total += left[index] * right[index]
    return total


@compiled(nogil=True)
def _fill(start: np.ndarray, column: np.ndarray, value: np.ndarray, unit: np.ndarray, first: int, last: int) -> None:
    for i in range(first, last):
        for entry in range(start[i], start[i + 1]):
            if np.isnan(value[entry]):
                value[entry] = _dot(unit[i], unit[column[entry]])


@compiled(nogil=True)
def _mean_rows(
    start: np.ndarray, column: np.ndarray, value: np.ndarray, lists: np.ndarray, first: int, last: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean of the listed sparse rows for ``first <= i < last``: entries per row, columns, values."""
    total = start.size - 1
    sums = np.zeros(total, np.float32)
    counts = np.empty(last - first, np.int32)
    # A first guess of the size; it is doubled if it is too small.
    columns = np.empty((last - first) * 64 + total, np.int32)
    values = np.empty(columns.size, np.float32)
    used = 0
    for i in range(first, last):
        # A row touches at most all columns.
        if used + total > columns.size:
            columns = np.concatenate((columns, np.empty(columns.size + total, np.int32)))
            values = np.concatenate((values, np.empty(values.size + total, np.float32)))
        begin = used
        averaged = 0
        for place in range(lists.shape[1]):
            j = lists[i, place]
            if j < 0:
                break
            averaged += 1
            for entry in range(start[j], start[j + 1]):
                member = column[entry]
                if sums[member] == 0:
                    columns[used] = member
                    used += 1
                sums[member] += value[entry]
        for entry in range(begin, used):
            values[entry] = sums[columns[entry]] / np.float32(averaged)
            sums[columns[entry]] = 0
        counts[i - first] = used - begin
    return counts, columns[:used].copy(), values[:used].copy()


@compiled(nogil=True)
def _transpose(
    start: np.ndarray, column: np.ndarray, value: np.ndarray, columns: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A counting sort by column."""
    begin = np.zeros(columns + 1, np.int64)
    for entry in range(column.size):
        begin[column[entry] + 1] += 1
    for index in range(columns):
        begin[index + 1] += begin[index]
    free = begin[:-1].copy()
    row_of = np.empty(column.size, np.int32)
    value_of = np.empty(column.size, np.float32)
    place = np.empty(column.size, np.int64)
    for row in range(start.size - 1):
        for entry in range(start[row], start[row + 1]):
            target = free[column[entry]]
            free[column[entry]] += 1
            row_of[target] = row
            value_of[target] = value[entry]
            place[entry] = target
    return begin, row_of, value_of, place
