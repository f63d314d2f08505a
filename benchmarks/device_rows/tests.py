"""The tests that need a GPU (marker ``cuda``): where they fail, no other number means much."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from device_rows.context import Context, Row, environment

ROOT = Path(__file__).resolve().parents[2]
FILES = ("tests/test_cuda.py", "tests/models/test_contract.py", "tests/data/test_loading.py")


def tests(context: Context) -> dict[str, object]:
    """How many pass, and the names of those that do not."""
    if context.device.type != "cuda":
        return {"skipped": "no CUDA"}
    command = [sys.executable, "-m", "pytest", "-q", "-m", "cuda", "-p", "no:cacheprovider", "--tb=line", *FILES]
    done = subprocess.run(
        command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=context.seconds_left
    )
    counts = {name: int(count) for count, name in re.findall(r"(\d+) (passed|failed|skipped|error)", done.stdout)}
    wrong = re.findall(r"^(?:FAILED|ERROR) .*$", done.stdout, flags=re.MULTILINE)
    numbers: dict[str, object] = {**counts, "wrong": wrong}
    return numbers if done.returncode == 0 else {**numbers, "failed": f"pytest ended with {done.returncode}"}


ROWS: dict[str, Row] = {"tests": tests}
