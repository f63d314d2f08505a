"""Re-ranking of 3,368 queries x 15,913 gallery x 768, against exact neighbors of all rows plus the product.

Run: ``python benchmarks/rerank.py [--quick]``. The result alone is 214 MB and counts as memory.
"""

from __future__ import annotations

import faiss

from measure import alternating_seconds, arguments, made_embeddings, peak_memory, report
from reknow.evaluation.rerank import k_reciprocal

options = arguments(__doc__)
queries, gallery, clusters = (200, 1_800, 100) if options.quick else (3_368, 15_913, 751)

k_reciprocal(made_embeddings(50, 768, 10), made_embeddings(150, 768, 10))  # compiles
everything = made_embeddings(queries + gallery, 768, clusters)
query, others = everything[:queries], everything[queries:]
with peak_memory() as peak:
    k_reciprocal(query, others)


def limit() -> None:
    """What any implementation has to compute."""
    faiss.knn(everything, everything, 21, metric=faiss.METRIC_INNER_PRODUCT)
    query @ others.T


ours_seconds, limit_seconds = alternating_seconds(lambda: k_reciprocal(query, others), limit)
report(
    "rerank", ours=ours_seconds, limit=limit_seconds, allowed=3.0, peak=peak.megabytes, allowed_peak=1000,
    queries=queries, gallery=gallery,
)  # fmt: skip
