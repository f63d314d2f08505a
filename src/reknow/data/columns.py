"""Columns: what the table of a manifest holds, and how a user's columns become it.

A column that no manifest has (a caption, a breed, the surveyor) is kept as an *own column* of the user's. Its cells
are text. Decided:

- Spaces and line ends around a cell are removed, as around every cell of a table, because a CSV does not show whether
  they are intended. All that is inside stays as it is: quotes, commas, line ends, any letter, any length.
- An empty cell is null. Words such as "none" are text in an own column, since its cells are not names.
- The name of an own column is text without line ends and control characters. It is none of the manifest's names, in
  upper or lower case, not :data:`VECTOR` and does not begin with :data:`MEASURE`, or the table could not be read back.

In the columns whose cells are names, a word such as -1, nan or unknown means an unknown name and not an individual of
that name: read as a name it would make one individual of all unknown ones, and score it. So readers of users' own data
empty these cells and add a note; ``unknown=keep`` keeps them. Readers of benchmarks have rules of their own.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import pyarrow as pa

from reknow.errors import DataError, nearest, printable
from reknow.observation import SPECTRA, Spectrum

Split = Literal["train", "query", "gallery"]
SPLITS: tuple[Split, ...] = get_args(Split)

SCHEMA = pa.schema(
    [
        pa.field("observation", pa.string(), nullable=False),  # unique in the manifest
        pa.field("identity", pa.string()),
        pa.field("camera", pa.string()),
        pa.field("scene", pa.string()),
        pa.field("time", pa.float64()),  # seconds, any origin that the rows share
        pa.field("tracklet", pa.string()),
        pa.field("split", pa.string()),  # train, query, gallery
        *(pa.field(spectrum, pa.string()) for spectrum in SPECTRA),  # picture references, see pictures.py
        # "left top right bottom" in pixels; for files that hold several panels, one box per spectrum of the
        # row, separated by semicolons, in the order rgb, nir, tir.
        pa.field("crop", pa.string()),
    ]
)

VECTOR = "vector"
"""The column of an embeddings file that holds the vectors."""

MEASURE = "picture:"
"""What the names of an embeddings file's columns of picture measures begin with, and no own column's does."""

DRAW_PLACES = "draw_places"
"""The own column of a gallery whose authors published how trials draw from it (:mod:`reknow.evaluation.draws`).

A cell has a number for each trial: the picture's place in the order in which the trial takes pictures of that identity
in that camera, counted from 0."""

CAPTION, PARAPHRASES = "caption", "paraphrases"
"""The own columns for what is said of a row's picture, and the same in other words (:mod:`reknow.data.captions`).

Where rows have several pictures, each spectrum has a pair of its own; see :func:`of_spectrum`."""

_BREAKING = ("Cc", "Cs", "Zl", "Zp")  # Unicode's categories: control, half of a surrogate pair, line and paragraph

WORDS = frozenset(
    {
        "",
        "-",
        "--",
        "?",
        "-1",
        "-1.0",
        "na",
        "n/a",
        "#n/a",
        "<na>",
        "nan",
        "nil",
        "none",
        "null",
        "undefined",
        "unknown",
    }
)
NAMES = ("identity", "camera", "scene", "tracklet")
"""The columns whose cells are names."""


def table_of(columns: Mapping[str, Sequence[Any]], own: Mapping[str, Sequence[Any]], name: str) -> pa.Table:
    """The table of a manifest from plain columns; missing ones become null.

    Args:
        columns: those of :data:`SCHEMA`, as far as they are given; an empty ``observation`` gets the picture's
            reference and crop.
        own: the user's own columns.
        name: the data set's, for messages.

    Raises:
        DataError: an unknown column, columns of different lengths, no spectrum at all in a row, an unknown split, an
            ``observation`` that stands twice, a text that is not UTF-8, or an own column that takes the name of a
            manifest's.
    """
    for column in columns:
        if column not in SCHEMA.names:
            raise DataError(
                f"{name}, column '{column}'",
                found="unknown column",
                remedy=f"{nearest(column, SCHEMA.names)}. From Python, others are given as own={{'{column}': ...}}",
            )
    beside = own_columns(own, SCHEMA.names, name)
    lengths = {column: len(values) for column, values in (*columns.items(), *beside.items())}
    if len(set(lengths.values())) > 1:
        raise DataError(name, found=f"columns of different lengths {lengths}", remedy="Give every row every column.")
    rows = next(iter(lengths.values()), 0)
    filled = {**columns, "observation": _named_observations(columns, rows)}
    arrays = []
    for column in SCHEMA:
        values = filled.get(column.name)
        if values is None:
            arrays.append(pa.nulls(rows, column.type))
        elif pa.types.is_string(column.type):
            if column.name in (*NAMES, "split"):  # spaces around a name make no other individual
                values = [v if v is None else str(v).strip() for v in values]
            # An empty cell of a CSV and a missing one mean the same to a user.
            texts = [None if v is None or v == "" else str(v) for v in values]
            arrays.append(text_column(texts, name, column.name))
        else:
            arrays.append(pa.array(values, column.type))
    table = pa.Table.from_arrays(arrays, schema=SCHEMA)
    for column, cells in beside.items():
        table = table.append_column(pa.field(column, pa.string()), cells)
    _check_rows(table, name)
    return table


def _check_rows(table: pa.Table, name: str) -> None:
    """Refuse what no consumer could handle; the doctor reports everything milder."""
    observations = table.column("observation").to_pylist()
    if len(set(observations)) < len(observations):
        first = {observation: row for row, observation in reversed([*enumerate(observations)])}
        row = next(row for row, observation in enumerate(observations) if first[observation] < row)
        raise DataError(
            f"{name}, row {row}",
            found=f"observation '{observations[row]}' stands twice",
            remedy="Give every row its own observation id.",
        )
    pictures = [table.column(spectrum).to_pylist() for spectrum in SPECTRA]
    for row, references in enumerate(zip(*pictures, strict=True)):
        if not any(references):
            raise DataError(
                f"{name}, row {row} (observation '{observations[row]}')",
                found="no picture in any spectrum",
                expected=f"a path in at least one of {', '.join(SPECTRA)}",
                remedy="Fill one of these columns, or remove the row.",
            )
    for row, split in enumerate(table.column("split").to_pylist()):
        if split is not None and split not in SPLITS:
            raise DataError(f"{name}, row {row}, column 'split'", found=f"'{split}'", remedy=nearest(split, SPLITS))


def _named_observations(columns: Mapping[str, Sequence[Any]], rows: int) -> list[str]:
    """The observation ids that a user gave, and for each that is empty its picture's reference and crop."""
    given = columns.get("observation", [None] * rows)
    crops = columns.get("crop", [None] * rows)
    pictures = [columns[spectrum] for spectrum in SPECTRA if spectrum in columns]
    names = []
    for row, (observation, crop) in enumerate(zip(given, crops, strict=True)):
        reference = next((str(column[row]) for column in pictures if column[row]), f"row-{row}")
        names.append(str(observation) if observation else f"{reference}@{crop}" if crop else reference)
    return names


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


def of_spectrum(column: str, spectrum: Spectrum) -> str:
    """The own column that holds in one spectrum alone, in a data set whose rows have several pictures.

    Example:
        >>> of_spectrum(CAPTION, "nir")
        'caption_nir'
    """
    return f"{column}_{spectrum}"


def plain_name(heading: str) -> str:
    """A heading in the form in which it is compared with the manifest's names: in small letters, without quotes.

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
    measure = plain.startswith(MEASURE)
    if plain in taken or measure:
        owner = "of an embeddings file's vectors" if plain == VECTOR else "of a manifest's column"
        owner, plain = ("of a picture measure", plain.removeprefix(MEASURE)) if measure else (owner, plain)
        raise DataError(
            f"{name}, own column '{column}'",
            found=f"it takes the name {owner}",
            remedy=f"Rename it, for example to 'own_{plain}', or leave it out.",
        )
    if column in before:
        raise DataError(f"{name}, own column '{column}'", found="two columns of this name", remedy="Rename one.")


def is_unknown(name: str) -> bool:
    """Whether a name means that it is unknown.

    Example:
        >>> is_unknown("Unknown"), is_unknown("-1"), is_unknown("0")
        (True, True, False)
    """
    return name.strip().lower() in WORDS


def without_unknown(
    columns: Mapping[str, Sequence[Any]], where: str, option: str
) -> tuple[dict[str, Sequence[Any]], list[str]]:
    """The columns with cells that mean "not known" emptied, and a note for each such word.

    Args:
        columns: a manifest's, as far as they are there.
        where: names the table or folder in notes.
        option: what the user wrote for ``unknown``: ``empty`` or ``keep``.

    Raises:
        DataError: another word for the option.
    """
    if option not in ("empty", "keep"):
        raise DataError(f"{where}, option 'unknown'", found=f"'{option}'", remedy=nearest(option, ["empty", "keep"]))
    result, notes = dict(columns), []
    for column in NAMES if option == "empty" else ():
        cells = columns.get(column, ())
        # Names repeat, so searching the distinct ones is faster than row by row.
        words = {name for name in set(cells) if name is not None and is_unknown(name)}
        if not words:
            continue
        result[column] = [None if cell in words else cell for cell in cells]
        for word, count in Counter(cell for cell in cells if cell in words and cell != "").most_common():
            notes.append(
                f"{where}: {count:,} of {len(cells):,} rows have the {column} '{word}', which is read as not known; "
                f"unknown=keep reads it as a name."
            )
    return result, notes
