"""What README and docs promise about the demo and the world, measured again. Minutes long: ``pytest -m slow``."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.slow
def test_adaptation_without_labels_closes_half_the_gap_and_the_world_is_hard_enough():
    command = [sys.executable, "benchmarks/adaptation.py"]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    lines = [json.loads(line) for line in shown.stdout.splitlines()]
    assert [line["seed"] for line in lines] == [0, 1, 2], shown.stderr
    kept = {line["seed"]: line for line in json.loads((ROOT / "docs" / "measured" / "adaptation.json").read_text())}
    for line in lines:
        assert line["closed"] >= 0.5
        assert line["histogram"] < 30
        assert line["untrained"] < 30
        assert line["with_labels"] > 80
        assert line["histogram"] + 10 < line["before"] < line["with_labels"] - 20
        # Another machine sums in another order; over 20 epochs that moved mAP by less than this.
        assert line["with_labels"] == pytest.approx(kept[line["seed"]]["with_labels"], abs=4)
        assert line["adapted"] == pytest.approx(kept[line["seed"]]["adapted"], abs=6)
