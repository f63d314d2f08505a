"""A table of observations, as CSV or Parquet: for data that no other format describes.

Columns are the manifest's (observation, identity, camera, scene, time, tracklet, split, rgb, nir, tir, crop); all but
one spectrum may be absent. A simple list works too: ``image``, ``path`` or ``file`` means rgb, ``id``, ``person`` or
``label`` means identity. Paths are relative to the table's folder. All cells but times are text, in Parquet too: a CSV
is parsed by :mod:`reknow.data.formats.table_cells`, and numbers of Parquet are written as a user would.

Every other column is the user's own and is kept with its rows; :mod:`reknow.data.formats.table_headings` decides.

Options: ``extra=keep`` keeps unknown columns even where a name is close to one of the manifest's, ``extra=ignore``
leaves them out and ``extra=refuse`` refuses them; ``protocol=NAME`` names the evaluation protocol, which a CSV does not
contain; ``unknown=keep`` keeps words that mean "not known" as names (:mod:`reknow.data.columns`);
``levels=BLACK..WHITE`` defines how deep pictures become gray (:mod:`reknow.data.levels`).
"""

from __future__ import annotations

import math
import posixpath
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet

from reknow.data.columns import NAMES, SCHEMA, is_unknown, without_unknown
from reknow.data.formats.picture_folders import exists, holds_folder, in_utf_8
from reknow.data.formats.table_cells import read_cells
from reknow.data.formats.table_headings import EXTRA, Column, assign_columns
from reknow.data.levels import parse_levels, written
from reknow.data.manifest import Manifest
from reknow.data.picture_files import WORLD_PREFIX
from reknow.errors import DataError, nearest
from reknow.observation import SPECTRA
from reknow.places import at_home

_METADATA = ("reknow.name", "reknow.protocol", "reknow.levels", "reknow.closed")


def read(
    path: str,
    *,
    extra: str | None = None,
    protocol: str | None = None,
    unknown: str = "empty",
    levels: str | None = None,
) -> Manifest:
    """Read a manifest from a table.

    Args:
        path: a ``.csv``, ``.tsv`` or ``.parquet`` file.
        extra: ``keep``, ``ignore`` or ``refuse`` columns that are not a manifest's; by default they are kept, and
            refused where one is close to the name of a column that the table lacks.
        protocol: overrides the protocol that a Parquet file names; "market" where neither does.
        unknown: ``empty`` or ``keep`` names that mean an unknown name.
        levels: which values of deep pictures are black and white; overrides those that a Parquet file names.

    Raises:
        DataError: no such file, not a table, an unknown column, no picture column, or no rows.
    """
    if extra is not None and extra not in EXTRA:
        raise DataError("table, option 'extra'", found=f"'{extra}'", remedy=nearest(extra, EXTRA))
    file = in_utf_8(at_home(path))
    table, metadata = _read_table(file)
    headings = assign_columns(table, file, extra)
    columns = {name: _values(column.cells, name, file) for name, column in headings.manifest.items()}
    if not next(iter(columns.values())):
        raise DataError(file, found="no rows", remedy="Write one row per observation below the header.")
    columns, unknown_notes = without_unknown(columns, file.name, unknown)
    manifest = Manifest.from_columns(
        columns,
        root=file.parent,
        name=metadata.get("reknow.name", file.stem),
        protocol=protocol or metadata.get("reknow.protocol", "market"),
        notes=[*headings.notes, *unknown_notes],
        own=_own(headings.own, file),
    )
    spread = metadata.get("reknow.levels") if levels is None else levels
    closed = metadata.get("reknow.closed") == "True"
    return replace(manifest, levels=parse_levels(spread, "table, option 'levels'", SPECTRA), closed=closed)


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
        DataError: the file exists, its folder does not, another suffix, or the disk cannot be written.
    """
    out = in_utf_8(Path(out))
    if exists(out):
        raise DataError(out, found="the file exists", remedy="Choose another name, or remove the file first.")
    if not holds_folder(out.parent):
        raise DataError(out, found="its folder does not exist", remedy=f"Run: mkdir -p '{out.parent}'")
    prefix = _prefix(manifest.root, out.parent)
    table = manifest.table
    for spectrum in SPECTRA:
        moved = [_moved(reference, prefix) for reference in manifest.column(spectrum)]
        table = table.set_column(SCHEMA.get_field_index(spectrum), SCHEMA.field(spectrum), pa.array(moved, pa.string()))
    kept = {
        "reknow.name": manifest.name,
        "reknow.protocol": manifest.protocol,
        "reknow.levels": written(manifest.levels),
        "reknow.closed": str(manifest.closed),
    }
    replace(manifest, table=table.replace_schema_metadata(kept)).write(out)
    options = []
    if out.suffix == ".csv":
        options += [f"protocol={manifest.protocol}"] if manifest.protocol != "market" else []
        options += [f"levels={written(manifest.levels)}"] if manifest.levels else []
        options += ["gallery=train"] if manifest.closed else []
    if any(name is not None and is_unknown(name) for column in NAMES for name in set(manifest.column(column))):
        options.append("unknown=keep")
    if manifest.own_columns and _is_near_a_name(manifest):
        options.append("extra=keep")
    return f"table:{out}?{'&'.join(options)}" if options else f"table:{out}"


def _is_near_a_name(manifest: Manifest) -> bool:
    """Whether :func:`read` would refuse the name of an own column."""
    columns = [Column(name, manifest.column(name)) for name in manifest.table.column_names]
    try:
        assign_columns(columns, Path(manifest.name), extra=None)
    except DataError:
        return True
    return False


def _prefix(root: Path, folder: Path) -> str:
    """The path from the table's folder to the manifest's root."""
    root, folder = Path(root).resolve(), Path(folder).resolve()
    return str(in_utf_8(root.relative_to(folder) if root.is_relative_to(folder) else root))


def _moved(reference: str | None, prefix: str) -> str | None:
    if not reference or reference.startswith(WORLD_PREFIX) or prefix == ".":
        return reference
    return posixpath.join(prefix, reference)  # which leaves absolute references alone


def _read_table(file: Path) -> tuple[list[Column], dict[str, str]]:
    """The columns, and the metadata of a Parquet file."""
    try:
        if not file.is_file():
            content = "a folder" if file.is_dir() else "no such file"
            raise DataError(file, found=content, expected="a .csv or .parquet file", remedy="Correct the path.")
        if file.suffix.lower() == ".parquet":
            # Not read_table: it takes a folder named "split=train" above the file for a column.
            table = pyarrow.parquet.ParquetFile(file).read()
            metadata = (
                {name: table.schema.metadata.get(name.encode()) for name in _METADATA} if table.schema.metadata else {}
            )
            columns = [_column(name, cells) for name, cells in zip(table.column_names, table.columns, strict=True)]
            return columns, {name: value.decode() for name, value in metadata.items() if value is not None}
        if file.suffix.lower() in (".csv", ".tsv"):
            return [Column(name, cells) for name, cells in read_cells(file)], {}
    except PermissionError as error:
        raise DataError(file, found="no permission to read it", remedy=f"Run: chmod u+r '{file}'") from error
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DataError(
            file,
            found=f"the table cannot be read ({error})",
            remedy="Save it as CSV in UTF-8 with one header line, or as Parquet.",
        ) from error
    raise DataError(file, found=f"suffix '{file.suffix}'", expected=".csv or .parquet", remedy="Convert or rename it.")


def _column(name: str, cells: pa.ChunkedArray) -> Column:
    """A column of a Parquet file. Data frames count time in nanoseconds, which Python's own type has not."""
    if pa.types.is_nested(cells.type):
        return Column(name, [], nested=str(cells.type))
    if pa.types.is_timestamp(cells.type) and cells.type.unit == "ns":
        cells = cells.cast(pa.timestamp("us", cells.type.tz), safe=False)
    return Column(name, cells.to_pylist())


def _own(columns: Sequence[Column], file: Path) -> dict[str, list[str | None]]:
    """The cells of the user's own columns."""
    own: dict[str, list[str | None]] = {}
    for column in columns:
        name = column.name.strip()
        if name in own:
            raise DataError(f"{file}, column '{name}'", found="two columns of this name", remedy="Keep or rename one.")
        remedy = f"Write it as text. To leave unknown columns out: table:{file}?extra=ignore"
        own[name] = _texts(column.cells, name, file, remedy)
    return own


def _values(cells: Sequence[Any], name: str, file: Path) -> list[Any]:
    """A column's cells as text, or as numbers where the manifest has numbers."""
    if not pa.types.is_floating(SCHEMA.field(name).type):
        return _texts(cells, name, file, "Write it as text.")
    numbers: list[float | None] = []
    for row, cell in enumerate(cells):
        try:
            number = float(cell) if cell not in (None, "") else math.nan
        except (TypeError, ValueError) as error:
            raise DataError(
                f"{file}, row {row}, column '{name}'",
                found=f"'{cell}'",
                expected="seconds as a number",
                remedy="Correct it.",
            ) from error
        numbers.append(None if math.isnan(number) else number)
    return numbers


def _texts(cells: Sequence[Any], name: str, file: Path, remedy: str) -> list[str | None]:
    """A column's cells as text; `remedy` is for bytes that are not text."""
    texts: list[str | None] = []
    for row, cell in enumerate(cells):
        try:
            texts.append(_text(cell))
        except UnicodeDecodeError as error:
            raise DataError(
                f"{file}, row {row}, column '{name}'", found=f"{cell[:40]!r}", expected="text in UTF-8", remedy=remedy
            ) from error
    return texts


def _text(cell: Any) -> str | None:
    """A cell as the user wrote it: data frames turn numbers with gaps into 12.0 and NaN, and text into bytes."""
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return None
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return (cell.decode() if isinstance(cell, bytes) else str(cell)).strip()
