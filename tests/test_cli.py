"""The command line, as a user meets it: exit codes, messages, JSON, files."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from reknow import cli
from reknow.methods import recipe as recipe_module
from reknow.methods.cluster_contrast import recipes as cluster_recipes


@pytest.fixture
def reknow(capsys, tmp_path, monkeypatch):
    """Run a command in an empty folder: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        try:
            code = cli.main([str(argument) for argument in arguments])
        except SystemExit as stop:
            code = stop.code
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


@pytest.fixture
def tiny_recipe(tiny, monkeypatch):
    """Make ``cluster_contrast`` the tiny recipe."""
    known = {"cluster_contrast": lambda: replace(tiny, name="cluster_contrast")}
    monkeypatch.setattr(recipe_module, "recipes", lambda: known)


def test_own_pictures_from_training_to_groups(reknow, crops, tiny_recipe, tmp_path):
    code, out, err = reknow("train", "cluster_contrast", "--data", f"folder:{crops}", "--out", "run", "--json")
    assert code == 0, err
    summary = json.loads(out)
    assert summary["run"] == "run"
    assert (tmp_path / "run" / "report.html").stat().st_size > 10_000
    code, out, _ = reknow("embed", "run", "--data", f"folder:{crops}", "--json")
    assert code == 0
    assert json.loads(out)["pictures"] == 48
    code, out, _ = reknow("cluster", "embeddings.parquet", "--k1", "8", "--min-samples", "2", "--json")
    assert code == 0
    rows = list(csv.DictReader((tmp_path / "groups.csv").read_text().splitlines()))
    assert len(rows) == 48
    assert {row["image"] for row in rows} == {path.name for path in crops.iterdir()}
    assert len({row["group"] for row in rows} - {"-1"}) == json.loads(out)["groups"]
    labelled = rf"folder:{crops}?identity_pattern=(person\d+)&camera=_c(\d)_"
    code, out, _ = reknow("evaluate", "run", "--data", labelled, "--rerank", "--out", "scores", "--json")
    assert code == 0
    numbers = json.loads(out)
    assert 0 < numbers["mAP"] <= 100
    assert numbers["intervals"]["mAP"][0] <= numbers["mAP"] <= numbers["intervals"]["mAP"][1]
    assert 0 < numbers["reranked"]["mAP"] <= 100
    assert (tmp_path / "scores" / "report.html").is_file()
    assert json.loads((tmp_path / "scores" / "scores.json").read_text()) == numbers


def test_a_field_is_replaced_and_written_into_the_run(reknow, crops, tiny_recipe, tmp_path):
    code, _, err = reknow(
        "train", "cluster_contrast", "--data", f"folder:{crops}", "--out", "run",
        "--epochs", "1", "--optimizer.lr", "1e-4", "--method.clustering.eps", "auto",
    )  # fmt: skip
    assert code == 0, err
    text = (tmp_path / "run" / "recipe.yaml").read_text()
    assert "epochs: 1\n" in text
    assert "lr: 0.0001" in text
    assert "eps: auto" in text


def test_a_misspelt_field_is_refused_with_the_nearest(reknow, crops, tiny_recipe, tmp_path):
    code, _, err = reknow("train", "cluster_contrast", "--data", f"folder:{crops}", "--optimizer.lrr", "1")
    assert code == 2
    assert "--optimizer.lr" in err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["train", "cluster_contrst", "--data", "folder:x"], "Did you mean 'cluster_contrast'"),
        (["train", "cluster_contrast"], "--data"),
        (["train", "cluster_contrast", "--data", "folder:nowhere"], "nowhere"),
        (["train", "--resume", "nowhere"], "no recipe.yaml"),
        (["embed", "nowhere", "--data", "folder:x"], "no recognizer.json"),
        (["cluster", "nothing.parquet"], "no such file"),
        (["data", "show", "foldr:x"], "Did you mean 'folder'"),
        (["data", "check", "folder:nowhere"], "nowhere"),
    ],
)
def test_what_is_wrong_is_one_line_and_exit_code_2(reknow, arguments, says, tmp_path):
    code, out, err = reknow(*arguments)
    assert code == 2
    assert out == ""
    assert says in err
    assert "Traceback" not in err
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten(reknow, crops, tmp_path):
    (tmp_path / "embeddings.parquet").write_text("mine")
    code, _, err = reknow("embed", "shipped", "--data", f"folder:{crops}")
    assert code == 2
    assert "already exists" in err
    assert (tmp_path / "embeddings.parquet").read_text() == "mine"


def test_an_empty_folder_says_so(reknow, tmp_path):
    (tmp_path / "empty").mkdir()
    code, _, err = reknow("data", "show", "folder:empty")
    assert code == 2
    assert "empty" in err


def test_the_doctor_exits_1_on_errors(reknow, crops):
    (crops / "person0_c0_0.jpg").write_text("not a picture")
    code, out, _ = reknow("data", "check", f"folder:{crops}", "--json")
    assert code == 1
    report = json.loads(out)
    assert any(
        "person0_c0_0.jpg" in finding["where"] or "person0_c0_0.jpg" in finding["message"]
        for finding in report["findings"]
    )


def test_import_writes_a_table_that_reads_back(reknow, crops, tmp_path):
    assert reknow("data", "import", f"folder:{crops}", "--out", "rows.csv")[0] == 0
    code, out, _ = reknow("data", "show", "table:rows.csv", "--json")
    assert code == 0
    assert "48" in out
    assert reknow("data", "import", f"folder:{crops}", "--out", "rows.csv")[0] == 2


@pytest.mark.parametrize("command", [[], ["train"], ["embed"], ["cluster"], ["evaluate"], ["data", "check"], ["demo"]])
def test_help_says_what_a_newcomer_needs(reknow, command):
    code, out, _ = reknow(*command, "--help")
    assert code == 0
    assert "usage" in out.lower()
    assert len(out.splitlines()) >= 5


def test_every_recipe_is_listed_with_its_status(reknow):
    code, out, _ = reknow("recipes", "--json")
    assert code == 0
    listed = {row["recipe"]: row for row in json.loads(out)["recipes"]}
    assert listed["cluster_contrast/market1501"]["status"] == "not yet reproduced"
    assert listed["cluster_contrast"]["about"] == cluster_recipes.own_data.__doc__


def test_importing_the_package_takes_less_than_a_second():
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import reknow, sys; assert 'torch' not in sys.modules"], check=True)
    assert time.perf_counter() - start < 1.0
