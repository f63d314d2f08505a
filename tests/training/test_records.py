"""Lines of the log and summaries: what is written is read back, and what is damaged is named."""

from __future__ import annotations

import json

import pytest

from reknow.errors import RunError
from reknow.recognizer.evaluation import PercentScores
from reknow.training.records import EpochLine, EvaluationLine, Metrics, StepLine, Summary
from reknow.training.run import Run

SCORES = PercentScores(50.0, None, 60.0, 70.0, 20.0, queries=3, queries_without_match=1, protocol="market")
LINES = (
    EvaluationLine(-1, {"mAP": 50.0, "rank1": None, "queries": 3}),
    EpochLine(0, {"clusters": 4, "purity": 0.5}, ("a note",)),
    StepLine(0, 2, {"loss": 1.5, "loss/contrast": 1.5}, images_per_second=10.0, learning_rate=1e-3),
)


def test_lines_are_read_back_by_kind():
    text = "".join(json.dumps(line.as_json()) + "\n" for line in LINES)
    assert Metrics.read(text, "metrics.jsonl") == Metrics(steps=LINES[2:], epochs=LINES[1:2], evaluations=LINES[:1])


def test_a_line_has_the_names_that_users_read():
    assert list(LINES[2].as_json()) == [
        "kind", "epoch", "step", "loss", "loss/contrast", "images_per_second", "learning_rate",
    ]  # fmt: skip
    assert LINES[1].as_json() == {"kind": "epoch", "epoch": 0, "clusters": 4, "purity": 0.5, "notes": ["a note"]}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"kind": "step", "epo', r"metrics.jsonl, line 2: not JSON \("),
        ('{"kind": "step", "epoch": 0}', "no field 'step'; expected what a run writes"),
        ("3", "no object with the fields of a run"),
        ('{"kind": "rest", "epoch": 0}', "a line of the kind 'rest'; expected step, epoch or evaluation"),
    ],
)
def test_a_line_that_no_run_writes_is_named(line, message):
    with pytest.raises(RunError, match=message):
        Metrics.read(json.dumps(LINES[0].as_json()) + "\n" + line, "metrics.jsonl")


def summary_of(scores):
    return Summary(
        recipe="tcmm", method="TCMM", dataset="folder:x", seed=1, scores=scores, start=scores, score_size=(128, 64),
        intervals={"mAP": [40.0, None]}, seconds=2.0, images_per_second=3.0, peak_memory_gb=1.0, notes=("a note",),
        finished="2026-01-31T12:00:00+0000",
    )  # fmt: skip


def written(folder, scores):
    Run(folder).summarize(summary_of(scores))
    return json.loads((folder / "summary.json").read_text())


@pytest.mark.parametrize("scores", [SCORES, None])
def test_a_summary_is_read_back(tmp_path, scores):
    values = written(tmp_path, scores)
    assert Run(tmp_path).summary() == summary_of(scores)
    assert values["mAP"] == values["start"]["mAP"] == (None if scores is None else 50.0)


def test_a_run_without_a_summary_or_with_half_of_one_says_so(tmp_path):
    with pytest.raises(RunError, match=r"no such file\. Finish the run first"):
        Run(tmp_path).summary()
    for text, message in (
        ('{"recipe": "tcmm"}', "summary.json: no field 'start'"),
        ('{"recipe": "tc', r"summary.json: not JSON \("),
        ("[]", "no object with the fields of a run"),
    ):
        (tmp_path / "summary.json").write_text(text)
        with pytest.raises(RunError, match=message):
            Run(tmp_path).summary()


@pytest.mark.parametrize("name", ["seconds", "seed", "score_size", "notes", "mAP", "recipe"])
def test_a_field_that_a_summary_lacks_is_named(tmp_path, name):
    values = written(tmp_path, SCORES)
    del values[name]
    (tmp_path / "summary.json").write_text(json.dumps(values))
    with pytest.raises(RunError, match=rf"summary.json: no field '{name}'; expected what a run writes"):
        Run(tmp_path).summary()


def test_a_number_that_is_none_is_named(tmp_path):
    values = written(tmp_path, SCORES)
    (tmp_path / "summary.json").write_text(json.dumps({**values, "seconds": "x"}))
    with pytest.raises(RunError, match=r"summary.json, field 'seconds': 'x'; expected a number"):
        Run(tmp_path).summary()
