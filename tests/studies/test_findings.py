"""The table says what differs and how sure it is; the JSON holds every number and no NaN."""

from __future__ import annotations

import json

import numpy as np

from reknow.evaluation.intervals import Interval
from reknow.studies.findings import Findings, Row


def findings(seeds: int = 3) -> Findings:
    base = Row(
        variant="base",
        change={},
        differs={},
        numbers={"mAP": np.arange(70.0, 70 + seeds), "clusters": np.full(seeds, 140.0)},
    )
    better = Row(
        variant="better",
        change={"method.alpha": 0.25},
        differs={"method.alpha": 0.25, "method.type": "reknow.methods.tcmm.method.TCMMConfig"},
        numbers={"mAP": np.arange(72.0, 72 + seeds), "purity": np.full(seeds, 0.8125)},
        difference={"mAP": Interval(1.5, 2.5, 2.0) if seeds > 1 else Interval(np.nan, np.nan, 2.0)},
        over_queries=Interval(-0.5, 4.5, 2.0),
    )
    return Findings(
        study="made",
        question="Is it better?",
        columns=("mAP", "clusters", "purity"),
        scale="quick",
        seeds=tuple(range(1, seeds + 1)),
        base={},
        rows=(base, better),
        measurements={"memory": [{"memory": "full", "rows": 10_000, "seconds": 0.01234}]},
        about={"memory": "What a step costs."},
        machines=[{"CPU": "2 cores"}],
    )


def cells(findings: Findings, variant: str) -> list[str]:
    line = next(line for line in findings.as_markdown().splitlines() if line.startswith(f"| {variant} "))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_a_row_reads_mean_spread_and_both_intervals():
    assert cells(findings(), "base") == ["base", "", "71.0 ± 1.0", "140 ± 0.000", "-", "", "", ""]
    assert cells(findings(), "better") == [
        "better", "alpha 0.25, method TCMM", "73.0 ± 1.0", "-", "0.812 ± 0.000", "+2.0", "[+1.5, +2.5]", "[-0.5, +4.5]",
    ]  # fmt: skip


def test_one_seed_shows_no_spread_and_no_interval_over_seeds():
    assert cells(findings(1), "better")[2:] == ["72.0", "-", "0.812", "+2.0", "", "[-0.5, +4.5]"]
    assert "One seed (1)" in findings(1).as_markdown()


def test_the_table_says_how_to_read_itself():
    text = findings().as_markdown()
    assert "Is it better?" in text
    assert "3 seeds" in text
    assert "Differences are to 'base'" in text
    assert "| full   | 10,000 | 0.0123  |" in text


def test_the_json_holds_every_run_and_knows_no_nan():
    content = json.loads(json.dumps(findings(1).as_json(), allow_nan=False))
    better = content["rows"][1]
    assert better["runs"]["mAP"] == [72.0]
    assert better["spread"]["mAP"] is None
    assert better["difference_over_seeds"]["mAP"] == {"mean": 2.0, "low": None, "high": None}
    assert content["measurements"]["memory"][0]["rows"] == 10_000
