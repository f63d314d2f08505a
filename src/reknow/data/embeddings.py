"""Embeddings: unit vectors together with the manifest rows that they belong to.

On disk they are one Parquet file: the manifest's columns, the user's own among them, a column ``vector`` of fixed
length, a column for each number that was measured of the pictures (``picture:width`` and so on), and in the file's
metadata the recognizer that made the vectors, so that those of different recognizers are never compared.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from jaxtyping import Float, Int64

from reknow.data.columns import MEASURE, SCHEMA, VECTOR, Split
from reknow.data.levels import parse_levels, written
from reknow.data.manifest import Manifest
from reknow.data.picture_measures import NUMBERS, PictureMeasures
from reknow.errors import DataError
from reknow.observation import SPECTRA
from reknow.writing import written_whole


@dataclass(frozen=True)
class Embeddings:
    """N observations and their retrieval vectors.

    Attributes:
        vectors: (N, D) float32, unit norm.
        manifest: the N rows, in the same order.
        recognizer: fingerprint of the recognizer that made the vectors; empty where unknown.
        pixels: (N,) int64 hashes of the recognizer's input: equal pictures have equal hashes under any name. None
            where unknown, as after reading a file.
        measures: what was measured of the pictures. None where nothing was, as in files of earlier versions.
    """

    vectors: Float[np.ndarray, "rows dim"]
    manifest: Manifest
    recognizer: str = ""
    pixels: Int64[np.ndarray, "rows"] | None = None
    measures: PictureMeasures | None = None

    def __post_init__(self) -> None:
        if len(self.vectors) != len(self.manifest):
            raise DataError(
                self.manifest.name,
                found=f"{len(self.vectors)} vectors for {len(self.manifest)} rows",
                remedy="Embed the manifest again.",
            )
        if self.measures is not None and len(self.measures) != len(self.manifest):
            raise DataError(
                self.manifest.name,
                found=f"{len(self.measures)} measured pictures for {len(self.manifest)} rows",
                remedy="Embed the manifest again.",
            )

    def __len__(self) -> int:
        return len(self.manifest)

    def select(self, rows: np.ndarray) -> Embeddings:
        """The given rows, in the given order; a boolean mask works too."""
        pixels = None if self.pixels is None else self.pixels[rows]
        measures = None if self.measures is None else self.measures.select(rows)
        manifest = self.manifest.select(rows)
        return replace(self, vectors=self.vectors[rows], manifest=manifest, pixels=pixels, measures=measures)

    def split(self, split: Split) -> Embeddings:
        """The rows of one split."""
        return self.select(self.manifest.rows_of(split))

    def write(self, path: Path) -> None:
        """Write one Parquet file, completely or not at all.

        Raises:
            DataError: no such folder, no permission, or a full disk.
        """
        path = Path(path)
        flat = pa.array(np.ascontiguousarray(self.vectors, dtype=np.float32).reshape(-1))
        vector = pa.FixedSizeListArray.from_arrays(flat, self.vectors.shape[1])
        table = self.manifest.table.append_column(VECTOR, vector)
        for name, values in ({} if self.measures is None else self.measures.numbers()).items():
            table = table.append_column(MEASURE + name, pa.array(values))
        table = table.replace_schema_metadata(
            {
                "reknow.name": self.manifest.name,
                "reknow.root": str(self.manifest.root.absolute()),  # the file may be read from another folder
                "reknow.protocol": self.manifest.protocol,
                "reknow.levels": written(self.manifest.levels),
                "reknow.closed": str(self.manifest.closed),
                "reknow.recognizer": self.recognizer,
            }
        )
        with written_whole(path, DataError) as beside:
            pyarrow.parquet.write_table(table, beside)

    @classmethod
    def read(cls, path: Path) -> Embeddings:
        """Read what :meth:`write` wrote.

        Raises:
            DataError: no such file, not Parquet, a Parquet file without embeddings, or one whose columns of vectors or
                picture measures are damaged.
        """
        path = Path(path)
        remedy = "Make the file with: reknow embed RECOGNIZER --data D --out FILE.parquet"
        try:
            if not path.is_file():
                raise DataError(path, found="no such file", remedy=remedy)
            # Not read_table: it takes a folder named "split=train" above the file for a column.
            table = pyarrow.parquet.ParquetFile(path).read()
        except (pa.ArrowException, OSError) as error:
            raise DataError(path, found=f"not a Parquet file ({error})", remedy=remedy) from error
        absent = {*SCHEMA.names, VECTOR} - set(table.column_names)
        if absent:
            raise DataError(path, found=f"no column {', '.join(sorted(absent))}", remedy=remedy)
        metadata = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
        column = table.column(VECTOR).combine_chunks()
        if not pa.types.is_fixed_size_list(column.type):
            raise DataError(path, found=f"vectors as {column.type}, not all of one length", remedy=remedy)
        vectors = column.flatten().to_numpy().reshape(len(table), column.type.list_size)
        # Columns of other types, which another program added, are no text of the user's and are left out.
        own = [field.name for field in table.schema if field.name not in SCHEMA.names and field.type == pa.string()]
        manifest = Manifest(
            table.select([*SCHEMA.names, *own]).replace_schema_metadata(None),
            Path(metadata.get("reknow.root", ".")),
            metadata.get("reknow.name", path.stem),
            metadata.get("reknow.protocol", "market"),
            levels=parse_levels(metadata.get("reknow.levels"), f"{path}, its levels", SPECTRA),
            closed=metadata.get("reknow.closed") == "True",
        )
        return cls(vectors, manifest, metadata.get("reknow.recognizer", ""), measures=_measures(table, path))


def _measures(table: pa.Table, path: Path) -> PictureMeasures | None:
    """The picture measures of an embeddings file; None where it has no column of them."""
    names = {name: MEASURE + name for name in NUMBERS}
    if not set(names.values()) & set(table.column_names):
        return None
    numbers = {}
    for name, column in names.items():
        content = "no such column" if column not in table.column_names else _damage(table.column(column))
        if content:
            raise DataError(
                f"{path}, column '{column}'",
                found=content,
                expected=f"a finite number in each row, as in all columns {', '.join(names.values())}",
                remedy="Embed the pictures again, or remove these columns.",
            )
        numbers[name] = table.column(column).to_numpy().astype(np.float32)
    return PictureMeasures.of_numbers(numbers)


def _damage(column: pa.ChunkedArray) -> str:
    """What a column of numbers holds beside finite ones; empty where nothing."""
    if not pa.types.is_floating(column.type):
        return f"cells of the type {column.type}"
    finite = np.isfinite(column.to_numpy())  # null becomes NaN
    return (
        "" if finite.all() else f"{(~finite).sum():,} cells empty, NaN or infinite, the first in row {finite.argmin()}"
    )
