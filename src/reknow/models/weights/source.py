"""Source: the file of weights that a user names, and the options that say what the file itself does not.

``FILE?stride=12&size=256x128&cameras=c1,c2`` works wherever a file of weights is named. Without an option, the value is
what the file's authors published, and the report says so. If nothing published fits, an error asks for the option.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from reknow.errors import WeightsError, nearest
from reknow.models.attention import Activation
from reknow.places import at_home, place_and_options

FOLDER_VARIABLE = "REKNOW_WEIGHTS"
"""The environment variable that names the folder of weights."""

FORM = "FILE or FILE?option=value&option=value, for example w.pth?stride=12&size=256x128"

Size = tuple[int, int]
"""(height, width) in pixels."""

Side = Literal["before", "behind"]
"""Of the batch-norm neck."""


@dataclass(frozen=True, kw_only=True)
class FileOptions:
    """What a user, or a recipe, states about a file; None or empty if nothing is stated.

    Attributes:
        size: of the pictures for which its position table is; of a convolutional network, the size to embed at.
        stride: pixels between patches, or between positions of the last map of a ResNet.
        heads: number of heads of a transformer's attentions.
        cameras: names of the rows of its camera table, in order.
        neck: the side of the batch-norm neck on which its features are compared.
        normalization: of its pictures: ImageNet's values, halves or CLIP's values.
        activation: of a transformer's MLPs.
    """

    size: Size | None = None
    stride: int | None = None
    heads: int | None = None
    cameras: tuple[str, ...] = ()
    neck: Side | None = None
    normalization: Literal["imagenet", "halves", "clip"] | None = None
    activation: Activation | None = None

    def stated(self) -> tuple[str, ...]:
        """Names of the options that have a value."""
        return tuple(option.name for option in fields(self) if getattr(self, option.name))


@dataclass(frozen=True)
class Source:
    """A file of weights, as it was named.

    Attributes:
        path: of the file.
        options: what follows after the question mark.
    """

    path: Path
    options: FileOptions = field(default_factory=FileOptions)

    @staticmethod
    def of(weights: Source | Path | str) -> Source:
        """The source with this name, whether its file exists or not.

        Raises:
            WeightsError: an unknown option, or a value that it cannot have.
        """
        if isinstance(weights, Source):
            return weights
        place, options = place_and_options(str(weights), _exists, WeightsError, FORM)
        return Source(_file(place) or Path(place), _parsed(str(weights), options))


def resolve(weights: str) -> Source | None:
    """The file that a user names: a path as it is, else one inside the folder that ``REKNOW_WEIGHTS`` names.

    Returns:
        None if there is no such file; the name may be a recognizer's folder or a word.

    Raises:
        WeightsError: unknown options, or options of something that is no file of weights.
    """
    place, options = place_and_options(weights, _exists, WeightsError, FORM)
    path = _file(place)
    if path is None and options:
        raise WeightsError(
            place,
            found="a folder, which has no options" if Path(place).is_dir() else "no such file",
            expected="a file of weights, since options follow",
            remedy=f"Correct the path, name the file's folder in {FOLDER_VARIABLE}, or leave the options out.",
        )
    return None if path is None else Source(path, _parsed(weights, options))


def _file(place: str) -> Path | None:
    folder = os.environ.get(FOLDER_VARIABLE)
    choices = [place] + ([f"{folder}/{place}"] if folder and place else [])
    return next((path for choice in choices if (path := at_home(choice)).is_file()), None)


def _exists(place: str) -> bool:
    return _file(place) is not None or at_home(place).is_dir()


def _parsed(weights: str, options: Mapping[str, str]) -> FileOptions:
    values = {}
    for option, text in options.items():
        where = f"{weights}, option '{option}'"
        if option not in _PARSERS:
            raise WeightsError(where, found="unknown option", remedy=nearest(option, _PARSERS))
        form, parse = _PARSERS[option]
        try:
            values[option] = parse(text)
        except ValueError as error:
            value = f"'{text}'" + (f", {error}" if parse is _names else "")
            raise WeightsError(where, found=value, expected=form, remedy="Correct the value.") from error
    return FileOptions(**values)


def _number(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 100_000:
        raise ValueError("no such number")
    return int(text)


def _size(text: str) -> Size:
    height, width = text.lower().split("x")
    return _number(height), _number(width)


def _names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise ValueError("where a name is empty")
    if twice := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"where '{twice[0]}' stands twice")
    return names


def _one_of(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError("no such choice")
        return text

    return parse


_PARSERS: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "size": ("height x width in pixels, such as 256x128", _size),
    "stride": ("pixels between patches, such as 12", _number),
    "heads": ("a number of heads, such as 16", _number),
    "cameras": ("the cameras' names, separated by commas, such as c1,c2,c3", _names),
    "neck": ("before or behind", _one_of("before", "behind")),
    "normalization": ("imagenet, halves or clip", _one_of("imagenet", "halves", "clip")),
    "activation": ("gelu or quick_gelu", _one_of("gelu", "quick_gelu")),
}
