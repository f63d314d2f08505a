"""A trained run explained, from Python and as a command."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest
import torch
from PIL import Image

from reknow import cli
from reknow.data.transforms import Augmentation
from reknow.errors import RunError
from reknow.explain.run import at_start, explain_run
from reknow.methods.cluster_contrast.method import Clustering
from reknow.methods.tcmm.method import TCMMConfig
from reknow.recognizer import Card, Recognizer
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


def test_before_is_the_network_that_training_began_with(tiny):
    recipe = replace(tiny, seed=7)
    torch.manual_seed(7)
    wanted = recipe.network.build().state_dict()
    torch.manual_seed(1)
    state = torch.random.get_rng_state()
    found = at_start(recipe).network.state_dict()
    assert all(torch.equal(found[name], tensor) for name, tensor in wanted.items())
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
    assert "negatives on background, percent: before" in printed and "by chance" in printed


def test_a_start_that_is_gone_leaves_the_other_half(trained, tmp_path):
    recipe = trained.recipe()
    text = (trained.folder / "recipe.yaml").read_text()
    (trained.folder / "recipe.yaml").write_text(text.replace("weights: random", f"weights: {tmp_path}/gone.pth"))
    assert recipe.weights == "random"
    found = explain_run(trained, shown=1)
    assert list(found.choices) == ["after"]
    assert "gone.pth" in found.notes[0]


def test_a_run_that_chooses_nothing_says_which_would(tiny, tmp_path):
    run = Run.create(tmp_path / "plain", tiny)
    with pytest.raises(RunError, match="chooses no patches; expected a run of tcmm"):
        explain_run(run)


def test_the_trained_network_is_the_runs_recognizer(trained):
    found = explain_run(trained, shown=1)
    assert list(found.choices) == ["before", "after"]
    # With the start in the recognizer's place, nothing may differ; with the trained one, the weights have moved.
    assert not (found.choices["before"].similarity == found.choices["after"].similarity).all()
    start = at_start(trained.recipe())
    shutil.rmtree(trained.folder / "recognizer")
    Recognizer(start.config, start.network, start.preprocessing, Card(name="start")).save(trained.folder / "recognizer")
    same = explain_run(trained, shown=1)
    assert (same.choices["before"].similarity == same.choices["after"].similarity).all()


def test_the_runs_report_has_the_section(outcome):
    text = report_of(outcome).read_text(encoding="utf-8")
    assert '<section id="patches"' in text
    assert "chosen patches before training" in text and "chosen patches after training" in text
