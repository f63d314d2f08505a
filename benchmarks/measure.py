"""What every benchmark shares: time, peak memory, made embeddings, and the one line that it prints.

A limit is measured in the same run as ours, on the same data and threads, so the ratio means something on any
machine. Nothing here is part of the package.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np

_PAGE = os.sysconf("SC_PAGE_SIZE")
DOCS = Path(__file__).parent.parent / "docs"


def best_seconds(work: Callable[[], object], times: int = 3) -> float:
    """Wall-clock seconds of the fastest of some runs; the first run of all compiles, so run `work` once before."""
    return min(_seconds(work) for _ in range(times))


def alternating_seconds(
    *works: Callable[[], object], times: int = 3, clock: Callable[[], float] = time.perf_counter
) -> list[float]:
    """Best seconds of each, taken in turns, so that a busy moment of the machine does not hit one side alone.

    With `time.process_time` as the clock they are this process's own, all its threads added up.
    """
    rounds = [[_seconds(work, clock) for work in works] for _ in range(times)]
    return [min(taken) for taken in zip(*rounds, strict=True)]


@dataclass
class Peak:
    """Memory that a block of code took beyond what was there before, at its worst moment."""

    megabytes: float = 0.0


@contextmanager
def peak_memory(interval: float = 0.002) -> Iterator[Peak]:
    """Watch this process's resident memory from a thread while the block runs.

    Memory that the process had freed but not given back can hide a part, so measure before timing, not after.
    """
    peak, done, before = Peak(), threading.Event(), _resident()

    def watch() -> None:
        while not done.wait(interval):
            peak.megabytes = max(peak.megabytes, (_resident() - before) / 1e6)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield peak
    finally:
        done.set()
        watcher.join()
        peak.megabytes = max(peak.megabytes, (_resident() - before) / 1e6)


def report(
    benchmark: str,
    *,
    ours: float,
    limit: float,
    allowed: float,
    peak: float | None = None,
    allowed_peak: float | None = None,
    **more: object,
) -> NoReturn:
    """Print one JSON line and leave: exit code 0 where all limits hold, else 1.

    Args:
        benchmark: its name.
        ours, limit: seconds.
        allowed: the largest allowed ratio of the two.
        peak, allowed_peak: megabytes beyond the inputs, where memory has a limit.
        more: further facts for the line, such as sizes.
    """
    ratio = ours / limit
    passed = ratio <= allowed and (peak is None or allowed_peak is None or peak <= allowed_peak)
    line = {
        "benchmark": benchmark,
        "ours_seconds": round(ours, 4),
        "limit_seconds": round(limit, 4),
        "ratio": round(ratio, 3),
        "allowed": allowed,
        "peak_megabytes": None if peak is None else round(peak, 1),
        "allowed_megabytes": allowed_peak,
        "passed": passed,
        **more,
    }
    print(json.dumps(line))
    sys.exit(0 if passed else 1)


def keep(benchmark: str, content: object) -> None:
    """Write what was measured to docs/measured, as JSON."""
    (DOCS / "measured" / f"{benchmark}.json").write_text(json.dumps(content, indent=2) + "\n")


def on_this_machine(benchmark: str, threads: int, load: float) -> dict[str, object]:
    """Where and how something was measured, for the file that keeps it.

    Args:
        benchmark: its name.
        threads: that it computed with.
        load: the machine's load before it began.
    """
    from reknow.machine import machine

    here = machine() | {"threads": threads, "load_average": round(load, 2)}
    return {"command": f"python benchmarks/{benchmark}.py --write", "machine": here}


def arguments(description: str | None, **flags: str) -> argparse.Namespace:
    """The command line of a benchmark: ``--quick``, and one switch for each of `flags` (name: help)."""
    parser = argparse.ArgumentParser(description=(description or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it runs; limits mean less there")
    for name, meaning in flags.items():
        parser.add_argument(f"--{name}", action="store_true", help=meaning)
    return parser.parse_args()


def made_embeddings(rows: int, dim: int, clusters: int, seed: int = 0) -> np.ndarray:
    """(rows, dim) float32 unit vectors around random centers; two of one center have a cosine of about 0.5."""
    generator = np.random.default_rng(seed)
    centers = generator.standard_normal((clusters, dim), dtype=np.float32)
    vectors = generator.standard_normal((rows, dim), dtype=np.float32)
    vectors += centers[generator.integers(clusters, size=rows)]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def _seconds(work: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    start = clock()
    work()
    return clock() - start


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE
