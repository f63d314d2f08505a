"""The device check runs before anybody has a card: in small sizes on a CPU, with wrong input, with a row that fails."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from reknow.errors import RunError
from reknow.methods.catalog import METHODS

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def device(monkeypatch):
    """The module ``benchmarks/device.py``."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("device")


def test_every_row_runs_on_a_cpu(tmp_path):
    out = tmp_path / "device.json"
    command = [sys.executable, "benchmarks/device.py", "--quick", "--device", "cpu", "--out", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    kept = json.loads(out.read_text())
    assert {"GPU", "CPU", "torch", "threads", "written", "command"} <= kept.keys()
    rows = {line["row"]: line for line in kept["rows"]}
    assert rows["tests"]["skipped"] == "no CUDA"
    assert not [row for row, line in rows.items() if "failed" in line]
    assert {row.split("/")[1] for row in rows if row.startswith("steps/")} == set(METHODS)
    assert rows["steps/tcmm/bf16"]["whole_over_bare"] > 0 and rows["pseudo_labels/1000000"]["clusters"] > 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--device", "cuda:99"], r"device: 'cuda:99' is not there: this machine has .+ --quick --device cpu .+\."),
        (["--device", "somewhere"], r"device: 'somewhere' is no device; name cuda, cuda:N or cpu\."),
        (["--device", "cpu"], r"device: whole sizes take a CPU many hours; --quick --device cpu .+\."),
        (["--quick", "--device", "cpu", "--rows", "stairs"], r"device: no row 'stairs'; the rows are tests, .+\."),
        (["--quick", "--device", "cpu", "--write"], r"device: --write keeps a whole check; leave out .+\."),
    ],
)
def test_wrong_input_is_refused_in_a_sentence(device, monkeypatch, capsys, arguments, sentence):
    monkeypatch.setattr(sys, "argv", ["device.py", *arguments])
    with pytest.raises(SystemExit) as left:
        device.main()
    assert left.value.code == 2
    assert re.fullmatch(sentence + "\n", capsys.readouterr().err)


def test_a_row_that_needs_too_much_memory_says_so_and_the_others_run(device):
    def too_large(context):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 TiB.\nMore about it")

    def wrong(context):
        raise ValueError("of its own")

    rows = {"large": too_large, "wrong": wrong, "small": lambda context: {"seconds": 1.0}}
    context = device.Context(torch.device("cpu"), True, time.perf_counter() + 60)
    written = []
    lines = device.carry_out(rows, context, lambda lines: written.append([line["row"] for line in lines]))
    assert lines[0]["failed"] == "out of memory: CUDA out of memory. Tried to allocate 2.00 TiB."
    assert lines[1]["failed"] == "ValueError: of its own" and lines[2]["seconds"] == 1.0
    assert written == [["large"], ["large", "wrong"], ["large", "wrong", "small"]]


def test_a_row_that_would_begin_too_late_is_not_run(device):
    context = device.Context(torch.device("cpu"), True, time.perf_counter() - 1)
    (line,) = device.carry_out({"late": lambda context: {}}, context, lambda lines: None)
    assert line == {"row": "late", "not run": "out of time"}


def test_rows_are_named_one_by_one_or_by_their_kind(device):
    assert list(device._chosen(["pseudo_labels/12936", "steps"]))[-1] == "pseudo_labels/12936"
    assert len(device._chosen(["steps"])) == 2 * len(METHODS)
    assert device._chosen([]) == device.ROWS


def test_a_place_that_cannot_be_written_is_refused_before_anything_is_measured(device, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(device, "carry_out", lambda *_: pytest.fail("measured"))
    (tmp_path / "file").touch()
    for place, says in (
        (tmp_path, "is a folder; add a file's name to it"),
        (tmp_path / "missing" / "x.json", "is no folder; make it first"),
        (tmp_path / "file" / "x.json", "is no folder; make it first"),
    ):
        monkeypatch.setattr(sys, "argv", ["device.py", "--quick", "--device", "cpu", "--out", str(place)])
        with pytest.raises(SystemExit) as left:
            device.main()
        said = capsys.readouterr().err
        assert left.value.code == 2 and said.startswith("device: ") and says in said
    assert {path.name for path in tmp_path.iterdir()} == {"file"}


def test_rows_are_printed_where_the_disk_fills_up(device, monkeypatch, capsys, tmp_path):
    def full(path, text):
        raise RunError(path, found="cannot be written", remedy="Free space.")

    monkeypatch.setattr(device, "write_file", full)
    monkeypatch.setattr(device, "ROWS", {"small": lambda context: {"seconds": 1.0}})
    monkeypatch.setattr(sys, "argv", ["device.py", "--quick", "--device", "cpu", "--out", str(tmp_path / "x.json")])
    assert device.main() == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["rows"][0]["seconds"] == 1.0
    assert "device: " in printed.err and "Traceback" not in printed.err


def test_an_interrupted_check_keeps_the_rows_that_are_done(device, monkeypatch, tmp_path):
    def interrupted(context):
        raise KeyboardInterrupt

    monkeypatch.setattr(device, "ROWS", {"small": lambda context: {"seconds": 1.0}, "long": interrupted})
    monkeypatch.setattr(sys, "argv", ["device.py", "--quick", "--device", "cpu", "--out", str(tmp_path / "x.json")])
    assert device.main() == 130
    kept = json.loads((tmp_path / "x.json").read_text())
    assert [line["row"] for line in kept["rows"]] == ["small"] and kept["interrupted"]
