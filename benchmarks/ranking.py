"""Similarity and all metrics of 3,368 queries x 15,913 gallery x 768, against the bare matrix product.

Run: ``python benchmarks/ranking.py [--quick]``. The product writes into memory that is already there, which is the
fastest that it can be; ours starts from names of identities and cameras, as a manifest has them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from measure import alternating_seconds, arguments, made_embeddings, peak_memory, report
from reknow.data.embeddings import Embeddings
from reknow.data.manifest import Manifest
from reknow.evaluation.protocols import market
from reknow.evaluation.ranking import evaluate

IDENTITIES, CAMERAS = 751, 6


def made_side(name: str, rows: int, seed: int) -> Embeddings:
    """Rows with random names: a rank is found by counting all others, so what it is does not change the time."""
    generator = np.random.default_rng(seed)
    columns = {
        "rgb": [f"{name}/{row}.jpg" for row in range(rows)],
        "identity": [f"{code:04d}" for code in generator.integers(IDENTITIES, size=rows)],
        "camera": [f"c{code}" for code in generator.integers(CAMERAS, size=rows)],
    }
    vectors = made_embeddings(rows, 768, IDENTITIES, seed)
    return Embeddings(vectors, Manifest.from_columns(columns, root=Path(), name=name))


options = arguments(__doc__)
queries, others = (300, 2_000) if options.quick else (3_368, 15_913)

evaluate(made_side("query", 50, 0), made_side("gallery", 100, 1), market)  # compiles
query, gallery = made_side("query", queries, 2), made_side("gallery", others, 3)
with peak_memory() as peak:
    scores = evaluate(query, gallery, market)

product = np.zeros((queries, others), dtype=np.float32)  # written once, so that its pages exist
ours, limit = alternating_seconds(
    lambda: evaluate(query, gallery, market), lambda: np.matmul(query.vectors, gallery.vectors.T, out=product), times=7
)
report(
    "ranking", ours=ours, limit=limit, allowed=1.5, peak=peak.megabytes, allowed_peak=200,
    queries=queries, gallery=others, valid=scores.valid,
)  # fmt: skip
