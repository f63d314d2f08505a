"""The values that a field may have: its type, and the bounds that its type states.

With a number that makes no sense, a recipe fails late or not at all: a learning rate of -1 increases the loss, -2
iterations train nothing. So the dataclasses of a recipe state what their fields may hold, and check it when they are
made::

    @dataclass(frozen=True)
    class Optimizer:
        lr: PositiveFloat = 3.5e-4
        clip: PositiveFloat | None = None

        def __post_init__(self) -> None:
            check_fields(self, "optimizer")

Numbers that are not finite are refused in every field.
"""

from __future__ import annotations

import dataclasses
import math
import sys
from dataclasses import dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from reknow.errors import RecipeError


@dataclass(frozen=True)
class Bounds:
    """The bounds of a number.

    Attributes:
        low: the smallest, which itself is allowed unless `above` is set.
        high: the largest, which itself is allowed unless `below` is set.
        above: whether the number must be above `low`.
        below: whether it must be below `high`.
    """

    low: int | float = -math.inf
    high: int | float = math.inf
    above: bool = False
    below: bool = False

    def hold(self, number: int | float) -> bool:
        """Whether a number lies between them."""
        return (number > self.low if self.above else number >= self.low) and (
            number < self.high if self.below else number <= self.high
        )

    def __str__(self) -> str:
        low = f"above {self.low}" if self.above else f"{self.low} or more"
        high = f"below {self.high}" if self.below else f"at most {self.high}"
        return " and ".join(words for words, edge in ((low, self.low), (high, self.high)) if math.isfinite(edge))


PositiveInt = Annotated[int, Bounds(1)]
NonNegativeInt = Annotated[int, Bounds(0)]
PositiveFloat = Annotated[float, Bounds(0, above=True)]
NonNegativeFloat = Annotated[float, Bounds(0)]
Share = Annotated[float, Bounds(0, 1)]
"""A probability, or a part of a whole; both ends are allowed."""

ShareBelowOne = Annotated[float, Bounds(0, 1, below=True)]
PositiveShare = Annotated[float, Bounds(0, 1, above=True)]
Seed = Annotated[int, Bounds(0, 2**63 - 1)]
"""A seed that numpy and torch both accept: numpy refuses negative ones, torch those beyond 64 bits."""


_LARGEST = sys.float_info.max


def check_fields(value: Any, place: str = "") -> None:
    """Refuse a dataclass value with a field of another type, or outside its bounds; called when it is made.

    Args:
        value: the dataclass value.
        place: its path in a recipe, such as ``optimizer``; errors name fields as on the command line.

    Raises:
        RecipeError: names the field, what it holds and what it may hold.
    """
    for name, hint in _hints(type(value)).items():
        field_value = getattr(value, name)
        expected = misfit(field_value, hint)
        if expected is not None:
            raise refused(f"{place}.{name}" if place else name, field_value, expected)


def refused(field: str, found: Any, expected: str) -> RecipeError:
    """The error for a value that a recipe's field cannot hold; the field is named by its path in the recipe."""
    option = field.replace("_", "-")
    return RecipeError(field, found=repr(found), expected=expected, remedy=f"Correct the value (--{option}).")


@cache
def _hints(kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind, include_extras=True)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def fits(value: Any, hint: Any) -> bool:
    """Whether a field of this type may have this value; covers the types that recipes use and accepts all others."""
    return misfit(value, hint) is None


def misfit(value: Any, hint: Any) -> str | None:
    """What a field of this type may hold, in words, if it may not hold this value; else None.

    Example:
        >>> misfit(-1, PositiveInt), misfit(3, PositiveInt), misfit(float("nan"), float | None)
        ('a whole number, 1 or more', None, 'a number, or None')
    """
    return None if _fits(value, hint) else _words(hint)


def _fits(value: Any, hint: Any) -> bool:
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _fits(value, inner[0]) and all(bounds.hold(value) for bounds in inner[1:] if isinstance(bounds, Bounds))
    if origin in (Union, UnionType):
        return any(_fits(value, choice) for choice in inner)
    if origin is Literal:
        return any(value == choice and type(value) is type(choice) for choice in inner)
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        if len(inner) == 2 and inner[1] is Ellipsis:
            return all(_fits(item, inner[0]) for item in value)
        return len(value) == len(inner) and all(_fits(item, kind) for item, kind in zip(value, inner, strict=True))
    if hint is Any:
        return True
    if hint is None or hint is NoneType:
        return value is None
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and -_LARGEST <= value <= _LARGEST
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint) if isinstance(hint, type) and origin is None else True


def _words(hint: Any) -> str:
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        bounds = [str(bound) for bound in inner[1:] if isinstance(bound, Bounds)]
        return ", ".join([_words(inner[0]), *bounds]).replace("number, above", "number above")
    if origin in (Union, UnionType):
        return ", or ".join(_words(choice) for choice in inner)
    if origin is Literal:
        return ", ".join(repr(choice) for choice in inner)
    if origin is tuple:
        if len(inner) == 2 and inner[1] is Ellipsis:
            return f"values, each {_words(inner[0])}"
        return f"{len(inner)} values, each {'; '.join(dict.fromkeys(_words(kind) for kind in inner))}"
    named = {int: "a whole number", float: "a number", bool: "True or False", str: "text", NoneType: "None"}
    return named.get(hint) or str(getattr(hint, "__name__", hint))
