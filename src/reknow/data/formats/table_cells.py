"""Table cells: the text of a CSV file as columns of text, without guessed types.

A reader that guesses types would turn the identity 0001 into 1, so every cell is text, and none of these changes it:
a byte-order mark, empty lines before the header, spaces or quotes around names and cells, any kind of line end, a
delimiter at the end of lines. What cannot be read in one way only is refused with its line.

Comma, semicolon and tab separate; the one that makes most cells of the header holds for the file.
"""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from reknow.errors import DataError

_DELIMITERS = ",;\t"
_SHOWN = 20  # letters on either side of the one that cannot be read
_SAVE = "Save it as CSV in UTF-8 with one header line, or as Parquet."


def read_cells(file: Path) -> list[tuple[str, list[str]]]:
    """The columns of a CSV file, in order: each one's name and cells, without spaces around them.

    A nameless column of empty cells, as a delimiter at the end of lines makes it, is left out.

    Raises:
        DataError: not UTF-8, no header, a name that stands twice, a row of more or fewer cells, an open quote.
        OSError: as the system raises it.
    """
    with _cells_of_any_length():
        return _columns(_rows(_text(file), file), file)


def named_cells(file: Path, names: Sequence[str], remedy: str) -> dict[str, list[str]]:
    """The named columns of a CSV that this package wrote and that a spreadsheet program may have saved again.

    Args:
        file: the CSV; other columns in it are left out.
        names: of the columns, as they were written.
        remedy: what to do where there is no such file, or a column is missing.

    Raises:
        DataError: no such file, no permission, a missing column, or one of the errors of :func:`read_cells`.
    """
    try:
        if not file.is_file():
            raise DataError(file, found="a folder" if file.is_dir() else "no such file", remedy=remedy)
        columns = dict(read_cells(file))
    except PermissionError as error:
        raise DataError(file, found="no permission to read it", remedy=f"Run: chmod u+r '{file}'") from error
    except (OSError, ValueError) as error:  # ValueError: a null character in its name
        raise DataError(file, found=f"it cannot be read ({error})", remedy=remedy) from error
    absent = [name for name in names if name not in columns]
    if absent:
        raise DataError(
            file,
            found=f"no column {', '.join(absent)} among {', '.join(columns)}",
            expected=f"the columns {', '.join(names)}",
            remedy=remedy,
        )
    return {name: columns[name] for name in names}


def _columns(rows: Iterator[tuple[int, list[str]]], file: Path) -> list[tuple[str, list[str]]]:
    """The header and the rows below it, each with its line, as columns."""
    line, names = next(rows, (1, []))
    if not names:
        raise DataError(file, found="the table cannot be read (it is empty)", expected="a header line", remedy=_SAVE)
    twice = next((name for name in names if name and names.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"{file}, line {line}", found=f"two columns named '{twice}'", remedy="Keep or rename one.")
    columns: list[list[str]] = [[] for _ in names]
    for line, cells in rows:
        whole = cells + [""] * (len(names) - len(cells) if not any(names[len(cells) :]) else 0)
        if len(whole) < len(names) or any(whole[len(names) :]):
            raise DataError(
                f"{file}, line {line}",
                found=f"the row cannot be read ({len(cells)} cells under {len(names)} names)",
                expected=f"one cell for each of {', '.join(names)}",
                remedy="Write an empty cell where nothing is known; quote a cell that holds the delimiter.",
            )
        for column, cell in zip(columns, whole, strict=False):
            column.append(cell)
    return [(name, column) for name, column in zip(names, columns, strict=True) if name or any(column)]


def _text(file: Path) -> str:
    """The file's text, refused where it is not UTF-8 or starts with a line for spreadsheets alone."""
    data = file.read_bytes()
    if data.startswith(b"PAR1"):
        remedy = "Name a CSV; where a table may be Parquet, its name ends with .parquet."
        raise DataError(file, found="a Parquet file", expected="a CSV file", remedy=remedy)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _not_utf_8(data, file, error) from error
    if "\0" in text:
        content = "null characters, as of UTF-16 or of a file that is no text"
        raise DataError(file, found=content, expected="UTF-8", remedy=_SAVE)
    first = text.lstrip().partition("\n")[0].strip().strip('"').lower()
    if first.startswith("sep="):
        raise DataError(f"{file}, line 1", found=f"'{first}' in place of the header", remedy="Remove this line.")
    return text


def _not_utf_8(data: bytes, file: Path, error: UnicodeDecodeError) -> DataError:
    """Names the first cell that is not UTF-8, and shows how it would read otherwise."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in data:
        return DataError(file, found=f"UTF-16 ({error})", expected="UTF-8", remedy=_SAVE)
    text = data.decode("utf-8-sig", "surrogateescape")  # which marks every byte that is none of UTF-8
    line = text[: _marked(text)].count("\n")
    where, cell = f"line {line + 1}", text.split("\n")[line]
    with suppress(DataError):  # an open quote above: then only the line is known
        where, cell = _first_marked(text, file) or (where, cell)
    place = _marked(cell)
    shown = cell[max(0, place - _SHOWN) : place + _SHOWN].encode("utf-8", "surrogateescape")
    return DataError(
        f"{file}, {where}",
        found=f"'{shown.decode('utf-8', 'backslashreplace')}', which is another encoding than UTF-8 and would be "
        f"'{shown.decode('windows-1252', 'replace')}' in Windows-1252",
        expected="UTF-8",
        remedy=f"{_SAVE} If it reads well as Windows-1252: iconv -f windows-1252 -t utf-8 '{file}' > new.csv",
    )


def _first_marked(text: str, file: Path) -> tuple[str, str] | None:
    """The first cell with a byte that is none of UTF-8: its line and column in words, and its text."""
    names: list[str] = []
    for line, cells in _rows(text, file):
        for place, cell in enumerate(cells):
            if _marked(cell) < len(cell):
                return f"line {line}, column '{names[place]}'" if place < len(names) else f"line {line}", cell
        names = names or cells
    return None


def _marked(text: str) -> int:
    """Where the first marked byte stands; the text's length where none does."""
    return next((place for place, letter in enumerate(text) if "\udc80" <= letter <= "\udcff"), len(text))


@contextmanager
def _cells_of_any_length() -> Iterator[None]:
    """Python's reader refuses cells above 131,072 letters; a caption may be longer."""
    before = csv.field_size_limit(sys.maxsize)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _rows(text: str, file: Path) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not empty, the header first, each with the number of its first line."""
    lines = list(io.StringIO(text, newline=""))  # which knows every line end and keeps it
    delimiter = _delimiter(lines)
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
    start = 0
    while True:
        try:
            cells = next(reader)
            if reader.line_num > start + 1:  # an open quote takes in the lines below it, so quotes must be right here
                strict = csv.reader(
                    lines[start : reader.line_num], delimiter=delimiter, skipinitialspace=True, strict=True
                )
                next(strict)
        except StopIteration:
            return
        except csv.Error as error:
            raise DataError(
                f"{file}, line {start + 1}",
                found=f"a cell that cannot be read ({error})",
                remedy="Close the quote, or write a quote inside a quoted cell twice.",
            ) from error
        stripped = [cell.strip() for cell in cells]
        if any(stripped):
            yield start + 1, stripped
        start = reader.line_num


def _delimiter(lines: Sequence[str]) -> str:
    """The delimiter that makes most cells of the first line that has any; a comma where none does."""
    header = next((line for line in lines if line.strip().strip(_DELIMITERS)), "")
    return max(_DELIMITERS, key=lambda delimiter: (_cells(header, delimiter, strict=True), _cells(header, delimiter)))


def _cells(line: str, delimiter: str, *, strict: bool = False) -> int:
    """How many cells a delimiter makes, if more than one; under `strict` none where it splits a quoted name."""
    try:
        count = len(next(csv.reader([line], delimiter=delimiter, strict=strict), []))
    except csv.Error:
        return 0
    return count if count > 1 else 0
