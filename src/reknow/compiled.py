"""Functions that numba compiles, and where they stay compiled.

Compiling takes seconds, so the result is kept beside the source, or in numba's own folder in the user's home. Where
the package is installed read-only and no home may be written, numba refuses the function altogether. Then it is kept
in this package's cache folder, and where that is impossible too it is compiled anew by every process.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
from numba.core import config

from reknow.errors import ReknowError
from reknow.places import cache_folder

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(**options: Any) -> Callable[[Function], Function]:
    """``numba.njit`` with a cache wherever there can be one.

    Args:
        options: of ``numba.njit``.

    Example:
        >>> @compiled(nogil=True)
        ... def double(number):
        ...     return 2 * number
        >>> double(21)
        42
    """

    def compile_with(function: Function) -> Function:
        try:
            return _wrapped(function, {**options, "cache": True})
        except RuntimeError:  # "cannot cache function": neither beside its source nor in the user's home
            return _elsewhere(function, options)

    return compile_with


def _elsewhere(function: Function, options: dict[str, Any]) -> Function:
    settings = config.__dict__  # numba makes them at run time
    before = settings["CACHE_DIR"]
    try:
        settings["CACHE_DIR"] = str(cache_folder() / "compiled")  # read while the function is wrapped, not later
        return _wrapped(function, {**options, "cache": True})
    except (RuntimeError, ReknowError):
        return _wrapped(function, options)
    finally:
        settings["CACHE_DIR"] = before


def _wrapped(function: Function, options: dict[str, Any]) -> Function:
    # To who calls it, the compiled function has the signature that it was written with.
    return cast(Function, numba.njit(**options)(function))
