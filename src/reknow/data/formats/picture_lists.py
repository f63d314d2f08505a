"""List files of published data sets: a line for each picture, with its path and its label."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from reknow.data.formats.picture_folders import holds_folder, pictures_below
from reknow.errors import DataError

_REMEDY = "Take the list file from the data set's own archive."


@dataclass(frozen=True)
class Listed:
    """One line of a list file.

    Attributes:
        path: of the picture, relative to the data set's folder.
        label: the identity's number in this list.
    """

    path: str
    label: str


def lines_of(path: Path) -> list[str]:
    """The lines of a text file.

    Raises:
        DataError: it cannot be read, or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(path, found=f"the list cannot be read ({error})", remedy=_REMEDY) from error


def listed(lines: Iterable[str], where: object, form: str) -> list[Listed]:
    """Lines "path label", without empty ones.

    Args:
        lines: of the list file.
        where: names the file in errors.
        form: an example of a line, for errors.

    Raises:
        DataError: a line that is not a path and a number.

    Example:
        >>> listed(["vis/0001/a.jpg 0", ""], "train_vis.txt", "vis/0001/a.jpg 0")
        [Listed(path='vis/0001/a.jpg', label='0')]
    """
    pictures = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        path, _, label = line.strip().rpartition(" ")
        if not path.strip() or not label.isdecimal():
            raise DataError(
                f"{where}, line {number}", found=f"'{line.strip()}'", expected=f"a line like: {form}", remedy=_REMEDY
            )
        pictures.append(Listed(path.strip(), label))
    return pictures


def identities_listed(lines: Iterable[str], where: object) -> list[str]:
    """Identities as SYSU-MM01 and LLCM list them: numbers in one line, with commas between; as four digits.

    Raises:
        DataError: no number, or something else among them.

    Example:
        >>> identities_listed(["6,10,17"], "test_id.txt")
        ['0006', '0010', '0017']
    """
    numbers = [cell.strip() for line in lines for cell in line.split(",") if cell.strip()]
    wrong = next((number for number in numbers if not number.isdecimal()), "nothing" if not numbers else None)
    if wrong is not None:
        raise DataError(where, found=f"'{wrong}'", expected="identity numbers, such as 6,10,17", remedy=_REMEDY)
    return [f"{int(number):04d}" for number in numbers]


def on_disk(root: Path, paths: Iterable[str]) -> set[str]:
    """Every picture in the folders that lists name; to list a folder is faster than to try each file."""
    folders = sorted({path.partition("/")[0] for path in paths if "/" in path})
    return {
        f"{folder}/{picture}"
        for folder in folders
        if holds_folder(root / folder)
        for picture in pictures_below(root / folder).pictures
    }
