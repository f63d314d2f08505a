"""Exact nearest neighbors of unit rows by inner product, and copies among the rows.

On the CPU faiss searches (flat index, no approximation). Vectors on another device are searched there in blocks with
``topk``. For unit rows the inner product, the cosine and the Euclidean distance give one order:
|x - y|^2 = 2 - 2 x.y.

Ties. A row's first neighbor is the row itself, also where other rows equal it. Equal similarities inside a list stand
in row order. The search decides which of several equal rows are still listed at the *end* of a list.

Memory. faiss keeps blocks of some MB. A device block holds 2^26 similarities (268 MB); among more than 262,144 rows it
grows with them, since a product of less than 256 rows leaves a part of a GPU idle: a million rows take 1 GB.

Copies are rows that are equal but for rounding, such as one file under two names or the still frames of a video. A
neighbor list holds a fixed number of rows. A row with more copies than that lists only copies, the search decides which
of them, and the copies fall into groups by chance (512 identical rows made two). All their pairs are also near, which
makes a sparse graph dense. So clustering uses one row of each set of copies, with a weight.

Two rows are copies if |x - y| <= 1e-5. A float32 network gives one picture vectors that differ by about 1e-6 when the
picture stands in batches of different sizes. Pictures that differ visibly are a thousand times farther apart.

The search for copies is exact and takes O(N D + N log N). A projection onto one direction never lengthens a difference,
so a row's copies lie within 1e-5 of it there. Among a million rows of 768 numbers this leaves about a hundred to
compare.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import faiss
import numpy as np
import torch
from jaxtyping import Float, Float32, Int, Int32, Int64
from torch import Tensor

from reknow.compiled import compiled
from reknow.errors import DataError

# Rows are not normalized again while |x|^2 is this near to 1: float32 normalization leaves 3e-7, half precision 1e-3.
_UNIT_TOLERANCE = 1e-5
_BLOCK_ENTRIES = 2**26
# Rows of a block on a device: at least, and in multiples of, what its products are computed in.
_FEWEST_ROWS, _TILE = 256, 128
COPY_TOLERANCE = 1e-5


@dataclass(frozen=True)
class Neighbors:
    """The k nearest rows of every row, itself first.

    Attributes:
        rows: (N, k) row numbers, nearest first.
        similarity: (N, k) their inner products; 1 in the first column.
    """

    rows: Int32[np.ndarray, "rows neighbors"]
    similarity: Float32[np.ndarray, "rows neighbors"]


def unit_rows(features: Float[np.ndarray, "rows dim"] | Float[Tensor, "rows dim"]) -> Float32[Tensor, "rows dim"]:
    """The features as float32 rows of length 1, on their device; a copy only where something must change.

    Raises:
        DataError: not a matrix; rows that hold NaN or infinity, or are zero and so have no direction.
    """
    if features.ndim != 2:
        raise DataError(
            "features", found=f"shape {tuple(features.shape)}", expected="(N, D)", remedy="Pass one vector a row."
        )
    tensor = features.detach() if isinstance(features, Tensor) else _tensor_of(features)
    rows = tensor.to(torch.float32).contiguous()
    square = torch.linalg.vecdot(rows, rows)
    if not bool(((square - 1).abs() <= _UNIT_TOLERANCE).all()):
        # In double precision, where the square of 1e30 is finite too.
        lengths = torch.linalg.vector_norm(rows, dim=1, dtype=torch.float64)
        bad = torch.nonzero(~(torch.isfinite(lengths) & (lengths > 0)))[:, 0].tolist()
        if bad:
            listing = ", ".join(map(str, bad[:5])) + (", …" if len(bad) > 5 else "")
            raise DataError(
                "features",
                found=f"{len(bad):,} of {len(rows):,} rows hold NaN, infinity or only zeros: rows {listing}",
                expected="finite vectors that are not zero",
                remedy="Check these pictures. If all rows are bad, the network diverged: lower the learning rate.",
            )
        rows = (rows / lengths[:, None]).to(torch.float32)
    return rows


def nearest_neighbors(unit: Float32[Tensor, "rows dim"], count: int) -> Neighbors:
    """The `count` nearest rows of every row.

    Args:
        unit: (N, D) rows of length 1, on any device.
        count: k, at most N.

    Returns:
        Lists that begin with the row itself, in host memory.
    """
    if unit.device.type == "cpu":
        array = unit.numpy()
        similarity, rows = faiss.knn(array, array, count, metric=faiss.METRIC_INNER_PRODUCT)
        return _with_itself(ordered(rows.astype(np.int32), similarity))
    lists = _Lists(unit, count)
    for block, products in _product_blocks(unit, _BLOCK_ENTRIES):
        lists.add(block, products)
    return lists.neighbors()


def blocked_neighbors(
    unit: Float32[Tensor, "rows dim"], count: int, *, block_entries: int = _BLOCK_ENTRIES
) -> tuple[Neighbors, Float32[np.ndarray, "rows"]]:
    """Neighbors by blocked products with ``topk``, and the smallest similarity of each row.

    Args:
        unit: (N, D) rows of length 1, on any device.
        count: k, at most N.
        block_entries: similarities in memory at once.

    Returns:
        The neighbors, and each row's smallest similarity to any row (re-ranking divides by it).
    """
    lists, smallest = _Lists(unit, count), unit.new_empty(len(unit))
    for block, products in _product_blocks(unit, block_entries):
        lists.add(block, products)
        smallest[block] = products.amin(dim=1)
    return lists.neighbors(), smallest.cpu().numpy()


class _Lists:
    """Lists that stay on the device until all are there, so that a GPU waits for no copy between two blocks.

    Args:
        unit: (N, D) rows of length 1.
        count: k, the length of a list.
    """

    def __init__(self, unit: Float32[Tensor, "rows dim"], count: int) -> None:
        self._count = count
        self._rows = unit.new_empty(len(unit), count, dtype=torch.int32)
        self._similarity = unit.new_empty(len(unit), count)

    def add(self, block: slice, products: Float32[Tensor, "block rows"]) -> None:
        """The lists of a block of rows, from its similarities to all rows."""
        self._similarity[block], self._rows[block] = products.topk(self._count, dim=1)

    def neighbors(self) -> Neighbors:
        """All of them, by the tie rule of this module, in host memory."""
        return _with_itself(ordered(self._rows.cpu().numpy(), self._similarity.cpu().numpy()))


def _product_blocks(
    unit: Float32[Tensor, "rows dim"], block_entries: int
) -> Iterator[tuple[slice, Float32[Tensor, "block rows"]]]:
    """Consecutive blocks of rows of the product of all pairs; one buffer serves all blocks."""
    total = len(unit)
    height = block_entries // max(total, 1)
    if unit.device.type != "cpu":
        height = max(_FEWEST_ROWS, height // _TILE * _TILE)
    height = max(1, min(total, height))
    buffer = unit.new_empty(height, total)
    for first in range(0, total, height):
        block = slice(first, min(first + height, total))
        yield block, torch.mm(unit[block], unit.T, out=buffer[: block.stop - first])


def ordered(rows: Int32[np.ndarray, "rows neighbors"], similarity: Float32[np.ndarray, "rows neighbors"]) -> Neighbors:
    """Apply the tie rule of this module to lists in order of similarity: the row itself first, equal ones in row order.

    A row that many others equal can be missing from its own list. It then replaces the last entry.
    """
    own = np.arange(len(rows), dtype=np.int32)
    misplaced = np.flatnonzero(rows[:, 0] != own) if rows.shape[1] else own[:0]
    if len(misplaced):
        is_own = rows[misplaced] == misplaced[:, None]
        place = np.where(is_own.any(1), is_own.argmax(1), rows.shape[1] - 1)[:, None]
        # Entries before the row itself move back by one; entries behind it stay.
        columns = np.arange(rows.shape[1])[None]
        source = np.where((columns <= place) & (columns > 0), columns - 1, columns)
        rows[misplaced] = np.take_along_axis(rows[misplaced], source, 1)
        similarity[misplaced] = np.take_along_axis(similarity[misplaced], source, 1)
        rows[misplaced, 0] = misplaced
    tied = np.flatnonzero((similarity[:, 2:] == similarity[:, 1:-1]).any(1))
    if len(tied):
        order = 1 + np.lexsort((rows[tied, 1:], -similarity[tied, 1:]), axis=1)
        rows[tied, 1:] = np.take_along_axis(rows[tied], order, 1)
    return Neighbors(rows, similarity)


def _with_itself(neighbors: Neighbors) -> Neighbors:
    """Set the similarity of each row to itself to exactly 1; rounding may have changed it."""
    neighbors.similarity[:, :1] = 1
    return neighbors


def _tensor_of(features: Float[np.ndarray, "rows dim"]) -> Float[Tensor, "rows dim"]:
    # torch warns about read-only arrays, such as memory-mapped ones. Nothing is written here.
    if not features.flags.writeable or not features.flags.c_contiguous:
        features = np.array(features, dtype=np.float32)
    return torch.from_numpy(features)


def first_copies(unit: Float32[np.ndarray, "rows dim"]) -> Int64[np.ndarray, "rows"]:
    """The row that represents each row: the row itself, or the one that it is a copy of.

    Args:
        unit: (N, D) rows of length 1.

    Returns:
        (N,) row numbers: the first row of each set of copies, which represents itself too.

    Example:
        >>> first_copies(np.eye(3, dtype=np.float32)[[0, 1, 0, 2, 1]]).tolist()
        [0, 1, 0, 3, 1]
    """
    if len(unit) < 2:
        return np.arange(len(unit))
    direction = np.random.default_rng(0).standard_normal(unit.shape[1])
    # In float32 the projection of a unit row has an error of about 1e-7, far below the tolerance.
    place = unit @ (direction / np.linalg.norm(direction)).astype(np.float32)
    leader = _leaders(unit, place, np.argsort(place), np.float32(COPY_TOLERANCE))
    earliest = np.full(len(unit), len(unit))
    np.minimum.at(earliest, leader, np.arange(len(unit)))
    return earliest[leader]


def with_copies(
    lists: Int[np.ndarray, "rows neighbors"], weights: Int[np.ndarray, "rows"]
) -> Int[np.ndarray, "rows neighbors"]:
    """The lists with copies put back: each entry is repeated by its row's weight, and lists keep their length.

    Args:
        lists: (N, k) nearest rows of every row, itself first.
        weights: (N,) how many rows each row represents, itself included.

    Example:
        >>> with_copies(np.array([[0, 1, 2], [1, 2, 0], [2, 1, 0]]), np.array([2, 1, 1])).tolist()
        [[0, 0, 1], [1, 2, 0], [2, 1, 0]]
    """
    until = np.cumsum(weights[lists], axis=1)
    entry = np.zeros(lists.shape, np.int64)
    for place in range(lists.shape[1] - 1):
        entry += until[:, place : place + 1] <= np.arange(lists.shape[1])
    return np.take_along_axis(lists, entry, 1)


@compiled(nogil=True)
def _leaders(unit: np.ndarray, place: np.ndarray, order: np.ndarray, tolerance: np.float32) -> np.ndarray:
    """For every row, the copy of it with the smallest projection."""
    total, dim = unit.shape
    leader = np.full(total, -1, np.int64)
    for position in range(total):
        row = order[position]
        if leader[row] >= 0:
            continue  # a copy represents no other row, so N equal rows take N comparisons and not N^2
        leader[row] = row
        # Twice the tolerance, because projections are rounded.
        for later in range(position + 1, total):
            other = order[later]
            if place[other] - place[row] > 2 * tolerance:
                break
            if leader[other] >= 0:
                continue
            square = np.float32(0)
            for index in range(dim):
                difference = unit[row, index] - unit[other, index]
                square += difference * difference
                if square > tolerance * tolerance:
                    break
            if square <= tolerance * tolerance:
                leader[other] = row
    return leader
