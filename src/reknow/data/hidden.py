"""Hidden: a manifest without what an unsupervised method must not see.

Identities go, and with them every name that may tell one: benchmarks write the identity into the file name, and
readers make observation ids and tracklets of it. A method that wants a caption gets it through its network
(:meth:`reknow.models.network.Network.annotations`), not from here.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from reknow.data.manifest import SCHEMA, Manifest
from reknow.observation import SPECTRA

NUMBERED = ("scene", "tracklet")
"""Columns whose names become numbers, in the order in which they first stand in the table."""


def without_names(manifest: Manifest) -> Manifest:
    """The same rows without identities, file names, crops and columns of the user's own.

    What remains: cameras and their names, times, splits, which scenes and tracklets are equal, and which spectra a row
    has. Observations and pictures are called after their row.

    Example:
        >>> rows = {"rgb": ["0002_c1s1.jpg", "0007_c2s1.jpg"], "identity": ["0002", "0007"], "camera": ["c1", "c2"]}
        >>> hidden = without_names(Manifest.from_columns(rows, root=Path("."), name="some"))
        >>> hidden.column("identity"), hidden.column("rgb"), hidden.column("camera")
        ([None, None], ['row-0', 'row-1'], ['c1', 'c2'])
    """
    numbers = [f"row-{row}" for row in range(len(manifest))]
    columns = {name: manifest.column(name) for name in SCHEMA.names}
    columns["observation"] = numbers
    columns["identity"] = columns["crop"] = [None] * len(manifest)
    for name in NUMBERED:
        known: dict[str, str] = {}
        columns[name] = [None if v is None else known.setdefault(v, str(len(known))) for v in columns[name]]
    for spectrum in SPECTRA:
        columns[spectrum] = [
            None if reference is None else number for reference, number in zip(columns[spectrum], numbers, strict=True)
        ]
    table = pa.table({field.name: pa.array(columns[field.name], field.type) for field in SCHEMA}, schema=SCHEMA)
    return replace(manifest, table=table, root=Path(), notes=())
