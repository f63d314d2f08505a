"""Final groups and how far to believe them, beyond one grouping: at most 2.5 times what the grouping itself takes.

Run: ``python benchmarks/final_groups.py [--quick | --large]``. Of 12,936 x 768 embeddings with cameras, times,
tracklets and picture measures: the radius rule and the support (two halves of the features), the conflicts, and what
appearance explains. No picture is decoded. Memory is that of all of it together.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from measure import alternating_seconds, arguments, made_embeddings, peak_memory, report
from reknow.clustering.dbscan import pseudo_labels
from reknow.clustering.final_groups import final_groups
from reknow.data.embeddings import Embeddings
from reknow.data.manifest import Manifest
from reknow.data.picture_measures import PictureMeasures
from reknow.evaluation.trust import trust_in

options = arguments(__doc__, large="100,000 rows in 5,000 clusters; minutes")
rows, clusters = (2_000, 120) if options.quick else (100_000, 5_000) if options.large else (12_936, 751)


def made(count: int, groups: int) -> Embeddings:
    """Embeddings with all columns that speak for or against groups."""
    generator = np.random.default_rng(0)
    tracklet = np.arange(count) // 4
    manifest = Manifest.from_columns(
        {
            "rgb": [f"{row}.jpg" for row in range(count)],
            "camera": [f"c{number % 8}" for number in tracklet],
            "tracklet": [f"t{number}" for number in tracklet],
            "time": (tracklet * 7.0 + np.arange(count) % 4 * 0.25).tolist(),
        },
        root=Path(),
        name="made",
    )
    numbers = [generator.normal(size=(count, width)).astype(np.float32) for width in (2, 4)]
    measures = PictureMeasures(*numbers, generator.normal(size=count).astype(np.float32))
    return Embeddings(made_embeddings(count, 768, groups), manifest, measures=measures)


def grouping() -> None:
    """One grouping with everything automatic: the limit."""
    pseudo_labels(embeddings.vectors, eps="auto", min_samples="auto", k1="auto", k2="auto")


def with_trust() -> None:
    """The groups at their own radius, and everything that can be said of them."""
    kept["found"] = final_groups(embeddings.vectors)
    kept["trust"] = trust_in(kept["found"], embeddings)


kept = {}
embeddings = made(200, 10)
with_trust()  # compiles
embeddings = made(rows, clusters)
with peak_memory() as peak:
    with_trust()
limit, whole = alternating_seconds(grouping, with_trust, times=1 if options.large else 3)

report(
    "final_groups",
    ours=whole - limit,
    limit=limit,
    allowed=2.5,
    peak=peak.megabytes,
    # Three graphs at a time, and the features turned: N x N would take 670 MB at 12,936 rows and 40 GB at 100,000.
    allowed_peak=round(500 * max(1, rows / 12_936)),
    rows=rows,
    support=round(kept["trust"].support, 3),
)
