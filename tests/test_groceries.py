"""The example of real photographs: what its page says to do is done on a few of them, training included."""

from __future__ import annotations

import csv
import json
import re
import shlex
from pathlib import Path

import pytest
from PIL import Image

from reknow import cli

ROOT = Path(__file__).resolve().parent.parent
GROCERIES = ROOT / "examples/groceries"
PAGE = (ROOT / "docs/tasks/groceries.md").read_text(encoding="utf-8")
MEASURED = json.loads((ROOT / "docs/measured/groceries.json").read_text(encoding="utf-8"))


def test_the_folder_holds_what_its_readme_says():
    pictures = sorted(GROCERIES.rglob("*.jpg"))
    assert sum(path.stat().st_size for path in GROCERIES.rglob("*") if path.is_file()) < 8_000_000
    assert "MIT License" in (GROCERIES / "LICENSE").read_text(encoding="utf-8")
    for path in pictures:
        with Image.open(path) as picture:
            assert (picture.format, max(picture.size)) == ("JPEG", 128), path
    counted = {split: len([path for path in pictures if split in path.parts]) for split in ("train", "test")}
    products = {path.parent.name for path in pictures}
    readme = (GROCERIES / "README.md").read_text(encoding="utf-8")
    assert f"{len(pictures):,} real photographs of {len(products)} packaged products" in readme
    for split, count in counted.items():
        assert f"`{split}/PRODUCT/*.jpg` ({count})" in readme


def test_the_commands_of_the_page_lead_from_the_folder_to_groups_and_scores(
    few_groceries: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "examples").mkdir()
    (tmp_path / "examples/groceries").symlink_to(few_groceries)
    monkeypatch.chdir(tmp_path)
    for line in re.findall(r"^reknow (.*)$", PAGE, flags=re.MULTILINE):
        arguments = shlex.split(line)
        if arguments[0] == "train":
            arguments[arguments.index("--epochs") + 1] = "1"
            arguments += ["--iterations", "1", "--sampling.batch-size", "8"]
        assert cli.main(arguments) == 0, f"{line}\n{capsys.readouterr().err}"
    assert "24 queries" in capsys.readouterr().out
    with Path("groups.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 24
    with Image.open("groceries_ranks.png") as sheet:
        assert sheet.width > 500
    run = json.loads(Path("runs/groceries/summary.json").read_text())
    assert run["mAP"] is None  # training had no label


def test_the_page_quotes_what_was_measured():
    quoted = [dict(re.findall(r"^ *(\w+) +(\d+\.\d)\b", block, re.MULTILINE)) for block in blocks("text")]
    before, after = [scores for scores in quoted if "mAP" in scores]
    assert {name: float(value) for name, value in before.items()} == MEASURED["shipped"]
    first = MEASURED["seeds"]["1"]
    assert {name: float(value) for name, value in after.items()} == {name: first[name] for name in after}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
