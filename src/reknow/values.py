"""Frozen dataclasses as plain data, and back: how recipes and network shapes reach YAML and JSON.

A recipe is a value, so its file is complete: each dataclass becomes a mapping of its fields plus ``type``, the import
path of its class. Reading imports from this package and from packages that provide methods or formats
(:mod:`reknow.packages`); a file that names any other package is refused.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Mapping
from typing import Any, get_type_hints

from reknow.errors import RecipeError, nearest
from reknow.fields import misfit
from reknow.packages import outside_roots

Plain = Any
"""The types of YAML and JSON: None, bool, int, float, str, and lists and mappings of these."""


def to_plain(value: Any) -> Plain:
    """A dataclass value as mappings, lists, numbers and strings.

    Example:
        >>> from reknow.data.transforms import Preprocessing
        >>> to_plain(Preprocessing())["type"]
        'reknow.data.transforms.Preprocessing'
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: to_plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {"type": f"{type(value).__module__}.{type(value).__qualname__}", **fields}
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"{type(value).__name__} has no plain form")


def from_plain(plain: Plain, where: str) -> Any:
    """The value that :func:`to_plain` wrote.

    Args:
        plain: the content of the YAML or JSON file.
        where: the file's name, for messages.

    Raises:
        RecipeError: a field that the class does not have, a value that it may not hold, or a class of a package that
            is not installed here or brings neither methods nor formats.
    """
    if isinstance(plain, list):
        return tuple(from_plain(item, where) for item in plain)
    if not isinstance(plain, dict):
        return plain
    if "type" not in plain:
        return {key: from_plain(item, where) for key, item in plain.items()}
    return _build(_class_named(str(plain["type"]), where), plain, where)


def _build(kind: type, plain: dict[str, Plain], where: str) -> Any:
    fields = {field.name: field for field in dataclasses.fields(kind) if field.init}
    hints = get_type_hints(kind)
    values = {}
    for name, item in plain.items():
        if name == "type":
            continue
        if name not in fields:
            raise RecipeError(
                f"{where}, field '{name}'", found=f"not a field of {kind.__name__}", remedy=nearest(name, fields)
            )
        value = from_plain(item, where)
        if isinstance(value, int) and not isinstance(value, bool) and hints[name] is float:
            value = float(value)  # YAML writes 1 for 1.0
        if expected := misfit(value, hints[name]):
            raise RecipeError(
                f"{where}, field '{name}'", found=f"{value!r}", expected=expected, remedy="Correct the value."
            )
        values[name] = value
    try:
        return kind(**values)
    except RecipeError as error:  # a value that the class itself refuses
        raise RecipeError(
            f"{where}, {error.where}", found=error.found, expected=error.expected, remedy=error.remedy
        ) from error
    except TypeError as error:
        raise RecipeError(where, found=str(error), remedy="Add the field that is missing.") from error


def _class_named(path: str, where: str) -> type:
    where = f"{where}, field 'type'"
    remedy = "Restore the line 'type' as the run wrote it."
    module, _, name = path.rpartition(".")
    root = module.partition(".")[0]
    if not module.startswith("reknow."):
        # Checked before anything is imported: a file must not choose what runs.
        if not root or root not in outside_roots():
            raise RecipeError(
                where,
                found=f"'{path}', a class of the package '{root}'" if root else f"'{path}'",
                expected="a class of reknow, or of an installed package that brings methods or formats",
                remedy=f"Install the package '{root}' if it wrote this. Otherwise: {remedy}" if root else remedy,
            )
        remedy = f"Install the version of the package '{root}' that wrote this. Otherwise: {remedy}"
    try:
        kind = getattr(importlib.import_module(module), name)
    except Exception as error:  # modules of other packages may raise anything
        reason = f"no class '{path}' ({type(error).__name__}: {error})"
        raise RecipeError(where, found=reason, remedy=remedy) from error
    if not (isinstance(kind, type) and dataclasses.is_dataclass(kind)):
        raise RecipeError(where, found=f"'{path}' is not a dataclass", remedy=remedy)
    return kind
