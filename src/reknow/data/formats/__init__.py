"""Formats: how data sets are stored on disk. One module per format, each with
``read(path, *, option=default) -> Manifest``.

A data set is named ``FORMAT:PATH`` or ``FORMAT:PATH?option=value&option=value``; options reach ``read`` as text. Three
options every format has: ``protocol=NAME`` names the evaluation protocol, ``gallery=train`` declares a closed set
(:func:`reknow.data.manifest.closed_set`), and ``captions=FILE`` or ``captions=COLUMN`` names what is said of the
pictures (:mod:`reknow.data.captions`).

Another package brings a format by an entry point (:mod:`reknow.packages`): a module with such a ``read``, or
the function itself.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from types import ModuleType
from typing import Any

from reknow.data.captions import captioned
from reknow.data.formats import (
    cuhk03,
    dukemtmc,
    folder,
    llcm,
    market1501,
    market1501_mm,
    msmt17,
    msvr310,
    occluded_duke,
    omniglot,
    personx,
    regdb,
    rgbn300,
    rgbnt100,
    rgbnt201,
    sysu_mm01,
    table,
    world,
)
from reknow.data.formats.picture_folders import exists
from reknow.data.formats.table import import_dataset
from reknow.data.manifest import CLOSED_SET_OPTION, Manifest, closed_set
from reknow.errors import DataError, nearest
from reknow.packages import Contribution, contributions
from reknow.places import at_home, place_and_options

__all__ = ["FORMATS", "formats", "import_dataset", "open_dataset"]

FORMATS: dict[str, ModuleType] = {
    "cuhk03": cuhk03,
    "dukemtmc": dukemtmc,
    "folder": folder,
    "llcm": llcm,
    "market1501": market1501,
    "market1501_mm": market1501_mm,
    "msmt17": msmt17,
    "msvr310": msvr310,
    "occluded_duke": occluded_duke,
    "omniglot": omniglot,
    "personx": personx,
    "regdb": regdb,
    "rgbn300": rgbn300,
    "rgbnt100": rgbnt100,
    "rgbnt201": rgbnt201,
    "sysu_mm01": sysu_mm01,
    "table": table,
    "world": world,
}
"""Each format's module. A new format is an import and a line here."""

COMMON = {"protocol", "captions", CLOSED_SET_OPTION}

_FORM = "FORMAT:PATH or FORMAT:PATH?option=value&option=value, for example market1501:/data/market"


def formats() -> dict[str, str]:
    """Each format of this package, and in one line what it reads."""
    return {name: (module.__doc__ or "").strip().split("\n")[0] for name, module in FORMATS.items()}


def open_dataset(dataset: str) -> Manifest:
    """Read the data set that `dataset` names.

    The name is parsed by :func:`reknow.places.place_and_options`.

    Args:
        dataset: ``FORMAT:PATH[?option=value&...]``.

    Raises:
        DataError: an unknown format or option, what the format's ``read`` raises, or a format of another package that
            cannot be imported or breaks the contract.
    """
    name, colon, rest = dataset.partition(":")
    if not colon or "/" in name:
        raise DataError(dataset, found="no format before the path", expected=_FORM, remedy=_suggestion(dataset))
    read = _reader(name)
    path, options = place_and_options(rest, exists, DataError, _FORM)
    if not path:
        raise DataError(dataset, found="no path after the colon", expected=_FORM, remedy="Write the path.")
    known = _options_of(read)
    # The options that every format has, unless its reader handles them itself.
    common = {} if known is None else {option: options.pop(option) for option in COMMON - {*known} if option in options}
    for option in options:
        if known is not None and option not in known:
            own = "" if known else f"The format {name} has no options of its own. "
            remedy = own + nearest(option, sorted({*known, *COMMON}))
            raise DataError(f"{dataset}, option '{option}'", found="unknown option", remedy=remedy)
    manifest = read(path, **options)
    if "captions" in common:
        manifest = captioned(manifest, common["captions"])
    if "protocol" in common:
        manifest = replace(manifest, protocol=common["protocol"])
    return closed_set(manifest, common[CLOSED_SET_OPTION]) if CLOSED_SET_OPTION in common else manifest


def _reader(name: str) -> Callable[..., Manifest]:
    if name in FORMATS:
        return FORMATS[name].read
    others = contributions("reknow.formats", FORMATS)
    if name in others.refused:
        raise others.refused[name]
    if name in others.accepted:
        return _reader_of(others.accepted[name])
    names, others_note = _names()
    raise DataError(
        f"format '{name}'", found="unknown format", expected=_FORM, remedy=nearest(name, names) + others_note
    )


def _reader_of(brought: Contribution) -> Callable[..., Manifest]:
    """The reader that another package brings, if it keeps the contract."""
    contract = "read(path, *, options) -> Manifest, each option with a default"
    loaded: Any = brought.load()
    read = getattr(loaded, "read", None) if isinstance(loaded, ModuleType) else loaded
    if not callable(read):
        raise brought.refused(f"'{brought.entry.value}' has no function read", contract)
    parameters = list(inspect.signature(read).parameters.values())
    if not parameters or parameters[0].kind.name not in ("POSITIONAL_ONLY", "POSITIONAL_OR_KEYWORD"):
        raise brought.refused("its read takes no path", contract)
    needed = [
        parameter.name
        for parameter in parameters[1:]
        if parameter.default is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD
    ]
    if needed:
        raise brought.refused(f"its read needs {', '.join(needed)}", contract)

    @wraps(read)
    def checked(path: str, **options: str) -> Manifest:
        manifest = read(path, **options)
        if not isinstance(manifest, Manifest):
            raise brought.refused(f"its read returns a {type(manifest).__name__}", contract)
        return manifest

    return checked


def _options_of(read: Callable[..., Manifest]) -> list[str] | None:
    """The keywords that a reader takes, None where it takes any."""
    parameters = list(inspect.signature(read).parameters.values())[1:]
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return None
    return [parameter.name for parameter in parameters]


def _suggestion(dataset: str) -> str:
    if exists(dataset):
        return f"Did you mean {'folder' if at_home(dataset).is_dir() else 'table'}:{dataset}?"
    names, others_note = _names()
    return f"Known formats: {', '.join(names)}{others_note}"


def _names() -> tuple[list[str], str]:
    """The name of every format; and, for messages, which formats other packages bring and which were left out."""
    others = contributions("reknow.formats", FORMATS)
    note = ""
    if others.accepted:
        packages = (f"{brought.name} (package {brought.package})" for brought in others.accepted.values())
        note += f". Of other packages: {', '.join(packages)}"
    if others.refused:
        note += f". Left out: {'; '.join(f'{error.where} {error.found}' for error in others.refused.values())}"
    return sorted([*FORMATS, *others.accepted]), note
