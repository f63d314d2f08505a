"""Ranking and re-ranking at the size of Market-1501, 3,368 queries x 15,913 gallery x 768.

Ranking counts on the CPU, whatever the device, and has the bare product on the device beside it. Re-ranking gets
vectors on the device; beside it, exact neighbors of all rows and the product.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from device_rows.context import Context, Row, rounded
from device_rows.pseudo_labels import exact_neighbors
from measure import made_embeddings
from reknow.data.embeddings import Embeddings
from reknow.data.manifest import Manifest
from reknow.evaluation.protocols import market
from reknow.evaluation.ranking import evaluate
from reknow.evaluation.rerank import k_reciprocal

QUERIES, GALLERY, DIM = 3_368, 15_913, 768
IDENTITIES, CAMERAS, K1 = 751, 6, 20


def made_sides(quick: bool) -> tuple[Embeddings, Embeddings]:
    """Queries and gallery around the same centers, with random names."""
    queries, gallery = (60, 240) if quick else (QUERIES, GALLERY)
    vectors = made_embeddings(queries + gallery, DIM, IDENTITIES)
    generator = np.random.default_rng(0)

    def side(name: str, part: np.ndarray) -> Embeddings:
        columns = {
            "rgb": [f"{name}/{row}.jpg" for row in range(len(part))],
            "identity": [f"{code:04d}" for code in generator.integers(IDENTITIES, size=len(part))],
            "camera": [f"c{code}" for code in generator.integers(CAMERAS, size=len(part))],
        }
        return Embeddings(part, Manifest.from_columns(columns, root=Path(), name=name))

    return side("query", vectors[:queries]), side("gallery", vectors[queries:])


def ranking(context: Context) -> dict[str, object]:
    """Seconds of all metrics, and of the product on the device."""
    query, gallery = made_sides(context.quick)
    left, right = (torch.from_numpy(side.vectors).to(context.device) for side in (query, gallery))
    product, seconds = (
        context.seconds(lambda: left @ right.T),
        context.seconds(lambda: evaluate(query, gallery, market)),
    )
    return {
        "queries": len(query),
        "gallery": len(gallery),
        "product_seconds": rounded(product),
        "seconds": rounded(seconds),
    }


def reranking(context: Context) -> dict[str, object]:
    """Seconds from vectors on the device, and of what any implementation has to compute."""
    query, gallery = made_sides(context.quick)
    left, right = (torch.from_numpy(side.vectors).to(context.device) for side in (query, gallery))
    everything = torch.cat([left, right])

    def limit() -> None:
        exact_neighbors(everything, K1 + 1)
        left @ right.T

    neighbors, seconds = context.seconds(limit), context.seconds(lambda: k_reciprocal(left, right, k1=K1))
    return {
        "queries": len(query),
        "gallery": len(gallery),
        "neighbors_and_product_seconds": rounded(neighbors),
        "seconds": rounded(seconds),
        "ratio": rounded(seconds / neighbors),
        "megabytes": rounded(context.peak_megabytes(lambda: k_reciprocal(left, right, k1=K1))),
    }


ROWS: dict[str, Row] = {"ranking": ranking, "reranking": reranking}
