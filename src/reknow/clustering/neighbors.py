"""Exact nearest neighbors of unit rows, by inner product.

On the CPU faiss searches (flat, nothing is approximated); vectors on another device are searched there in blocks
with ``topk``. Unit rows make the orders of inner product, cosine and Euclidean distance one: |x - y|^2 = 2 - 2 x.y.

Ties. A row's first neighbor is the row itself, also where others equal it. Equal similarities inside a list stand
in row order. Which of several equal ones still fit at the *end* of a list is up to the search.

Memory. faiss keeps blocks of a few MB; a device block holds at most 2^26 similarities (268 MB).
"""

from __future__ import annotations

from dataclasses import dataclass

import faiss
import numpy as np
import torch
from jaxtyping import Float, Float32, Int32
from torch import Tensor

from reknow.errors import DataError

# Rows are taken as they are while |x|^2 is this near to 1: float32 normalization leaves 3e-7, half precision 1e-3.
_UNIT_TOLERANCE = 1e-5
_BLOCK_ENTRIES = 2**26


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
    """The features as float32 rows of length 1, on their device; a copy only where something had to change.

    Raises:
        DataError: not a matrix; rows that hold NaN or infinity, or are zero and so have no direction.
    """
    if features.ndim != 2:
        raise DataError(
            "features", found=f"shape {tuple(features.shape)}", expected="(N, D)", remedy="Pass one vector a row."
        )
    given = features.detach() if isinstance(features, Tensor) else _tensor_of(features)
    rows = given.to(torch.float32).contiguous()
    square = torch.linalg.vecdot(rows, rows)
    if not bool(((square - 1).abs() <= _UNIT_TOLERANCE).all()):
        # In double precision, so that 1e30 has a length too.
        lengths = torch.linalg.vector_norm(rows, dim=1, dtype=torch.float64)
        bad = torch.nonzero(~(torch.isfinite(lengths) & (lengths > 0)))[:, 0].tolist()
        if bad:
            listing = ", ".join(map(str, bad[:5])) + (", …" if len(bad) > 5 else "")
            raise DataError(
                "features",
                found=f"{len(bad):,} of {len(rows):,} rows hold NaN, infinity or only zeros: rows {listing}",
                expected="finite vectors of some length",
                remedy="Look at these pictures. If all rows are bad, the network diverged: lower the learning rate.",
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
    return blocked_neighbors(unit, count)[0]


def blocked_neighbors(
    unit: Float32[Tensor, "rows dim"], count: int, *, block_entries: int = _BLOCK_ENTRIES
) -> tuple[Neighbors, Float32[np.ndarray, "rows"]]:
    """Neighbors by blocked products with ``topk``, and what a sweep over all pairs finds on the way.

    Args:
        unit: (N, D) rows of length 1, on any device.
        count: k, at most N.
        block_entries: similarities in memory at once.

    Returns:
        The neighbors, and each row's smallest similarity to any row (re-ranking divides by it).
    """
    total = len(unit)
    height = max(1, min(total, block_entries // max(total, 1)))
    block = unit.new_empty(height, total)
    rows = np.empty((total, count), np.int32)
    similarity = np.empty((total, count), np.float32)
    smallest = np.empty(total, np.float32)
    for first in range(0, total, height):
        last = min(first + height, total)
        products = torch.mm(unit[first:last], unit.T, out=block[: last - first])
        nearest = products.topk(count, dim=1)
        rows[first:last] = nearest.indices.cpu().numpy()
        similarity[first:last] = nearest.values.cpu().numpy()
        smallest[first:last] = products.amin(dim=1).cpu().numpy()
    return _with_itself(ordered(rows, similarity)), smallest


def ordered(rows: Int32[np.ndarray, "rows neighbors"], similarity: Float32[np.ndarray, "rows neighbors"]) -> Neighbors:
    """Apply the tie rule of this module to lists in order of similarity: itself first, then equal ones in row order.

    A row that many others equal can be missing from its own list: it takes the place of the last one.
    """
    own = np.arange(len(rows), dtype=np.int32)
    astray = np.flatnonzero(rows[:, 0] != own) if rows.shape[1] else own[:0]
    if len(astray):
        found = rows[astray] == astray[:, None]
        place = np.where(found.any(1), found.argmax(1), rows.shape[1] - 1)[:, None]
        # What stood before the row itself moves back by one; what stood behind it stays.
        columns = np.arange(rows.shape[1])[None]
        source = np.where((columns <= place) & (columns > 0), columns - 1, columns)
        rows[astray] = np.take_along_axis(rows[astray], source, 1)
        similarity[astray] = np.take_along_axis(similarity[astray], source, 1)
        rows[astray, 0] = astray
    tied = np.flatnonzero((similarity[:, 2:] == similarity[:, 1:-1]).any(1))
    if len(tied):
        order = 1 + np.lexsort((rows[tied, 1:], -similarity[tied, 1:]), axis=1)
        rows[tied, 1:] = np.take_along_axis(rows[tied], order, 1)
    return Neighbors(rows, similarity)


def _with_itself(neighbors: Neighbors) -> Neighbors:
    """Similarity to itself is 1, whatever rounding made of it."""
    neighbors.similarity[:, :1] = 1
    return neighbors


def _tensor_of(features: Float[np.ndarray, "rows dim"]) -> Float[Tensor, "rows dim"]:
    # torch warns about arrays that may not be written to, such as memory-mapped ones; it never writes here.
    if not features.flags.writeable or not features.flags.c_contiguous:
        features = np.array(features, dtype=np.float32)
    return torch.from_numpy(features)
