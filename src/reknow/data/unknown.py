"""Words that mean that nobody knows: a table's -1, nan or unknown is an empty cell, not an individual of that name.

Read as a name, such a word would make one individual of all that are not known, and score it. So readers of users'
own data empty these cells and say so; ``unknown=keep`` keeps them. Readers of benchmarks have rules of their own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from reknow.errors import DataError, nearest

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


def is_unknown(name: str) -> bool:
    """Whether a name says that nobody knows it.

    Example:
        >>> is_unknown("Unknown"), is_unknown("-1"), is_unknown("0")
        (True, True, False)
    """
    return name.strip().lower() in WORDS


def without_unknown(
    columns: Mapping[str, Sequence[Any]], where: str, option: str
) -> tuple[dict[str, Sequence[Any]], list[str]]:
    """Columns whose cells that mean "not known" are empty, and a note for each word that stood there.

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
        # Names repeat, so that the words among the distinct ones are found faster than row by row.
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
