"""Every failure that a user can cause or fix, under one base class.

::

    ReknowError
    ├── DataError         a file, a row or a column of the user's data
    ├── RecipeError       a field of a recipe, or the name of one
    ├── WeightsError      a file of weights
    ├── RunError          a run folder, a checkpoint, a step of training
    ├── RecognizerError   a saved recognizer, or the input that it must embed
    ├── ExportError       a recognizer as a file for other programs
    ├── EvaluationError   an evaluation that the given rows do not allow
    ├── ContractError     a method or another part that breaks a rule of its contract
    └── MissingExtra      an optional dependency that is not installed

A message always says four things, in this order: where, what was found, what was expected, what to do.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable


class ReknowError(Exception):
    """The base class of all errors of this package.

    Args:
        where: the file, row or field, named as the user named it.
        found: what was found there.
        expected: what was expected; empty if `found` says enough.
        remedy: one sentence that says what to do.
    """

    def __init__(self, where: object, *, found: str, expected: str = "", remedy: str) -> None:
        self.where = printable(str(where))
        self.found = printable(found)
        self.expected = printable(expected)
        self.remedy = printable(remedy)
        expectation = f"; expected {self.expected}" if expected else ""
        super().__init__(f"{self.where}: {self.found}{expectation}. {self.remedy}")


class DataError(ReknowError):
    """A file, a row or a column of the user's data cannot be used as it is."""


class RecipeError(ReknowError):
    """A recipe's name or one of its fields is wrong."""


class WeightsError(ReknowError):
    """A file of weights is of another kind or size than required."""


class RunError(ReknowError):
    """A run folder, a checkpoint or a training step failed."""


class RecognizerError(ReknowError):
    """A saved recognizer is damaged, or its input cannot be embedded."""


class ContractError(ReknowError):
    """A method, or another part that this package calls, breaks a rule of its contract."""


class ExportError(ReknowError):
    """A file for other programs could not be made, or does not compute what the recognizer computes."""


class EvaluationError(ReknowError):
    """The given rows do not allow the evaluation."""


class MissingExtra(ReknowError):  # noqa: N818 (the name says what is missing)
    """An optional dependency is not installed.

    Args:
        extra: the name in ``reknow[extra]``.
        purpose: what the user wanted to do.
    """

    def __init__(self, extra: str, purpose: str) -> None:
        super().__init__(
            purpose, found=f"the extra '{extra}' is not installed", remedy=f"Run: pip install 'reknow[{extra}]'"
        )


def printable(text: str) -> str:
    r"""A text that every UTF-8 file and terminal accepts: bytes of a file name that are not UTF-8 are escaped.

    Example:
        >>> printable("caf\udce9.jpg"), printable("café.jpg")
        ('caf\\xe9.jpg', 'café.jpg')
    """
    if text.isascii():
        return text
    try:
        return os.fsencode(text).decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # half of a surrogate pair, which no file name gives; or a system without UTF-8
        return text.encode("utf-8", "backslashreplace").decode()


def nearest(name: str, known: Iterable[str]) -> str:
    """A remedy for a misspelt name: the nearest known one first, then all of them.

    Example:
        >>> nearest("learning_rat", ["learning_rate", "momentum"])
        "Did you mean 'learning_rate'? Known: learning_rate, momentum"
    """
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    listing = f"Known: {', '.join(names)}"
    return f"Did you mean '{close[0]}'? {listing}" if close else listing
