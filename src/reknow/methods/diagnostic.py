"""Diagnostic: a picture that a method wants to be seen beside its run, such as a memory or a histogram of weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reknow.errors import RunError


@dataclass(frozen=True, kw_only=True)
class Diagnostic:
    """One picture.

    Attributes:
        title: its heading; any text, which may stand twice.
        caption: what it shows, in a plain sentence.
        picture: (H, W, 3) uint8 RGB; checked when a run keeps it.
    """

    title: str
    caption: str
    picture: np.ndarray


def check_diagnostics(diagnostics: object, package: str) -> None:
    """Refuse what cannot be drawn.

    Args:
        diagnostics: of a method, which may have made anything.
        package: where the method comes from, for the message.

    Raises:
        RunError: something else than a :class:`Diagnostic`, or a picture that is not (H, W, 3) uint8.
    """
    if not isinstance(diagnostics, Sequence):
        diagnostics = [diagnostics]
    for number, one in enumerate(diagnostics):
        if not isinstance(one, Diagnostic):
            found = f"a {type(one).__name__}"
        elif not (isinstance(one.title, str) and isinstance(one.caption, str)):
            found = f"the title {one.title!r} and the caption {one.caption!r}"
        elif not isinstance(one.picture, np.ndarray):
            found = f"'{one.title}' with a picture of type {type(one.picture).__name__}"
        elif one.picture.dtype != np.uint8 or one.picture.shape[2:] != (3,) or not one.picture.size:
            found = f"'{one.title}' with a picture of {one.picture.dtype} and shape {one.picture.shape}"
        else:
            continue
        raise RunError(
            f"package '{package}', diagnostic {number}",
            found=found,
            expected="a Diagnostic with two texts and a picture of uint8 and shape (height, width, 3)",
            remedy="Correct the method's diagnostics(). The trained recognizer is saved; --resume makes the rest.",
        )
