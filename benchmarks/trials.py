"""Ten trials of SYSU-MM01's size, 3,803 queries x 301 and 3,010 gallery pictures x 768, against their matrix products.

Run: ``python benchmarks/trials.py [--quick]``. The products are those of whole trials; as in ``ranking.py`` they write
into memory that is already there. Ours draws the galleries, ranks, skips camera 2 for the queries of camera 3, and
starts from names of identities and cameras, as a manifest has them. Both settings have to keep the limit; the line
shows the slower one.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from measure import alternating_seconds, arguments, made_embeddings, peak_memory, report
from reknow.data.embeddings import Embeddings
from reknow.data.manifest import Manifest
from reknow.evaluation.protocols import Protocol, sysu_all, sysu_all_multi
from reknow.evaluation.ranking import evaluate

IDENTITIES = 96


def made_side(spectrum: str, cameras: list[str], rows: int, seed: int) -> Embeddings:
    """Rows that go around identities and cameras; 301 of the 384 pairs have pictures, as in the data set."""
    pairs = [(f"{identity:04d}", camera) for identity in range(IDENTITIES) for camera in cameras]
    pairs = pairs[:301] if len(cameras) == 4 else pairs
    columns = {
        spectrum: [f"{spectrum}/{row:05d}.jpg" for row in range(rows)],
        "identity": [pairs[row % len(pairs)][0] for row in range(rows)],
        "camera": [pairs[row % len(pairs)][1] for row in range(rows)],
    }
    vectors = made_embeddings(rows, 768, IDENTITIES, seed)
    return Embeddings(vectors, Manifest.from_columns(columns, root=Path(), name=spectrum))


@dataclass(frozen=True)
class Measured:
    """One setting's seconds."""

    ours: float
    limit: float
    peak: float


def measured(query: Embeddings, gallery: Embeddings, protocol: Protocol) -> Measured:
    """Ours and the bare products of the same ten galleries."""
    assert protocol.draw is not None
    galleries = [np.ascontiguousarray(gallery.vectors[rows]) for rows in protocol.draw.rows(gallery.manifest)]
    product = np.zeros((len(query), len(galleries[0])), dtype=np.float32)

    def products() -> None:
        for vectors in galleries:
            np.matmul(query.vectors, vectors.T, out=product)

    with peak_memory() as peak:
        evaluate(query, gallery, protocol)
    ours, limit = alternating_seconds(lambda: evaluate(query, gallery, protocol), products, times=7)
    return Measured(ours, limit, peak.megabytes)


options = arguments(__doc__)
queries, others = (400, 3_010) if options.quick else (3_803, 6_775)
query, gallery = made_side("nir", ["3", "6"], queries, 0), made_side("rgb", ["1", "2", "4", "5"], others, 1)
evaluate(made_side("nir", ["3", "6"], 50, 2), made_side("rgb", ["1", "2", "4", "5"], 301, 3), sysu_all)  # compiles
single, multi = (measured(query, gallery, protocol) for protocol in (sysu_all, sysu_all_multi))
slower = max(single, multi, key=lambda setting: setting.ours / setting.limit)
report(
    "trials", ours=slower.ours, limit=slower.limit, allowed=1.5, peak=max(single.peak, multi.peak), allowed_peak=200,
    queries=queries, pool=others,
    single_shot=round(single.ours / single.limit, 3), multi_shot=round(multi.ours / multi.limit, 3),
)  # fmt: skip
