"""Columns of text as a manifest holds them: its own, and those that users bring along.

A column that no manifest knows (a caption, a breed, the surveyor) is kept as an *own column* of the user's. Its cells
are text. Decided:

- Spaces and line ends around a cell go, as around every cell of a table, because no CSV says whether they were meant.
  All that is inside stays as it is: quotes, commas, line ends, any letter, any length.
- An empty cell is null. Words such as "none" are text here, since nobody is named by them.
- A name is text without line ends and control characters. It is none of the manifest's names, in whatever case, and
  not :data:`VECTOR`, or the table could not be read back.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from reknow.errors import DataError, printable

VECTOR = "vector"
"""The column of an embeddings file that holds the vectors."""

_BREAKING = ("Cc", "Cs", "Zl", "Zp")  # Unicode's categories: control, half of a surrogate pair, line and paragraph


def text_column(
    values: Sequence[str | None], name: str, column: str, remedy: str = "Rename the file, or leave out the row."
) -> pa.Array:
    """Text as Arrow holds it, in UTF-8; file names may be of other bytes.

    Args:
        values: N cells.
        name: the data set's, for the message.
        column: the column's.
        remedy: what the user can do about a cell that is not UTF-8.

    Raises:
        DataError: a cell that is not UTF-8, with its row.
    """
    try:
        return pa.array(values, pa.string())
    except UnicodeEncodeError as error:
        row = next(row for row, value in enumerate(values) if value is not None and printable(value) != value)
        raise DataError(
            f"{name}, row {row}, column '{column}'", found=f"'{values[row]}', which is not UTF-8", remedy=remedy
        ) from error


def plain_name(heading: str) -> str:
    """What a heading comes to when it is compared with the manifest's names: in any case, quoted or not.

    Example:
        >>> plain_name(" 'Camera' ")
        'camera'
    """
    return heading.strip().strip("\"'").strip().lower()


def own_columns(own: Mapping[str, Sequence[Any]], known: Sequence[str], name: str) -> dict[str, pa.Array]:
    """A user's own columns, as text.

    Args:
        own: N cells by the column's name; None and empty text mean the same.
        known: the manifest's names.
        name: the data set's, for messages.

    Raises:
        DataError: a name that is empty, breaks lines, stands twice or is one of the manifest's; a cell that is not
            UTF-8 or holds a null character, which no CSV can.
    """
    columns: dict[str, pa.Array] = {}
    for given, values in own.items():
        column = given.strip()
        _refuse_name(column, [*known, VECTOR], columns, name)
        cells = [None if value is None else str(value).strip() or None for value in values]
        row = next((row for row, cell in enumerate(cells) if cell is not None and "\0" in cell), None)
        if row is not None:
            raise DataError(
                f"{name}, row {row}, column '{column}'",
                found="a null character, which no CSV can hold",
                remedy="Remove it, or leave the column out.",
            )
        columns[column] = text_column(cells, name, column, "Write it in UTF-8, or leave the column out.")
    return columns


def _refuse_name(column: str, taken: Sequence[str], before: Mapping[str, pa.Array], name: str) -> None:
    plain = plain_name(column)
    if not plain:
        raise DataError(name, found="an own column without a name", remedy="Give it one, or leave it out.")
    if any(unicodedata.category(letter) in _BREAKING for letter in column):
        raise DataError(
            f"{name}, own column {column!r}",
            found="a line end or control character in its name",
            remedy="Rename the column.",
        )
    if plain in taken:
        whose = "of an embeddings file's vectors" if plain == VECTOR else "of a manifest's column"
        raise DataError(
            f"{name}, own column '{column}'",
            found=f"it takes the name {whose}",
            remedy=f"Rename it, for example to 'own_{plain}', or leave it out.",
        )
    if column in before:
        raise DataError(f"{name}, own column '{column}'", found="two columns of this name", remedy="Rename one.")
