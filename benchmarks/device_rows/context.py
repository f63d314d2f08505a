"""What every row of the device check gets: the device, whether sizes are small, clocks that wait for a GPU, and memory.

A GPU works through a queue, so a clock that does not wait for its end measures how fast work is handed out. Several
runs are timed as a whole, with one wait at the end, as steps of training follow each other.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from measure import peak_memory

Row = Callable[["Context"], dict[str, object]]
"""Measures something and returns its numbers by name."""

_WARM, _MOST_TIMES, _SECONDS = 2, 20, 1.0  # runs before the clock starts; runs that are timed, at most for this long


@dataclass(frozen=True)
class Context:
    """Where a row runs.

    Attributes:
        device: the GPU, or the CPU.
        quick: whether sizes are so small that the numbers mean nothing.
        deadline: when the whole check must be over, on the clock of `time.perf_counter`.
    """

    device: torch.device
    quick: bool
    deadline: float

    @property
    def seconds_left(self) -> float:
        """Until the deadline; 0 after it."""
        return max(0.0, self.deadline - time.perf_counter())

    def wait(self) -> None:
        """Until the device has done what it was given."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def once(self, work: Callable[[], object]) -> float:
        """Seconds of a single run, without a run before it."""
        self.wait()
        start = time.perf_counter()
        work()
        self.wait()
        return time.perf_counter() - start

    def seconds(self, work: Callable[[], object]) -> float:
        """Mean seconds of runs that follow each other, after some that warm up."""
        for _ in range(1 if self.quick else _WARM):
            work()
        times = 1 if self.quick else max(2, min(_MOST_TIMES, int(_SECONDS / max(self.once(work), 1e-6))))
        return self.once(lambda: [work() for _ in range(times)]) / times

    def peak_megabytes(self, work: Callable[[], object]) -> float:
        """Memory of the device that one run takes beyond what is there before; run `work` once before."""
        if self.device.type != "cuda":
            with peak_memory() as peak:
                work()
            return peak.megabytes
        self.wait()
        torch.cuda.reset_peak_memory_stats(self.device)
        before = torch.cuda.memory_allocated(self.device)
        work()
        self.wait()
        return (torch.cuda.max_memory_allocated(self.device) - before) / 1e6

    def allocated(self) -> dict[str, object]:
        """On a GPU, the peak since the last :meth:`peak_megabytes` with weights and all else: what must fit."""
        if self.device.type != "cuda":
            return {}
        return {"all_megabytes": rounded(torch.cuda.max_memory_allocated(self.device) / 1e6)}


def environment() -> dict[str, str]:
    """For programs that a row starts: the same devices, and no thread more than here."""
    return {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}


def rounded(number: float, digits: int = 4) -> float:
    """A number to this many digits that count.

    Example:
        >>> rounded(1234.567), rounded(0.00123456)
        (1235.0, 0.001235)
    """
    return float(f"{number:.{digits}g}")
