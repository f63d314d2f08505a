"""Ready for a GPU: one command that runs the tests that need one, and measures and keeps what depends on one.

Run: ``python benchmarks/device.py [--rows NAME ...] [--write | --out FILE]`` on a machine with a GPU. No row begins
after six minutes. ``--quick --device cpu`` runs the same code on a CPU in sizes that mean nothing. The rows are in
``device_rows``, one file for each kind. A row that fails, or needs more memory than the card has, says so, and the
others run.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import torch

from device_rows import ROWS, Context, Row
from reknow.errors import ReknowError
from reknow.machine import machine
from reknow.writing import write_file

KEPT = Path(__file__).resolve().parent.parent / "docs" / "measured" / "device.json"
DRIVER = Path("/proc/driver/nvidia/version")  # torch does not say which it is
BUDGET = 360.0
"""Seconds in which rows begin; what comes later is listed as not run."""


def main() -> int:
    """Check a device; 0 where every row has numbers, 1 where one has none."""
    options = _options()
    device, rows = _device(options.device, options.quick), _chosen(options.rows)
    if options.write and (options.quick or options.rows):
        _refuse("--write keeps a whole check; leave out --quick and --rows, or write elsewhere with --out FILE")
    kept = KEPT if options.write else options.out
    context = Context(device, options.quick, time.perf_counter() + BUDGET)
    command = " ".join(["benchmarks/device.py", *sys.argv[1:]])
    document: dict[str, object] = {**facts(device), "command": command}
    _check_place(kept)
    unwritten = kept is None

    def write(lines: list[dict[str, object]]) -> None:
        nonlocal unwritten
        document["rows"] = lines
        document["interrupted"] = len(lines) < len(rows)
        if kept is None:
            return
        try:
            write_file(kept, json.dumps(document, indent=2) + "\n")
            unwritten = False
        except ReknowError as error:
            unwritten = True
            print(f"device: {error} The result is printed at the end.", file=sys.stderr)

    try:
        lines = carry_out(rows, context, write)
    except KeyboardInterrupt:
        print("device: interrupted; the rows that are done are kept.", file=sys.stderr)
        return 130
    finally:
        if unwritten:
            print(json.dumps(document, indent=2))
    return int(any("failed" in line or "not run" in line for line in lines))


def carry_out(
    rows: Mapping[str, Row], context: Context, write: Callable[[list[dict[str, object]]], None]
) -> list[dict[str, object]]:
    """Run rows one after the other, whatever becomes of one of them.

    Args:
        rows: by name.
        context: where; rows begin until its deadline.
        write: keeps all lines so far, after every row, so that an interruption loses nothing.

    Returns:
        a line for each row: its name, seconds and numbers, or ``failed``, or ``not run``.
    """
    lines: list[dict[str, object]] = []
    for name, row in rows.items():
        line: dict[str, object] = {"row": name}
        started = time.perf_counter()
        if not context.seconds_left:
            line["not run"] = "out of time"
        else:
            line |= _numbers(row, context)
            line["row_seconds"] = round(time.perf_counter() - started, 1)
        lines.append(line)
        write(lines)
        _say(line, context)
        _free(context)
    return lines


def _numbers(row: Row, context: Context) -> dict[str, object]:
    """What a row measured, or why it did not."""
    try:
        return row(context)
    except (torch.OutOfMemoryError, MemoryError) as error:
        return {"failed": f"out of memory: {_first_line(error)}"}
    except Exception as error:  # whatever it is, the other rows run
        return {"failed": f"{type(error).__name__}: {_first_line(error)}"}


def _free(context: Context) -> None:
    """Give back what the row held."""
    gc.collect()
    if context.device.type == "cuda":
        with suppress(RuntimeError):  # an error that broke the GPU's state is raised again here, and in every later row
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()  # the demo reports the whole process's peak


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [""])[0]


def _say(line: Mapping[str, object], context: Context) -> None:
    numbers = ", ".join(f"{name} {value}" for name, value in line.items() if name != "row")
    print(f"{line['row']}: {numbers} ({context.seconds_left:.0f} s left)", file=sys.stderr, flush=True)


def facts(device: torch.device) -> dict[str, object]:
    """The machine: what the numbers depend on."""
    known: dict[str, object] = {**machine(), "threads": torch.get_num_threads()}
    if device.type != "cuda":
        return known
    card = torch.cuda.get_device_properties(device)
    return {
        "GPU": card.name,
        "GPU memory": f"{card.total_memory / 2**30:.1f} GiB",
        "CUDA": torch.version.cuda,
        "cuDNN": torch.backends.cudnn.version(),
        "driver": DRIVER.read_text().splitlines()[0] if DRIVER.is_file() else "unknown",
        "TF32 in convolutions": torch.backends.cudnn.allow_tf32,
        "TF32 in products": torch.backends.cuda.matmul.allow_tf32,
        **{name: fact for name, fact in known.items() if name != "GPU"},
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it runs")
    parser.add_argument("--device", help="cuda, cuda:N or cpu; by default cuda")
    parser.add_argument("--rows", nargs="+", default=[], metavar="NAME", help="only these; NAME/ and what follows")
    kept = parser.add_mutually_exclusive_group()
    kept.add_argument("--write", action="store_true", help="keep the result in docs/measured/device.json")
    kept.add_argument("--out", type=Path, metavar="FILE", help="keep it there; by default it is printed")
    return parser.parse_args()


def _device(name: str | None, quick: bool) -> torch.device:
    """The device that was named, as the only one that this process can use."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    has = f"has {', '.join(f'cuda:{number}' for number in range(count))}" if count else "has no GPU that torch can use"
    on_cpu = "--quick --device cpu runs the check on a CPU, in small sizes"
    try:
        device = torch.device(name or "cuda")
    except RuntimeError:
        _refuse(f"'{name}' is no device; name cuda, cuda:N or cpu")
    if device.type not in ("cuda", "cpu"):
        _refuse(f"'{name}' is not one that this measures; name cuda, cuda:N or cpu")
    if device.type == "cuda" and (device.index or 0) >= count:
        _refuse(f"{f'{name!r} is not there: ' if name else ''}this machine {has}; {on_cpu}")
    if device.type == "cpu" and not quick:
        _refuse(f"whole sizes take a CPU many hours; {on_cpu}")
    if count and (device.type == "cpu" or device.index):
        _alone(device)
    return device if device.type == "cpu" else torch.device("cuda", 0)


def _alone(device: torch.device) -> NoReturn:
    """Start again with this device alone: the training loop and the demo take the first GPU that they see."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES") or ",".join(map(str, range(torch.cuda.device_count())))
    alone = "" if device.type == "cpu" else visible.split(",")[device.index]
    renamed = ["--device", "cpu" if device.type == "cpu" else "cuda"]  # the last of two counts
    command = [sys.executable, __file__, *sys.argv[1:], *renamed]
    os.execve(sys.executable, command, {**os.environ, "CUDA_VISIBLE_DEVICES": alone})


def _chosen(names: list[str]) -> dict[str, Row]:
    """The rows of these names, or whose names begin with one and a slash; without names all."""
    for name in names:
        if not any(row == name or row.startswith(f"{name}/") for row in ROWS):
            _refuse(f"no row '{name}'; the rows are {', '.join(ROWS)}")
    return {
        row: work for row, work in ROWS.items() if not names or any(f"{row}/".startswith(f"{name}/") for name in names)
    }


def _check_place(kept: Path | None) -> None:
    """Refuse a file that cannot be written before anything is measured."""
    if kept is None:
        return
    if kept.is_dir():
        _refuse(f"{kept} is a folder; add a file's name to it")
    if not kept.parent.is_dir():
        _refuse(f"{kept.parent} is no folder; make it first")
    try:
        with tempfile.TemporaryFile(dir=kept.parent):
            pass
    except OSError as error:
        _refuse(f"{kept} cannot be written ({error.strerror}); name another file with --out")


def _refuse(sentence: str) -> NoReturn:
    print(f"device: {sentence}.", file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    sys.exit(main())
