"""Explaining a run, as a user meets it. ``explain tokens`` is tested beside its parts, in tests/explain."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from PIL import Image

from reknow.models.embedder import EmbedderConfig
from reknow.models.osnet import OSNetConfig
from reknow.recognizer import Card, Recognizer
from reknow.training.run import Run


def test_ranks_are_drawn_and_told(reknow, crops, tiny_recipe, tmp_path):
    assert reknow("train", "cluster_contrast", "--data", f"folder:{crops}", "--out", "run")[0] == 0
    labelled = rf"folder:{crops}?identity_pattern=(person\d+)&camera=_c(\d)_"
    code, out, err = reknow("explain", "ranks", "run", "--data", labelled, "--count", "1", "--json")
    assert code == 0, err
    facts = json.loads(out)
    assert [row["kind"] for row in facts["queries_shown"]] == ["best", "typical", "worst"]
    assert {found["observation"] for row in facts["queries_shown"] for found in row["found"]} <= {
        path.name for path in crops.iterdir()
    }
    with Image.open(tmp_path / facts["file"]) as sheet:
        assert sheet.format == "PNG" and sheet.height > sheet.width / 2
    code, out, _ = reknow("explain", "ranks", "run", "--data", labelled, "--out", "again.png")
    assert out.splitlines()[-1] == "sheet: again.png" and out.count("of 10 match") == 6


def test_ranks_need_identities_and_a_new_file(reknow, crops, tiny_recipe, tmp_path):
    assert reknow("train", "cluster_contrast", "--data", f"folder:{crops}", "--out", "run")[0] == 0
    code, _, err = reknow("explain", "ranks", "run")
    assert code == 2 and "identit" in err
    assert not (tmp_path / "ranks.png").exists()
    (tmp_path / "ranks.png").write_text("mine")
    code, _, err = reknow("explain", "ranks", "run")
    assert code == 2 and "already exists" in err
    assert (tmp_path / "ranks.png").read_text() == "mine"


def test_no_queries_at_all_are_refused(reknow, crops, tiny_recipe, tmp_path):
    assert reknow("train", "cluster_contrast", "--data", f"folder:{crops}", "--out", "run")[0] == 0
    labelled = rf"folder:{crops}?identity_pattern=(person\d+)&camera=_c(\d)_"
    code, _, err = reknow("explain", "ranks", "run", "--data", labelled, "--count", "0")
    assert code == 2 and "--count: 0; expected 1 or more" in err
    assert not (tmp_path / "ranks.png").exists()


# --- Attention --------------------------------------------------------------------------------------------------------

WORLD = "world:target?train_identities=2&test_identities=2&occlusion=0.5"


@pytest.fixture
def runs(tiny, tmp_path):
    """Finished runs, without the training: two transformers, a convolutional network, and other data."""
    convolutional = EmbedderConfig(trunk=OSNetConfig())
    for name, changes in (
        ("baseline", {}),
        ("rib", {"seed": 1}),
        ("osnet", {"network": convolutional}),
        ("other", {"data": WORLD.replace("0.5", "0.1")}),
    ):
        recipe = replace(tiny, **{"data": WORLD, **changes})
        run = Run.create(tmp_path / name, recipe)
        torch.manual_seed(recipe.seed)
        network = recipe.network.build()
        Recognizer(recipe.network, network, recipe.preprocessing, Card(name=name), "cpu").save(
            run.folder / "recognizer"
        )
    (tmp_path / "unfinished").mkdir()
    (tmp_path / "unfinished" / "recipe.yaml").write_text((tmp_path / "rib" / "recipe.yaml").read_text())
    (tmp_path / "empty").mkdir()


def test_attention_of_two_runs_is_drawn_and_told(reknow, runs, tmp_path):
    code, out, err = reknow("explain", "attention", "baseline", "rib", "--occluded", "--count", "2", "--json")
    assert code == 0, err
    facts = json.loads(out)
    assert [run["run"] for run in facts["runs"]] == ["baseline", "rib"]
    assert facts["observations"] == facts["occluded"] > 0 and facts["notes"] == []
    first, second = (run["on_object"] for run in facts["runs"])
    assert 0 <= first["low"] <= first["mean"] <= first["high"] <= 100
    assert facts["change"]["mean"] == pytest.approx(second["mean"] - first["mean"], abs=1e-5)
    with Image.open(tmp_path / facts["file"]) as sheet:
        assert sheet.format == "PNG" and facts["file"] == "attention.png"
    code, out, _ = reknow("explain", "attention", "osnet", "--layer", "conv3", "--out", "osnet.png")
    assert code == 0 and "osnet: class activation of stage 'conv3', 2 x 1 patches; on the object" in out
    assert out.splitlines()[-1] == "sheet: osnet.png"


def test_attention_on_own_pictures_says_why_there_is_no_share(reknow, runs, crops):
    code, out, _ = reknow("explain", "attention", "baseline", "--data", f"folder:{crops}")
    assert code == 0 and "note: There is no share: which pixels show the object is known" in out
    assert "%" not in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing"], "missing: no recipe.yaml, so no run"),
        (["empty"], "empty: no recipe.yaml, so no run"),
        (["unfinished"], "unfinished: no recognizer.json"),
        (["osnet", "--layer", "conv33"], "Did you mean 'conv3'?"),
        (["baseline", "--layer", "conv3"], "no convolutional network"),
        (["baseline", "other"], "expected two runs with the same test pictures"),
        (["baseline", "./baseline"], "the same run twice"),
        (["baseline", "rib", "osnet"], "Unrecognized"),
        (["baseline", "--data", "folder:crops", "--occluded"], "pictures without a mask"),
        (["baseline", "--data", "world:target?occlusion=0&test_identities=1", "--occluded"], "no occluded picture"),
        (["baseline", "--data", "nowhere"], "no format before the path"),
        (["baseline", "--count", "0"], "--count: 0; expected 1 or more"),
        (["baseline", "--layr", "conv3"], "--layr"),
        (["baseline", "--out", "empty"], "empty: a folder; expected the name of a new file"),
        (["baseline", "--out", "no/such/sheet.png"], "no/such: no such folder"),
        ([], "required"),
    ],
)
def test_what_attention_cannot_explain_is_said_in_words(reknow, runs, crops, tmp_path, arguments, message):
    code, out, err = reknow("explain", "attention", *arguments)
    assert code == 2 and out == ""
    assert message in " ".join(err.replace("│", " ").split())
    assert not list(tmp_path.glob("*.png"))


def test_a_sheet_that_exists_is_left_alone(reknow, runs, tmp_path):
    (tmp_path / "attention.png").write_text("mine")
    code, _, err = reknow("explain", "attention", "baseline")
    assert code == 2 and "already exists" in err
    assert (tmp_path / "attention.png").read_text() == "mine"
