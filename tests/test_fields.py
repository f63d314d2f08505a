"""What may stand in a field: types, bounds, and words for both."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import pytest

from reknow.errors import RecipeError
from reknow.fields import (
    Bounds,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Seed,
    Share,
    ShareBelowOne,
    check_fields,
    misfit,
)


@pytest.mark.parametrize(
    ("hint", "right", "wrong", "words"),
    [
        (PositiveInt, [1, 10**30], [0, -1, 1.0, True, "1", None], "a whole number, 1 or more"),
        (NonNegativeInt, [0], [-1], "a whole number, 0 or more"),
        (PositiveFloat, [1e-30, 3, 1e300], [0, -1e-9, math.nan, math.inf, 10**400, True, "1"], "a number above 0"),
        (Share, [0, 1, 0.5], [-1e-9, 1.0000001, math.nan], "a number, 0 or more and at most 1"),
        (ShareBelowOne, [0, 0.999], [1], "a number, 0 or more and below 1"),
        (Seed, [0, 2**63 - 1], [-1, 2**63], "a whole number, 0 or more and at most 9223372036854775807"),
        (PositiveFloat | None, [None, 1.0], [0.0, "None"], "a number above 0, or None"),
        (PositiveFloat | Literal["auto"], ["auto", 0.5], ["automatic", 0], "a number above 0, or 'auto'"),
        (Literal["sgd", "adam"], ["sgd"], ["lion", None], "'sgd', 'adam'"),
        (Literal[1, 2], [1], [True, 3, 1.0], "1, 2"),
        (tuple[PositiveInt, PositiveInt], [(1, 2)], [(0, 1), (1,), [1, 2]], "2 values, each a whole number, 1 or more"),
        (tuple[Share, ...], [(), (0.5, 1)], [(0.5, 2)], "values, each a number, 0 or more and at most 1"),
        (float, [-1.5, 2], [math.nan, -math.inf], "a number"),
        (bool, [True], [1, "yes"], "True or False"),
    ],
)
def test_values_fit_or_are_told_what_would(hint, right, wrong, words):
    assert all(misfit(value, hint) is None for value in right)
    assert {misfit(value, hint) for value in wrong} == {words}


def test_a_field_is_named_as_on_the_command_line():
    @dataclass(frozen=True)
    class Part:
        weight_decay: float = 0.0

    Part.__annotations__["weight_decay"] = PositiveFloat
    with pytest.raises(RecipeError, match=r"^optimizer.weight_decay: 0.0; .*\(--optimizer.weight-decay\)"):
        check_fields(Part(), "optimizer")
    check_fields(Part(1.0))


def test_bounds_without_an_end_say_nothing_of_it():
    assert str(Bounds(high=3)) == "at most 3"
    assert str(Bounds(-1, 1, above=True, below=True)) == "above -1 and below 1"


def test_a_field_of_any_type_takes_anything():
    assert misfit(object(), Any) is None and misfit(None, Any) is None
