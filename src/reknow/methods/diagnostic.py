"""Diagnostic: a picture of a method's own for the run's report, such as a memory or a histogram of weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reknow.errors import RunError


@dataclass(frozen=True, kw_only=True)
class Diagnostic:
    """One picture.

    Attributes:
        title: its heading; any text. Two diagnostics may have the same title.
        caption: what it shows, in a plain sentence.
        picture: (H, W, 3) uint8 RGB; checked before a run stores it.
    """

    title: str
    caption: str
    picture: np.ndarray


def check_diagnostics(diagnostics: object, package: str) -> None:
    """Refuse diagnostics that cannot be drawn.

    Args:
        diagnostics: the return value of a method's ``diagnostics()``, of any type.
        package: that the method belongs to, for the message.

    Raises:
        RunError: something else than a :class:`Diagnostic`, or a picture that is not (H, W, 3) uint8.
    """
    if not isinstance(diagnostics, Sequence):
        diagnostics = [diagnostics]
    for number, diagnostic in enumerate(diagnostics):
        if not isinstance(diagnostic, Diagnostic):
            problem = f"a {type(diagnostic).__name__}"
        elif not (isinstance(diagnostic.title, str) and isinstance(diagnostic.caption, str)):
            problem = f"the title {diagnostic.title!r} and the caption {diagnostic.caption!r}"
        elif not isinstance(picture := diagnostic.picture, np.ndarray):
            problem = f"'{diagnostic.title}' with a picture of type {type(picture).__name__}"
        elif picture.dtype != np.uint8 or picture.shape[2:] != (3,) or not picture.size:
            problem = f"'{diagnostic.title}' with a picture of {picture.dtype} and shape {picture.shape}"
        else:
            continue
        raise RunError(
            f"package '{package}', diagnostic {number}",
            found=problem,
            expected="a Diagnostic with two texts and a picture of uint8 and shape (height, width, 3)",
            remedy="Correct the method's diagnostics(). The trained recognizer is saved; --resume makes the rest.",
        )
