"""Table headings: which columns of a table are the manifest's, and which are the user's own.

A heading in any case, with spaces or quotes around it, is a manifest's column if it has its name or a synonym
(:data:`SYNONYMS`). Every other column is kept as the user's own, with a note. Three are not kept unless
an option says so, since labels would be lost without a message:

- a misspelt or abbreviated name (``identiy``, ``camid``) of a column that the table lacks, or has without a filled
  cell;
- a synonym (``label``) beside the column itself (``identity``) where that has no filled cell. Where it has one,
  ``label`` is an own column;
- two columns for one name of the manifest.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reknow.data.columns import MEASURE, SCHEMA, plain_name
from reknow.errors import DataError, nearest
from reknow.observation import SPECTRA

SYNONYMS: dict[str, str] = {
    "image": "rgb",
    "path": "rgb",
    "file": "rgb",
    "id": "identity",
    "person": "identity",
    "label": "identity",
}

EXTRA = ("keep", "ignore", "refuse")
"""What may be done with unknown columns."""

# Of 1, by difflib: "track" for tracklet is at 0.77, "Camara" at 0.83, "identiy" at 0.93; below are such as "age" for
# image and "tile" for time (0.75), which are words of their own.
_NEAR = 0.76
_ENDINGS = re.compile(r"[\W_]*(ids?|names?|no|number)$")
_SHOWN = 10  # own columns that a note names


@dataclass(frozen=True)
class Column:
    """One column of a table as it stands in the file.

    Attributes:
        name: its heading.
        cells: one for each row; of a nested column none.
        nested: the type of a column whose cells are lists or records, which are no text; else empty.
    """

    name: str
    cells: Sequence[Any]
    nested: str = ""

    @property
    def filled(self) -> bool:
        """Whether any cell is filled."""
        return bool(self.nested) or any(cell is not None and cell != "" for cell in self.cells)


@dataclass
class Headings:
    """The columns of a table, assigned.

    Attributes:
        manifest: the column for each of the manifest's names.
        own: the columns to keep as the user's own.
        notes: which names were recognized, kept and left out.
    """

    manifest: dict[str, Column] = field(default_factory=dict)
    own: list[Column] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def assign_columns(columns: Sequence[Column], file: Path, extra: str | None) -> Headings:
    """Assign the columns of a table: the manifest's and the user's own.

    Args:
        columns: in the table's order.
        file: for messages.
        extra: what to do with unknown ones, one of :data:`EXTRA`; None keeps those that no misspelling explains.

    Raises:
        DataError: no picture column, two columns that are the same one, lists where text is needed, or an unknown
            column that may not be kept.
    """
    headings = Headings()
    unknown = _assign_manifest_columns(columns, headings, file, extra)
    absent = [name for name in SCHEMA.names if name not in headings.manifest or not headings.manifest[name].filled]
    measured: list[str] = []
    for position, column in unknown:
        if extra == "ignore":
            continue
        if plain_name(column.name).startswith(MEASURE):
            measured.append(column.name)
            continue
        _refuse_ambiguous(position, column, absent, file, extra)
        if column.nested:
            headings.notes.append(f"{file.name}: left out column '{column.name}', whose cells are {column.nested}.")
        else:
            headings.own.append(column)
    if measured:
        headings.notes.append(f"{file.name}: left out {', '.join(measured)}: pictures are measured when embedded.")
    if headings.own:
        names = [column.name.strip() for column in headings.own]
        more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
        headings.notes.append(f"{file.name}: kept as own columns: {', '.join(names[:_SHOWN])}{more}.")
    if not any(spectrum in headings.manifest for spectrum in SPECTRA):
        raise DataError(
            file,
            found=f"columns {', '.join(column.name for column in columns)}",
            expected=f"a picture's path in a column {', '.join(SPECTRA)} or image",
            remedy="Add or rename the column.",
        )
    return headings


def near_to(name: str, absent: Iterable[str]) -> str | None:
    """The manifest's column, or a synonym of it, that a heading misspells or shortens.

    Args:
        name: an unknown heading, in lower case.
        absent: the manifest's columns that the table lacks.

    Example:
        >>> [near_to(name, ["identity", "camera"]) for name in ("identiy", "camara", "camid", "person_name", "caption")]
        ['identity', 'camera', 'camera', 'person', None]
    """
    names = [*absent]
    names += [synonym for synonym, name_in_manifest in SYNONYMS.items() if name_in_manifest in names]
    for word in (name, _ENDINGS.sub("", name)):
        close = difflib.get_close_matches(word, names, n=1, cutoff=_NEAR)
        close += [whole for whole in names if len(word) >= 3 and whole.startswith(word)]
        if close:
            return close[0]
    return None


def _assign_manifest_columns(
    columns: Sequence[Column], headings: Headings, file: Path, extra: str | None
) -> list[tuple[int, Column]]:
    """Assign the manifest's columns, by name before by synonym; return the others with their positions."""
    assigned_columns, taken = headings.manifest, set()
    for position, column in enumerate(columns):
        plain = plain_name(column.name)
        if plain in SCHEMA.names:
            _take(column, plain, assigned_columns, file, "Keep one, and rename the other.")
            taken.add(position)
    by_name = {*assigned_columns}
    for position, column in enumerate(columns):
        name_in_manifest = SYNONYMS.get(plain_name(column.name))
        if name_in_manifest is None:
            continue
        remedy = "Keep one."
        if name_in_manifest in by_name and extra != "refuse":
            if extra == "keep" or assigned_columns[name_in_manifest].filled or not column.filled:
                continue
            remedy = f"Keep one. To keep '{column.name}' as an own column: table:{file}?extra=keep"
        _take(column, name_in_manifest, assigned_columns, file, remedy)
        headings.notes.append(f"{file.name}: column '{column.name}' is read as {name_in_manifest}.")
        taken.add(position)
    return [(position, column) for position, column in enumerate(columns) if position not in taken]


def _take(column: Column, name_in_manifest: str, assigned_columns: dict[str, Column], file: Path, remedy: str) -> None:
    """Assign a column to a name of the manifest, unless another has it already."""
    where = f"{file}, column '{column.name}'"
    if name_in_manifest in assigned_columns:
        raise DataError(
            where, found=f"'{assigned_columns[name_in_manifest].name}' is the {name_in_manifest} too", remedy=remedy
        )
    if column.nested:
        raise DataError(where, found=f"cells of {column.nested}", expected="text", remedy="Write one text per row.")
    assigned_columns[name_in_manifest] = column


def _refuse_ambiguous(position: int, column: Column, absent: Sequence[str], file: Path, extra: str | None) -> None:
    """Refuse a column that must not become an own column unless an option says so."""
    plain, leave = plain_name(column.name), f"table:{file}?extra=ignore"
    if not plain:
        raise DataError(
            f"{file}, column {position + 1}",
            found="a column without a name",
            remedy=f"Name it. To leave unknown columns out: {leave}",
        )
    where = f"{file}, column '{column.name}'"
    if extra == "refuse":
        remedy = f"{nearest(plain, [*SCHEMA.names, *SYNONYMS])}. To leave unknown columns out: {leave}"
        raise DataError(where, found="unknown column", remedy=remedy)
    near = near_to(plain, absent) if extra is None else None
    if near is not None:
        raise DataError(
            where,
            found="unknown column",
            remedy=f"Did you mean '{near}'? Then rename it. To keep it as an own column: table:{file}?extra=keep; to "
            f"leave unknown columns out: {leave}",
        )
