"""A table of observations, as CSV or Parquet: the way in for data that no other format describes.

Columns are the manifest's (observation, identity, camera, scene, time, tracklet, split, rgb, nir, tir, crop); all but
one spectrum may be absent. A simple list works too: ``image``, ``path`` or ``file`` means rgb, ``id``, ``person`` or
``label`` means identity. Paths are relative to the table's folder. CSV may be separated by comma, semicolon or tab.

Options: ``extra=ignore`` leaves unknown columns out instead of refusing them; ``protocol=NAME`` names the evaluation
protocol, which a CSV cannot say itself.
"""

from __future__ import annotations

import math
import posixpath
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from reknow.data.formats.listing import at_home
from reknow.data.manifest import SCHEMA, SPECTRA, Manifest
from reknow.data.pictures import WORLD_PREFIX
from reknow.errors import DataError, nearest

MEANT: dict[str, str] = {
    "image": "rgb",
    "path": "rgb",
    "file": "rgb",
    "id": "identity",
    "person": "identity",
    "label": "identity",
}


def read(path: str, *, extra: str = "refuse", protocol: str | None = None) -> Manifest:
    """Read a manifest from a table.

    Args:
        path: a ``.csv``, ``.tsv`` or ``.parquet`` file.
        extra: ``refuse`` or ``ignore`` columns that are not a manifest's.
        protocol: overrides the protocol that a Parquet file names; "market" where neither does.

    Raises:
        DataError: no such file, not a table, an unknown column, no picture column, or no rows.
    """
    if extra not in ("refuse", "ignore"):
        raise DataError("table, option 'extra'", found=f"'{extra}'", remedy=nearest(extra, ["refuse", "ignore"]))
    file = at_home(path)
    table = _read_table(file)
    names, notes = _meant(table.column_names, file, refuse=extra == "refuse")
    columns = {column: _values(table.column(name), column, file) for name, column in names.items()}
    if table.num_rows == 0:
        raise DataError(file, found="no rows", remedy="Write one row per observation below the header.")
    metadata = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
    return Manifest.from_columns(
        columns,
        root=file.parent,
        name=metadata.get("reknow.name", file.stem),
        protocol=protocol or metadata.get("reknow.protocol", "market"),
        notes=notes,
    )


def import_dataset(manifest: Manifest, out: Path) -> str:
    """Write a manifest as a table that :func:`read` reads back, with references that resolve from its folder.

    References below the table's folder become relative to it, so that both can move together; others become
    absolute. References to the synthetic world stay as they are.

    Args:
        manifest: of any format.
        out: a new ``.csv`` or ``.parquet`` file in an existing folder.

    Returns:
        How to name the table from now on, for ``--data``.

    Raises:
        DataError: the file exists, its folder does not, another suffix, or the disk refuses.
    """
    out = Path(out)
    if out.exists():
        raise DataError(out, found="the file exists", remedy="Choose another name, or remove the file first.")
    if not out.parent.is_dir():
        raise DataError(out, found="its folder does not exist", remedy=f"Run: mkdir -p '{out.parent}'")
    prefix = _prefix(manifest.root, out.parent)
    table = manifest.table
    for spectrum in SPECTRA:
        moved = [_moved(reference, prefix) for reference in manifest.column(spectrum)]
        table = table.set_column(SCHEMA.get_field_index(spectrum), SCHEMA.field(spectrum), pa.array(moved, pa.string()))
    kept = {"reknow.name": manifest.name, "reknow.protocol": manifest.protocol}
    replace(manifest, table=table.replace_schema_metadata(kept)).write(out)
    says_protocol = out.suffix == ".parquet" or manifest.protocol == "market"
    return f"table:{out}" if says_protocol else f"table:{out}?protocol={manifest.protocol}"


def _prefix(root: Path, folder: Path) -> str:
    """What leads from the table's folder to the manifest's root."""
    root, folder = Path(root).resolve(), Path(folder).resolve()
    return str(root.relative_to(folder) if root.is_relative_to(folder) else root)


def _moved(reference: str | None, prefix: str) -> str | None:
    if not reference or reference.startswith(WORLD_PREFIX) or prefix == ".":
        return reference
    return posixpath.join(prefix, reference)  # which leaves absolute references alone


def _read_table(file: Path) -> pa.Table:
    if not file.is_file():
        found = "a folder" if file.is_dir() else "no such file"
        raise DataError(file, found=found, expected="a .csv or .parquet file", remedy="Correct the path.")
    try:
        if file.suffix.lower() == ".parquet":
            return pyarrow.parquet.ParquetFile(file).read()
        if file.suffix.lower() in (".csv", ".tsv"):
            return _read_csv(file)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DataError(
            file,
            found=f"the table cannot be read ({error})",
            remedy="Save it as CSV in UTF-8 with one header line, or as Parquet.",
        ) from error
    raise DataError(file, found=f"suffix '{file.suffix}'", expected=".csv or .parquet", remedy="Convert or rename it.")


def _read_csv(file: Path) -> pa.Table:
    with file.open(encoding="utf-8-sig") as lines:
        header = lines.readline().rstrip("\r\n")
    delimiter = max(",;\t", key=header.count)  # a comma where all are absent: max keeps the first
    names = [name.strip().strip('"') for name in header.split(delimiter)]
    return pyarrow.csv.read_csv(
        file,
        parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        # Text throughout, because a guessed number would turn the identity 0001 into 1.
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), null_values=[""], strings_can_be_null=True
        ),
    )


def _meant(names: Sequence[str], file: Path, *, refuse: bool) -> tuple[dict[str, str], list[str]]:
    """Which manifest column each of the table's columns is, and a note on those that were understood by a synonym."""
    meant: dict[str, str] = {}
    notes: list[str] = []
    for name in names:
        plain = name.strip().lower()
        column = plain if plain in SCHEMA.names else MEANT.get(plain)
        if column is None:
            if refuse:
                raise DataError(
                    f"{file}, column '{name}'",
                    found="unknown column",
                    remedy=f"{nearest(plain, [*SCHEMA.names, *MEANT])}. "
                    f"To leave unknown columns out: table:{file}?extra=ignore",
                )
            continue
        if column in meant.values():
            twice = [known for known, known_column in meant.items() if known_column == column]
            raise DataError(f"{file}, column '{name}'", found=f"'{twice[0]}' is the {column} too", remedy="Keep one.")
        meant[name] = column
        if plain != column:
            notes.append(f"{file.name}: column '{name}' is read as {column}.")
    if not any(column in SPECTRA for column in meant.values()):
        raise DataError(
            file,
            found=f"columns {', '.join(names)}",
            expected=f"a picture's path in a column {', '.join(SPECTRA)} or image",
            remedy="Add or rename the column.",
        )
    return meant, notes


def _values(column: pa.ChunkedArray, name: str, file: Path) -> list[Any]:
    """A column's cells as text, or as numbers where the manifest wants numbers."""
    values = column.to_pylist()
    if not pa.types.is_floating(SCHEMA.field(name).type):
        return [_text(value) for value in values]
    numbers: list[float | None] = []
    for row, value in enumerate(values):
        try:
            numbers.append(None if value is None else float(value))
        except (TypeError, ValueError) as error:
            raise DataError(
                f"{file}, row {row}, column '{name}'",
                found=f"'{value}'",
                expected="seconds as a number",
                remedy="Correct it.",
            ) from error
    return numbers


def _text(value: Any) -> str | None:
    """A cell as the user would write it: data frames turn numbers with gaps into 12.0 and NaN."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
