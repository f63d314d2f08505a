"""A trained run explained, from Python and as a command."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from reknow import cli
from reknow.data.transforms import Augmentation
from reknow.errors import RunError
from reknow.explain.explanation import Explanation
from reknow.explain.run import explain_run, recognizer_at_start
from reknow.methods.cluster_contrast.method import Clustering
from reknow.methods.tcmm.method import TCMMConfig
from reknow.recognizer import Card, Recognizer
from reknow.report import build
from reknow.report.build import report_of
from reknow.training.run import Run
from reknow.training.train import train

CLUSTERING = Clustering(eps=0.6, min_samples=2, k1=8, k2=2)


@pytest.fixture
def outcome(tiny, crops, tmp_path):
    """A tiny run of TCMM, trained for one epoch."""
    method = TCMMConfig(clustering=CLUSTERING, alpha=0.25, negatives=2)
    recipe = replace(
        tiny, name="tcmm", method=method, data=f"folder:{crops}", epochs=1, augmentation=Augmentation(pad=2)
    )
    return train(recipe, tmp_path / "run")


@pytest.fixture
def trained(outcome):
    """Its folder."""
    return outcome.run


def scores(found: Explanation, moment: str) -> np.ndarray:
    made = found.selected[moment].scores
    assert made is not None
    return made.values["rgb"]


def test_before_is_the_network_that_training_began_with(tiny):
    recipe = replace(tiny, seed=7)
    torch.manual_seed(7)
    expected = recipe.network.build().state_dict()
    torch.manual_seed(1)
    state = torch.random.get_rng_state()
    found = recognizer_at_start(recipe).network.state_dict()
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    assert torch.equal(torch.random.get_rng_state(), state)


def test_the_command_draws_a_sheet_and_prints_what_was_chosen(trained, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["explain", "tokens", "run", "--count", "2", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["positives"], facts["negatives"], facts["grid"], facts["shares"]) == (1, 2, [4, 2], {})
    with Image.open(tmp_path / facts["file"]) as sheet:
        assert sheet.format == "PNG"
    assert cli.main(["explain", "tokens", "run"]) == 2
    assert "already exists" in capsys.readouterr().err
    world = "world:target?train_identities=2&test_identities=2"
    assert cli.main(["explain", "tokens", "run", "--data", world, "--out", "world.png"]) == 0
    printed = capsys.readouterr().out
    assert "that lie on background, percent: before" in printed and "by chance" in printed


def test_a_start_that_is_gone_leaves_the_other_half(trained, tmp_path):
    recipe = trained.recipe()
    text = (trained.folder / "recipe.yaml").read_text()
    (trained.folder / "recipe.yaml").write_text(text.replace("weights: random", f"weights: {tmp_path}/gone.pth"))
    assert recipe.weights == "random"
    found = explain_run(trained, shown=1)
    assert list(found.selected) == ["after"]
    assert "gone.pth" in found.notes[0]


def test_a_run_that_chooses_nothing_says_which_would(tiny, tmp_path):
    run = Run.create(tmp_path / "plain", tiny)
    with pytest.raises(RunError, match=r"selects no patches.*for example: reknow train tcmm"):
        explain_run(run)


def test_the_trained_network_is_the_runs_recognizer(trained):
    found = explain_run(trained, shown=1)
    assert list(found.selected) == ["before", "after"]
    # With the start in the recognizer's place, nothing may differ; with the trained one, the weights have moved.
    assert not (scores(found, "before") == scores(found, "after")).all()
    start = recognizer_at_start(trained.recipe())
    shutil.rmtree(trained.folder / "recognizer")
    Recognizer(start.config, start.network, start.preprocessing, Card(name="start")).save(trained.folder / "recognizer")
    same = explain_run(trained, shown=1)
    assert (scores(same, "before") == scores(same, "after")).all()


def test_the_runs_report_has_the_section(outcome):
    text = report_of(outcome).read_text(encoding="utf-8")
    assert '<section id="patches"' in text
    assert ", before training" in text and ", after training" in text
    assert '<section id="attention"' in text and "There is no share" in text


def test_a_report_without_attention_is_still_a_report(outcome, monkeypatch):
    def refused(*arguments):
        raise RunError("run", found="attention that is never shown", remedy="")

    monkeypatch.setattr(build, "attention_in", refused)
    text = report_of(outcome).read_text(encoding="utf-8")
    assert '<section id="patches"' in text and '<section id="attention"' not in text


# --- EDITOR -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def selecting(editor, tmp_path):
    """A tiny run of EDITOR, trained for one epoch."""
    return train(editor, tmp_path / "run")


def test_numbers_of_a_run_that_keeps_patches(selecting):
    numbers = explain_run(selecting.run).numbers()
    for name in ("precision", "recall_large", "precision_low_clutter", "recall_spatial_tir", "precision_frequency"):
        assert 0 <= numbers[name] <= 100 and 0 <= numbers[f"start_{name}"] <= 100
    # Pixels do not change in training; attention does.
    assert numbers["recall_frequency"] == numbers["start_recall_frequency"]
    found = explain_run(selecting.run, shown=1)
    assert not (scores(found, "before") == scores(found, "after")).all()


def test_the_command_draws_kept_patches_and_prints_how_well_they_cover(selecting, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["explain", "tokens", "run", "--count", "1", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["spectra"], facts["grid"], facts["frequency"]) == (["rgb", "nir", "tir"], [4, 2], 2)
    share = facts["shares"]["recall_small"]
    assert share["after"]["low"] <= share["after"]["mean"] <= share["after"]["high"]
    assert set(share["chance"]) == {"before", "after"}
    with Image.open(tmp_path / facts["file"]) as sheet:
        assert sheet.format == "PNG"
    world = "world:target?train_identities=2&test_identities=2&spectra=tir"
    assert cli.main(["explain", "tokens", "run", "--data", world, "--out", "tir.png"]) == 0
    printed = capsys.readouterr().out
    assert "observations in rgb, nir, tir: of the 8 patches of each picture" in printed
    assert "Precision of kept patches, small objects, percent: before" in printed
    assert "in nir" not in printed and "nan" not in printed


def test_a_run_of_editor_that_keeps_nothing_is_refused(editor, tmp_path):
    method = replace(editor.method, background_weight=0.0, center_weight=0.0)
    run = Run.create(
        tmp_path / "row_a", replace(editor, network=replace(editor.network, aggregate=False), method=method)
    )
    with pytest.raises(RunError, match="selects no patches as it is configured"):
        explain_run(run)


def test_the_report_of_kept_patches_has_their_coverage(selecting):
    text = report_of(selecting).read_text(encoding="utf-8")
    assert '<section id="patches"' in text and '<section id="attention"' in text and "On the object lies" in text
    assert "Recall of kept patches, high clutter" in text and ", tir, kept before" in text
    assert "Every picture shows the observation in rgb, nir, tir" in text and 'class="row wide"' in text
