"""Formats: how data sets lie on disks. One module per format, each with ``read(path, *, options) -> Manifest``.

A data set is named ``FORMAT:PATH`` or ``FORMAT:PATH?option=value&option=value``. A format is a module of this package
that has ``read``; a new file here is a new format, nothing lists them. Two options every format has: ``protocol=NAME``
names the evaluation protocol, and ``gallery=train`` declares a closed set (:mod:`reknow.data.closed`).
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil
from collections.abc import Callable
from dataclasses import replace

from reknow.data.closed import OPTION, closed_set
from reknow.data.formats.locating import exists
from reknow.data.formats.table import import_dataset
from reknow.data.manifest import Manifest
from reknow.errors import DataError, nearest
from reknow.naming import place_and_options
from reknow.places import at_home

__all__ = ["formats", "import_dataset", "open_dataset"]

COMMON = {"protocol", OPTION}

_FORM = "FORMAT:PATH or FORMAT:PATH?option=value&option=value, for example market1501:/data/market"


def formats() -> dict[str, str]:
    """Each format's name, and in one line what it reads."""
    found = {}
    for module in sorted(information.name for information in pkgutil.iter_modules(__path__)):
        content = importlib.import_module(f"{__name__}.{module}")
        if hasattr(content, "read"):
            found[module] = (content.__doc__ or "").strip().split("\n")[0]
    return found


def open_dataset(spec: str) -> Manifest:
    """Read the data set that `spec` names.

    How the name is taken apart says :mod:`reknow.naming`.

    Args:
        spec: ``FORMAT:PATH[?option=value&...]``.

    Raises:
        DataError: an unknown format or option, or what the format's ``read`` raises.
    """
    name, colon, rest = spec.partition(":")
    if not colon or "/" in name:
        raise DataError(spec, found="no format before the path", expected=_FORM, remedy=_suggestion(spec))
    read = _reader(name)
    path, options = place_and_options(rest, exists, DataError, _FORM)
    if not path:
        raise DataError(spec, found="no path after the colon", expected=_FORM, remedy="Write the path.")
    known = _options_of(read)
    # Those that every format has, unless its reader has a say in them.
    common = {} if known is None else {option: options.pop(option) for option in COMMON - {*known} if option in options}
    for option in options:
        if known is not None and option not in known:
            own = "" if known else f"The format {name} has no options of its own. "
            remedy = own + nearest(option, [*known, *COMMON])
            raise DataError(f"{spec}, option '{option}'", found="unknown option", remedy=remedy)
    manifest = read(path, **options)
    if "protocol" in common:
        manifest = replace(manifest, protocol=common["protocol"])
    return closed_set(manifest, common[OPTION]) if OPTION in common else manifest


def _reader(name: str) -> Callable[..., Manifest]:
    module = f"{__name__}.{name}"
    if name.isidentifier() and importlib.util.find_spec(module) is not None:
        read = getattr(importlib.import_module(module), "read", None)
        if read is not None:
            return read
    raise DataError(f"format '{name}'", found="unknown format", expected=_FORM, remedy=nearest(name, formats()))


def _options_of(read: Callable[..., Manifest]) -> list[str] | None:
    """The keywords that a reader takes, None where it takes any."""
    parameters = list(inspect.signature(read).parameters.values())[1:]
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return None
    return [parameter.name for parameter in parameters]


def _suggestion(spec: str) -> str:
    if exists(spec):
        return f"Did you mean {'folder' if at_home(spec).is_dir() else 'table'}:{spec}?"
    return f"Known formats: {', '.join(formats())}"
