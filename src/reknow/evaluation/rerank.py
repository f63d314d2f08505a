"""k-reciprocal re-ranking (Zhong et al., CVPR 2017, eq. 12): neighborhoods in the ranking correct the ranking.

    d* = (1 - blend) J + blend D,     D(i, j) = |x_i - x_j|^2 / max over all j of |x_i - x_j|^2

over queries and gallery together; J is the Jaccard distance of :mod:`reknow.clustering.k_reciprocal`, with weights
exp(-D). The conventions are those of fast-reid and torchreid (golden case: rerank): lists hold k1 + 1 rows, the row
itself included, while clustering lists k1; D is divided by the maximum of its own row, so D is not symmetric.

The square matrix over all Q + G rows is never built from embeddings. One blocked sweep over the products finds both the
neighbors and each row's farthest row; after that everything but the result is sparse.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from reknow.clustering.jaccard import check_sizes
from reknow.clustering.k_reciprocal import SparseRows, encoded, fill_similarities, transposed
from reknow.clustering.neighbors import blocked_neighbors, ordered, unit_rows
from reknow.compiled import compiled, in_chunks
from reknow.errors import EvaluationError, RecipeError

# 2^24 float32 are 67 MB: 870 rows of 19,281 at once; the blocked product is then as fast as the whole one.
_BLOCK_ENTRIES = 2**24


def k_reciprocal(
    query: Float[np.ndarray, "queries dim"] | Float[Tensor, "queries dim"],
    gallery: Float[np.ndarray, "gallery dim"] | Float[Tensor, "gallery dim"],
    k1: int = 20,
    k2: int = 6,
    blend: float = 0.3,
) -> Float32[np.ndarray, "queries gallery"]:
    """Re-ranked distances from embeddings.

    Args:
        query, gallery: (Q, D) and (G, D) of one recognizer, arrays or tensors; rows of another length than 1 are
            normalized.
        k1: size of the reciprocal neighborhoods, the row itself not counted.
        k2: number of rows over which an encoding is averaged, the row itself included.
        blend: share of the original distance, from 0 to 1.

    Returns:
        (Q, G), smaller is nearer. Values compare only within one call.

    Raises:
        EvaluationError: sizes that differ.
        DataError: rows that are not finite, or zero.
        RecipeError: a setting out of range.

    Example:
        >>> turned = np.eye(4, dtype=np.float32)
        >>> k_reciprocal(turned[:1], turned[[0, 0, 1]], k1=2, k2=1).round(2).tolist()
        [[0.0, 0.0, 1.0]]
    """
    _check_settings(k1, k2, blend)
    if query.ndim != 2 or gallery.ndim != 2 or query.shape[1] != gallery.shape[1]:
        raise EvaluationError(
            "query and gallery",
            found=f"shapes {tuple(query.shape)} and {tuple(gallery.shape)}",
            expected="(Q, D) and (G, D)",
            remedy="Embed both with one recognizer.",
        )
    unit = torch.cat([unit_rows(query), unit_rows(gallery)])
    neighbors, smallest = blocked_neighbors(unit, min(k1 + 1, len(unit)), block_entries=_BLOCK_ENTRIES)
    farthest = _divisor(2 - 2 * smallest)

    def weigh(sets: SparseRows) -> np.ndarray:
        fill_similarities(sets, unit.cpu().numpy())
        return np.exp(-(np.maximum(2 - 2 * sets.value, 0) / farthest[sets.row]))

    encoding = encoded(neighbors.rows, neighbors.similarity, k1, k2, weigh)
    queries = len(query)
    result = np.empty((queries, len(gallery)), np.float32)
    height = max(1, _BLOCK_ENTRIES // max(1, len(gallery)))
    for first in range(0, queries, height):
        last = min(first + height, queries)
        products = unit[first:last] @ unit[queries:].T
        block = products.mul_(-2).add_(2).clamp_(min=0).cpu().numpy()
        np.divide(block, farthest[first:last, None], out=result[first:last])
    _blend(result, encoding, blend)
    return result


def k_reciprocal_from_distances(
    query_gallery: Float[np.ndarray, "queries gallery"],
    query_query: Float[np.ndarray, "queries queries"],
    gallery_gallery: Float[np.ndarray, "gallery gallery"],
    k1: int = 20,
    k2: int = 6,
    blend: float = 0.3,
) -> Float32[np.ndarray, "queries gallery"]:
    """Re-ranked distances from Euclidean distances. Pass them plain, not squared; this function squares them.

    Args:
        query_gallery, query_query, gallery_gallery: all three parts of the distances among Q + G rows.
        k1, k2, blend: as in :func:`k_reciprocal`.

    Returns:
        (Q, G), equal to those of :func:`k_reciprocal` from embeddings with these distances.

    Raises:
        EvaluationError: sizes that do not fit together, or distances that are not finite.
        RecipeError: a setting out of range.
    """
    _check_settings(k1, k2, blend)
    queries, gallery = query_gallery.shape
    if query_query.shape != (queries, queries) or gallery_gallery.shape != (gallery, gallery):
        raise EvaluationError(
            "distances",
            found=f"query_query {query_query.shape}, gallery_gallery {gallery_gallery.shape}",
            expected=f"({queries}, {queries}) and ({gallery}, {gallery}), as query_gallery has",
            remedy="Compute the three from one set of embeddings.",
        )
    total = queries + gallery
    length = min(k1 + 1, total)
    rows = np.empty((total, length), np.int32)
    values = np.empty((total, length), np.float32)
    farthest = np.empty(total, np.float32)
    for first, block in _squared_rows(query_gallery, query_query, gallery_gallery):
        last = first + len(block)
        if not np.isfinite(block).all():
            raise EvaluationError("distances", found="NaN or infinity", remedy="Check the embeddings.")
        farthest[first:last] = _divisor(block.max(1))
        block /= farthest[first:last, None]
        nearest = np.argpartition(block, length - 1, axis=1)[:, :length]
        near = np.take_along_axis(block, nearest, 1)
        order = np.argsort(near, axis=1)
        rows[first:last] = np.take_along_axis(nearest, order, 1)
        values[first:last] = np.take_along_axis(near, order, 1)
    ordered(rows, np.negative(values, out=values))

    def weigh(sets: SparseRows) -> np.ndarray:
        unlisted = np.flatnonzero(np.isnan(sets.value))
        row, column = sets.row[unlisted], sets.column[unlisted]
        plain = _entries(query_gallery, query_query, gallery_gallery, row, column)
        sets.value[unlisted] = np.square(plain, dtype=np.float32) / farthest[row]
        return np.exp(-sets.value)

    encoding = encoded(rows, np.negative(values, out=values), k1, k2, weigh)
    result = np.square(query_gallery, dtype=np.float32)
    result /= farthest[:queries, None]
    _blend(result, encoding, blend)
    return result


def _squared_rows(
    query_gallery: np.ndarray, query_query: np.ndarray, gallery_gallery: np.ndarray
) -> Iterator[tuple[int, np.ndarray]]:
    """Blocks of rows of the squared (Q + G, Q + G) matrix, each with its first row's number."""
    queries, gallery = query_gallery.shape
    height = max(1, _BLOCK_ENTRIES // max(1, queries + gallery))
    sides = ((0, queries, query_query, query_gallery), (queries, gallery, query_gallery.T, gallery_gallery))
    for offset, count, left, right in sides:
        for first in range(0, count, height):
            block = np.concatenate([left[first : first + height], right[first : first + height]], axis=1)
            yield offset + first, np.square(block, dtype=np.float32)


def _entries(
    query_gallery: np.ndarray, query_query: np.ndarray, gallery_gallery: np.ndarray, row: np.ndarray, column: np.ndarray
) -> np.ndarray:
    """Single entries (row, column) of the (Q + G, Q + G) matrix."""
    queries = len(query_query)
    low, high = np.minimum(row, column), np.maximum(row, column)
    distances = np.empty(len(row), np.float32)
    both_query, both_gallery = high < queries, low >= queries
    mixed = ~(both_query | both_gallery)
    distances[both_query] = query_query[row[both_query], column[both_query]]
    distances[both_gallery] = gallery_gallery[row[both_gallery] - queries, column[both_gallery] - queries]
    distances[mixed] = query_gallery[low[mixed], high[mixed] - queries]
    return distances


def _divisor(farthest: np.ndarray) -> np.ndarray:
    """The divisor of each row. If all rows are equal the largest distance is 0 or about 1e-7: divide by 1 instead."""
    return np.where(farthest > 1e-6, farthest, 1).astype(np.float32)


def _check_settings(k1: int, k2: int, blend: float) -> None:
    check_sizes(k1=k1, k2=k2)
    if not 0 <= blend <= 1:
        raise RecipeError("blend", found=str(blend), expected="a share from 0 to 1", remedy="The usual value is 0.3.")


def _blend(result: np.ndarray, encoding: SparseRows, blend: float) -> None:
    """Turn normalized distances (Q, G) into re-ranked ones, in place; `encoding` has all Q + G rows."""
    queries = len(result)
    split = encoding.start[queries]
    gallery = SparseRows(encoding.start[queries:] - split, encoding.column[split:], encoding.value[split:])
    index, _ = transposed(gallery, len(encoding))

    def work(first: int, last: int) -> None:
        _blend_rows(
            result, np.float32(blend), encoding.start, encoding.column, encoding.value,
            index.start, index.column, index.value, first, last,
        )  # fmt: skip

    in_chunks(queries, work)


@compiled(nogil=True)
def _blend_rows(
    result: np.ndarray,
    blend: np.float32,
    start: np.ndarray,
    column: np.ndarray,
    value: np.ndarray,
    index_start: np.ndarray,
    index_row: np.ndarray,
    index_value: np.ndarray,
    first: int,
    last: int,
) -> None:
    shared = np.zeros(result.shape[1], np.float32)
    rest = np.float32(1) - blend
    for i in range(first, last):
        shared[:] = 0
        for entry in range(start[i], start[i + 1]):
            member = column[entry]
            for position in range(index_start[member], index_start[member + 1]):
                shared[index_row[position]] += min(value[entry], index_value[position])
        for j in range(shared.size):
            jaccard = np.float32(1) - shared[j] / (np.float32(2) - shared[j])
            result[i, j] = blend * result[i, j] + rest * jaccard
