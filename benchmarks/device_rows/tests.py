"""The tests that need a GPU (marker ``cuda``): where they fail, no other number means much."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from device_rows.context import Context, Row, environment

ROOT = Path(__file__).resolve().parents[2]
LIMIT, LAST_LINES = 150.0, 20  # seconds; so that a test that hangs leaves time for the other rows
FILES = ("tests/test_cuda.py", "tests/models/test_contract.py", "tests/data/test_loading.py")


def tests(context: Context) -> dict[str, object]:
    """How many pass, and the names of those that do not."""
    if context.device.type != "cuda":
        return {"skipped": "no CUDA"}
    command = [sys.executable, "-m", "pytest", "-q", "-m", "cuda", "-p", "no:cacheprovider", "--tb=line", *FILES]
    limit = min(LIMIT, context.seconds_left)
    try:
        done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=limit)
    except subprocess.TimeoutExpired:
        return {"failed": f"not done after {limit:.0f} s; run uv run pytest -m cuda by itself"}
    counts = {name: int(count) for count, name in re.findall(r"(\d+) (passed|failed|skipped|error)", done.stdout)}
    wrong = re.findall(r"^(?:FAILED|ERROR) .*$", done.stdout, flags=re.MULTILINE)
    numbers: dict[str, object] = {**counts, "wrong": wrong}
    if done.returncode == 0:
        return numbers
    last = [*done.stdout.splitlines(), *done.stderr.splitlines()][-LAST_LINES:]
    return {**numbers, "failed": f"pytest ended with {done.returncode}", "output": last}


ROWS: dict[str, Row] = {"tests": tests}
