"""Functions that numba compiles, where their compiled code is kept, and threads that share their rows.

Compiling takes seconds, so numba keeps the result beside the source, or in its own folder in the user's home. If the
package is installed read-only and the home cannot be written, numba refuses to cache. The result is then kept in this
package's cache folder. If that is impossible too, every process compiles the function again.

Rows are shared among plain threads, for kernels that release the interpreter's lock. numba's own parallel loops compile
for seconds more, and their default engine ends the process when two threads enter it at once, as in a service. As many
threads run as in the neighbor search, so ``OMP_NUM_THREADS`` limits both.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar, cast

import numba
from numba.core import config

from reknow.errors import ReknowError
from reknow.places import cache_folder

Function = TypeVar("Function", bound=Callable[..., Any])
Result = TypeVar("Result")

# Eight chunks a thread: dense rows come in runs (one camera, one hub), and others should wait at most an eighth of a
# thread's work for the last thread.
_CHUNKS_PER_THREAD = 8


def compiled(**options: Any) -> Callable[[Function], Function]:
    """``numba.njit`` with a cache if one is possible.

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
    # Unwrapped, since numba cannot compile what checks shapes in the tests. The compiled function is called with the
    # signature of the Python function.
    return cast(Function, numba.njit(**options)(inspect.unwrap(function)))


def in_chunks(rows: int, work: Callable[[int, int], Result]) -> list[Result]:
    """``work(first, last)`` for consecutive ranges that cover ``range(rows)``; the results in order.

    Example:
        >>> sum(in_chunks(1000, lambda first, last: last - first))
        1000
    """
    import faiss  # only here: modules that compile a function without sharing rows need no faiss

    threads = faiss.omp_get_max_threads()
    # A chunk of less than some hundred rows takes longer to hand out than to compute.
    size = max(128, -(-rows // (threads * _CHUNKS_PER_THREAD)))
    firsts = range(0, rows, size)
    if threads == 1 or len(firsts) < 2:
        return [work(first, min(first + size, rows)) for first in firsts]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda first: work(first, min(first + size, rows)), firsts))
