"""Rows in chunks over threads, for compiled kernels that release the interpreter's lock.

Plain threads instead of numba's own parallel loops: those compile for seconds more, and their default engine ends the
process when two threads enter it at once, as a service does. As many threads as the neighbor search uses, so
``OMP_NUM_THREADS`` limits both.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import faiss

Result = TypeVar("Result")

# Eight chunks a thread: dense rows come in runs (one camera, one hub), and a late thread should wait for an eighth.
_CHUNKS_PER_THREAD = 8


def in_chunks(rows: int, work: Callable[[int, int], Result]) -> list[Result]:
    """``work(first, last)`` for consecutive ranges that cover ``range(rows)``; the results in order.

    Example:
        >>> sum(in_chunks(1000, lambda first, last: last - first))
        1000
    """
    threads = faiss.omp_get_max_threads()
    # Below some hundred rows a chunk costs more to hand out than to do.
    size = max(128, -(-rows // (threads * _CHUNKS_PER_THREAD)))
    firsts = range(0, rows, size)
    if threads == 1 or len(firsts) < 2:
        return [work(first, min(first + size, rows)) for first in firsts]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda first: work(first, min(first + size, rows)), firsts))
