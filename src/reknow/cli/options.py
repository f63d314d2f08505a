"""Options that several commands share, and what they stand for."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import arg

from reknow.errors import RunError
from reknow.writing import beside_of

Json = Annotated[bool, arg(help="Print one JSON object instead of text.")]
DATA_HELP = "The data set, FORMAT:PATH or FORMAT:PATH?option=value; e.g. folder:crops, market1501:PATH, table:rows.csv."
Data = Annotated[str, arg(help=DATA_HELP)]
SHIPPED_HELP = (
    "A recognizer's folder, a finished run or a file of weights (FILE?stride=12 tells what it does not); "
    "'shipped' is the package's own small one."
)


NumberFormat = Annotated[
    Literal["32", "bf16", "auto"],
    arg(help="Compute in 32 bit, in bf16, or in bf16 where the processor is made for it; scores differ by tenths."),
]
PictureSize = Annotated[
    tuple[int, int] | None, arg(help="Height and width that pictures are resized to; by default the recognizer's own.")
]


def recognizer_named(name: str, precision: str = "auto", size: tuple[int, int] | None = None) -> Any:
    """The recognizer that a command was given; 'shipped' is the package's own."""
    from reknow.recognizer import load

    recognizer = load(None if name == "shipped" else name, precision=precision)  # type: ignore[arg-type]
    recognizer.requested_precision = recognizer.computes_in  # on the command line, auto is asked for, too
    return recognizer if size is None else recognizer.at_size(size)


def reading_of(name: str, recognizer: Any) -> list[str]:
    """How a file of weights was read, which nothing else that a command prints tells; empty for other recognizers."""
    from reknow.models.weights import resolve

    return list(recognizer.card.started_from) if name != "shipped" and resolve(name) is not None else []


def new_folder(wanted: Path | None, name: str) -> Path:
    """The folder that the user named, or the next free number below runs/; checked before any work is done.

    Raises:
        RunError: see :func:`check_new_folder`.
    """
    number, folder = 1, wanted
    while folder is None or (wanted is None and os.path.lexists(folder)):
        folder, number = Path("runs") / f"{name}-{number}", number + 1
    check_new_folder(folder)
    return folder


def check_count(count: int) -> None:
    """Refuse to show nothing.

    Raises:
        RunError: a count below 1.
    """
    if count < 1:
        raise RunError("--count", found=str(count), expected="1 or more", remedy="Name how many are to be shown.")


def check_new_file(path: Path, *suffixes: str) -> None:
    """Before any work is done: this file can be written, and nothing is overwritten.

    Args:
        path: as the user named it with --out.
        suffixes: what its name may end with; without any, as it likes.

    Raises:
        RunError: something is there already, its folder is not, or a file of this name cannot be made there.
    """
    with _in_words(path):
        if path.is_dir():
            raise RunError(path, found="a folder", expected="the name of a new file", remedy="Add a file's name to it.")
        if os.path.lexists(path):
            raise RunError(path, found="already exists", remedy="Name another file with --out, or move this one away.")
        if suffixes and path.suffix not in suffixes:
            raise RunError(
                path, found=f"suffix '{path.suffix}'", expected=" or ".join(suffixes), remedy="Rename it with --out."
            )
        if not path.parent.is_dir():
            raise _no_folder(path.parent)
        _try_writing(path)


def check_new_folder(path: Path) -> None:
    """Before any work is done: this folder can be made with all above it, or it is there and empty.

    Raises:
        RunError: it holds something, it is a file, or it cannot be made or written.
    """
    with _in_words(path):
        check_folder(path)
        if path.is_dir() and any(path.iterdir()):
            raise RunError(
                path,
                found="already exists and is not empty",
                remedy="Name another folder with --out; a run of `reknow train` there continues with --resume.",
            )


def check_folder(path: Path) -> None:
    """Before any work is done: files can be written into this folder, which is made with all above it.

    Raises:
        RunError: it is a file, or it cannot be made or written.
    """
    with _in_words(path):
        below = [path]
        while not os.path.lexists(below[-1]):
            below.append(below[-1].parent)
        nearest = below[-1]
        if not nearest.is_dir():
            raise RunError(
                path,
                found="a file" if nearest == path else f"{nearest} is a file",
                expected="a folder that is new or empty",
                remedy="Name another folder with --out.",
            )
        longest = max((os.fsencode(place.name) for place in below), key=len)
        _try_writing(nearest / (os.fsdecode(longest) if len(below) > 1 else "file"))


def _try_writing(path: Path) -> None:
    """Make the hidden file that will be renamed, and remove it: the only test that is right for every user and disk."""
    beside = beside_of(path)
    os.close(os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    beside.unlink()


def _no_folder(folder: Path) -> RunError:
    nearest = next(place for place in (folder, *folder.parents) if os.path.lexists(place))
    if nearest.is_dir():
        return RunError(folder, found="no such folder", remedy=f"Make it: mkdir -p {shlex.quote(str(folder))}")
    return RunError(nearest, found="a file", expected="a folder", remedy="Name another place with --out.")


@contextmanager
def _in_words(path: Path) -> Iterator[None]:
    """What the system says about a path that cannot be written, as an error of ours."""
    try:
        yield
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        shown = str(path).replace("\0", "\\0")
        raise RunError(
            shown if len(shown) <= 200 else f"{shown[:200]}...",
            found=f"cannot be written ({reason})",
            expected="a place that this user may write to, and a name that its disk takes",
            remedy="Name another place with --out.",
        ) from error
