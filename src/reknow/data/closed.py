"""Closed sets: the individuals to know again are those of training, and new pictures of them are the queries.

A shop's products, a herd, the staff of a site. Benchmarks keep individuals apart between training and test, so here it
is declared, as ``gallery=train`` behind a data set's name: training rows are then the gallery as well, and the doctor
does not take it for an error.
"""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa

from reknow.data.manifest import SCHEMA, Manifest
from reknow.errors import DataError, nearest

OPTION = "gallery"
"""The option of a data set; its one value is ``train``."""


def closed_set(manifest: Manifest, option: str = "train") -> Manifest:
    """The same rows as a closed set. Where none is a query, those of the gallery become queries.

    Args:
        manifest: with training rows and others.
        option: what the user wrote for ``gallery``.

    Raises:
        DataError: another word for the option, no training rows, or no other ones.
    """
    where = f"{manifest.name}, option '{OPTION}'"
    if option != "train":
        raise DataError(where, found=f"'{option}'", expected="train", remedy=nearest(option, ["train"]))
    if not len(manifest.rows_of("train")):
        raise DataError(
            where,
            found="no row in the split 'train'",
            remedy="Mark the rows to train on, which are then searched as well.",
        )
    if not len(manifest.rows_of("query")):
        asking = ["query" if split == "gallery" else split for split in manifest.column("split")]
        if "query" not in asking:
            raise DataError(
                where,
                found="no row but those to train on",
                expected="rows in the split 'query'",
                remedy="Mark the pictures that ask; in a folder they are those below query or test.",
            )
        place = SCHEMA.get_field_index("split")
        table = manifest.table.set_column(place, SCHEMA.field(place), pa.array(asking, pa.string()))
        manifest = replace(manifest, table=table)
    return replace(manifest, closed=True)
