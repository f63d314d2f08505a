"""Embeddings: unit vectors together with the manifest rows that they belong to; and groups of rows as a CSV.

On disk they are one Parquet file: the manifest's columns, the user's own among them, a column ``vector`` of fixed
length, and in the file's metadata the recognizer that made them, so that vectors of different recognizers are never
compared.
"""

from __future__ import annotations

import csv
import hashlib
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from jaxtyping import Float, Int, Int64

from reknow.data.columns import SCHEMA, VECTOR, Split
from reknow.data.formats.table_cells import named_cells
from reknow.data.levels import parse_levels, written
from reknow.data.manifest import Manifest
from reknow.errors import DataError
from reknow.observation import SPECTRA
from reknow.writing import written_whole

_GROUP_COLUMNS = ("image", "group")


@dataclass(frozen=True)
class Embeddings:
    """N observations and their retrieval vectors.

    Attributes:
        vectors: (N, D) float32, unit norm.
        manifest: the N rows, in the same order.
        recognizer: fingerprint of the recognizer that made the vectors; empty where unknown.
        pixels: (N,) int64 hashes of the recognizer's input: equal pictures have equal hashes under any name. None
            where unknown, as after reading a file.
    """

    vectors: Float[np.ndarray, "rows dim"]
    manifest: Manifest
    recognizer: str = ""
    pixels: Int64[np.ndarray, "rows"] | None = None

    def __post_init__(self) -> None:
        if len(self.vectors) != len(self.manifest):
            raise DataError(
                self.manifest.name,
                found=f"{len(self.vectors)} vectors for {len(self.manifest)} rows",
                remedy="Embed the manifest again.",
            )

    def __len__(self) -> int:
        return len(self.manifest)

    def select(self, rows: np.ndarray) -> Embeddings:
        """The given rows, in the given order; a boolean mask works too."""
        pixels = None if self.pixels is None else self.pixels[rows]
        return replace(self, vectors=self.vectors[rows], manifest=self.manifest.select(rows), pixels=pixels)

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
        table = self.manifest.table.append_column(VECTOR, vector).replace_schema_metadata(
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
            DataError: no such file, not Parquet, or a Parquet file without embeddings.
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
        return cls(vectors, manifest, metadata.get("reknow.recognizer", ""))


@dataclass(frozen=True)
class Groups:
    """Groups of pictures, as their CSV has them.

    Attributes:
        images: N names of pictures; crops of one picture have one name.
        labels: (N,) group of each, -1 = in none.
    """

    images: tuple[str, ...]
    labels: Int[np.ndarray, "rows"]

    @classmethod
    def of(cls, manifest: Manifest, labels: Int[np.ndarray, "rows"]) -> Groups:
        """Groups of observations; an observation's image is its first spectrum's picture."""
        pictures = zip(*(manifest.column(spectrum) for spectrum in SPECTRA), strict=True)
        return cls(tuple(next(name for name in names if name) for names in pictures), labels)

    def fingerprint(self) -> str:
        """16 hex digits that change when any picture changes its name or its group; the order of rows has no meaning.

        Spaces around names count as none, because a CSV does not show whether they are intended.
        """
        digest = hashlib.blake2b(digest_size=8)
        for row in sorted((name.strip(), label) for name, label in zip(self.images, self.labels.tolist(), strict=True)):
            digest.update(repr(row).encode())
        return digest.hexdigest()


def write_groups(manifest: Manifest, labels: Int[np.ndarray, "rows"], path: Path) -> None:
    """Write groups of unlabelled pictures as ``image,group`` lines in manifest order; group -1 means none.

    Args:
        manifest: N observations; an observation's image is its first spectrum's picture.
        labels: (N,) group of each.
        path: the CSV.

    Raises:
        DataError: no such folder, no permission, or a full disk.
    """
    path = Path(path)
    groups = Groups.of(manifest, labels)
    with written_whole(path, DataError) as beside, beside.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(_GROUP_COLUMNS)
        writer.writerows(zip(groups.images, labels.tolist(), strict=True))


def read_groups(path: Path, remedy: str = "Make the file with: reknow cluster EMBEDDINGS --out FILE.csv") -> Groups:
    """Read what :func:`write_groups` wrote, also as a spreadsheet program saves it again.

    Args:
        path: the CSV.
        remedy: what to do where there is no such file.

    Raises:
        DataError: no such file, no CSV with these columns, or a group that is not a whole number from -1 on.
    """
    cells = named_cells(Path(path), _GROUP_COLUMNS, remedy)
    for row, (image, group) in enumerate(zip(*cells.values(), strict=True), start=1):
        if not image or not re.fullmatch(r"-1|[0-9]{1,18}", group):
            column, value = ("group", group) if image else ("image", image)
            raise DataError(
                f"{path}, row {row} below the header, column '{column}'",
                found=f"'{value}'",
                expected="the number of a group; -1 for none" if image else "the name of a picture",
                remedy="Correct the cell, or group the pictures again.",
            )
    return Groups(tuple(cells["image"]), np.array([int(group) for group in cells["group"]], dtype=np.int64))
