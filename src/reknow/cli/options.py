"""Options that several commands share, and what they stand for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from tyro.conf import arg

from reknow.errors import DataError

Json = Annotated[bool, arg(help="Print one JSON object instead of text.")]
Data = Annotated[str, arg(help="The data set, as FORMAT:PATH; e.g. folder:crops, market1501:PATH, table:rows.csv.")]
SHIPPED_HELP = (
    "A recognizer's folder, a finished run or a file of weights (FILE?stride=12 tells what it does not); "
    "'shipped' is the package's own small one."
)


def recognizer_named(name: str) -> Any:
    """The recognizer that a command was given; 'shipped' is the package's own."""
    from reknow.recognizer import load

    return load(None if name == "shipped" else name)


def new_folder(wanted: Path | None, name: str) -> Path:
    """The folder that the user named, or the next free number below runs/."""
    if wanted is not None:
        return wanted
    number = 1
    while (folder := Path("runs") / f"{name}-{number}").exists():
        number += 1
    return folder


def refuse_existing(path: Path) -> None:
    """Before any work is done: what is there is never overwritten.

    Raises:
        DataError: the file exists.
    """
    if path.exists():
        raise DataError(path, found="already exists", remedy="Name another file with --out, or move this one away.")
