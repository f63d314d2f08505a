"""Pseudo-labels of vectors on the device, beside the exact neighbors of the same vectors on the same device.

The neighbors are blocked products in 32 bit and ``topk``, written here and not the package's own, so that the limit
does not move with what it measures. The goal at a million rows is 1.5 times the neighbors.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from device_rows.context import Context, Row, rounded
from reknow.clustering.dbscan import PseudoLabels, pseudo_labels

SIZES = (12_936, 100_000, 1_000_000)
DIM, ROWS_OF_A_CLUSTER, K1, EPS = 384, 17, 30, 0.6
GOAL = 1.5
# 1 GB of similarities at once, in multiples of what a GPU's products are computed in.
_BLOCK_ENTRIES, _TILE = 2**28, 128
_ONCE_FROM = 500_000  # from so many rows on, one run is timed and not several


def made_vectors(rows: int, device: torch.device) -> Tensor:
    """(N, D) unit rows around random centers, made on the device; two of one center have a cosine of about 0.5."""
    generator = torch.Generator(device).manual_seed(0)
    centers = torch.randn(max(1, rows // ROWS_OF_A_CLUSTER), DIM, device=device, generator=generator)
    vectors = torch.randn(rows, DIM, device=device, generator=generator)
    vectors += centers[torch.randint(len(centers), (rows,), device=device, generator=generator)]
    return functional.normalize(vectors, dim=1)


def exact_neighbors(vectors: Tensor, count: int) -> Tensor:
    """(N, k) the rows with the largest products, on the device."""
    rows = torch.empty(len(vectors), count, dtype=torch.long, device=vectors.device)
    height = max(_TILE, _BLOCK_ENTRIES // len(vectors) // _TILE * _TILE)
    for first in range(0, len(vectors), height):
        products = vectors[first : first + height] @ vectors.T
        rows[first : first + height] = products.topk(count, dim=1).indices
    return rows


def labels(context: Context, rows: int) -> dict[str, object]:
    """Seconds of both, and of their ratio."""
    pseudo_labels(made_vectors(100, context.device), eps=EPS, k1=K1)  # compiles
    vectors = made_vectors(300 if context.quick else rows, context.device)
    kept: list[PseudoLabels] = []
    timed = context.once if len(vectors) >= _ONCE_FROM else context.seconds
    neighbors = timed(lambda: exact_neighbors(vectors, K1))
    seconds = timed(lambda: kept.append(pseudo_labels(vectors, eps=EPS, k1=K1)))
    numbers: dict[str, object] = {
        "rows": len(vectors),
        "neighbors_seconds": rounded(neighbors),
        "seconds": rounded(seconds),
        "ratio": rounded(seconds / neighbors),
        "clusters": kept[-1].num_clusters,
        "outliers": kept[-1].num_outliers,
    }
    if len(vectors) < _ONCE_FROM:
        return {**numbers, "megabytes": rounded(context.peak_megabytes(lambda: pseudo_labels(vectors, eps=EPS, k1=K1)))}
    return {**numbers, "goal": GOAL, "reached": seconds <= GOAL * neighbors}


ROWS: dict[str, Row] = {f"pseudo_labels/{rows}": partial(labels, rows=rows) for rows in SIZES}
