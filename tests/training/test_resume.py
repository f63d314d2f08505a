"""Resuming: what a run began from may be gone and its data may have moved; it ends as if nothing had happened."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest
import torch
import yaml

from reknow.errors import DataError, RunError
from reknow.evaluation.scores import RankingScores
from reknow.methods.tcmm.method import TCMMConfig
from reknow.models.transformer import TransformerConfig
from reknow.progress import Display
from reknow.training import loop
from reknow.training import train as train_module
from reknow.training.checkpoint import RunStart
from reknow.training.run import Run
from reknow.training.train import train

QUIET = Display(quiet=True)
LABELLED = r"?identity_pattern=(person\d+)&camera=_c(\d)_"
TRUNK = TransformerConfig(image_size=(32, 16), width=16, depth=2, heads=2, patch_size=8, stride=8)


def weights_of(folder):
    return torch.load(folder / "checkpoints" / "last.pt", weights_only=True)["method"]


def card_of(folder):
    return json.loads((folder / "recognizer" / "recognizer.json").read_text())["card"]


def test_a_run_goes_on_to_the_bit_without_the_file_that_it_started_from(crops, tiny, tmp_path, stop):
    file = tmp_path / "vit.pth"
    torch.save(TRUNK.build().state_dict(), file)
    recipe = replace(tiny, weights=f"{file}?heads=2", follow_weights=True, data=f"folder:{crops}{LABELLED}")
    # The file's network is another than the recipe's, so a resumed run must take it from recipe.yaml.
    recipe = replace(recipe, network=replace(tiny.network, trunk=replace(TRUNK, width=32)))
    whole = train(recipe, tmp_path / "whole", display=QUIET)
    stop(recipe, tmp_path / "broken")
    file.unlink()
    resumed = train(recipe, tmp_path / "broken", resume=True, display=QUIET)
    expected, found = weights_of(tmp_path / "whole"), weights_of(tmp_path / "broken")
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    assert resumed.summary.start == whole.summary.start and resumed.summary.start.mAP > 0
    assert resumed.summary.scores.mAP == whole.summary.scores.mAP
    assert card_of(tmp_path / "broken") == card_of(tmp_path / "whole")
    assert any("vit.pth" in line for line in card_of(tmp_path / "broken")["started_from"])


def test_a_run_goes_on_without_the_recognizer_that_it_started_from(crops, tiny, tmp_path, stop):
    train(replace(tiny, data=f"folder:{crops}", epochs=1), tmp_path / "first", display=QUIET)
    recipe = replace(tiny, weights=str(tmp_path / "first"), data=f"folder:{crops}")
    stop(recipe, tmp_path / "second")
    shutil.rmtree(tmp_path / "first")
    train(recipe, tmp_path / "second", resume=True, display=QUIET)
    assert card_of(tmp_path / "second")["started_from"] == ["weights: the recognizer 'cluster_contrast', whole"]


def test_data_that_moved_are_named_anew_and_known_from_then_on(crops, tiny, tmp_path, stop):
    recipe = replace(tiny, data=f"folder:{crops}{LABELLED}")
    whole = train(recipe, tmp_path / "whole", display=QUIET)
    stop(recipe, tmp_path / "run")
    moved = crops.rename(tmp_path / "moved")
    with pytest.raises(DataError, match=rf"no such folder.*--resume {tmp_path / 'run'} --data FORMAT:PATH"):
        train(Run.open(tmp_path / "run").recipe(), tmp_path / "run", resume=True, display=QUIET)
    place = f"folder:{moved}{LABELLED}"
    resumed = train(replace(recipe, data=place), tmp_path / "run", resume=True, display=QUIET)
    assert Run.open(tmp_path / "run").recipe() == replace(recipe, data=place)
    assert resumed.summary.scores.mAP == whole.summary.scores.mAP
    found = weights_of(tmp_path / "run")
    assert all(torch.equal(tensor, found[name]) for name, tensor in weights_of(tmp_path / "whole").items())


@pytest.mark.parametrize("change", ["options", "a picture less", "a picture to test with"])
def test_data_of_other_rows_are_refused_and_the_recipe_stays(crops, tiny, tmp_path, stop, change):
    split = tmp_path / "split"
    for part, name in (("train", "person[0-3]*"), ("query", "person[45]_c0_0*"), ("gallery", "person[45]_c1_*")):
        (split / part).mkdir(parents=True)
        for picture in crops.glob(name):
            shutil.copy(picture, split / part)
    recipe = replace(tiny, data=f"folder:{split}{LABELLED}")
    stop(recipe, tmp_path / "run")
    moved = split.rename(tmp_path / "moved")
    place = f"folder:{moved}" if change == "options" else f"folder:{moved}{LABELLED}"
    if change == "a picture less":
        next((moved / "train").iterdir()).unlink()
    if change == "a picture to test with":
        shutil.copy(crops / "person4_c0_1.png", moved / "gallery")
    with pytest.raises(RunError, match=r"other rows than .*moved.*with the options that the old one had"):
        train(replace(recipe, data=place), tmp_path / "run", resume=True, display=QUIET)
    assert Run.open(tmp_path / "run").recipe() == recipe


def test_a_resumed_run_keeps_its_own_recipe(crops, tiny, tmp_path, stop):
    recipe = replace(tiny, data=f"folder:{crops}")
    stop(recipe, tmp_path / "run")
    outcome = train(replace(recipe, epochs=9, seed=7), tmp_path / "run", resume=True, display=QUIET)
    assert outcome.recipe == recipe


def test_how_a_run_began_survives_its_checkpoint(tmp_path):
    scores = RankingScores(
        *(torch.tensor(values, dtype=torch.float64).numpy() for values in ([0.5, torch.nan], [1.0, torch.nan])),
        torch.tensor([2, -1]).numpy(), 10, "market", ("a note",),
    )  # fmt: skip
    trials = RankingScores.averaged([scores, scores], ("of two",))
    for start in (*(RunStart("f00d", {}, ("a file",), each) for each in (scores, trials)), RunStart("f00d", {})):
        torch.save(start.as_plain(), tmp_path / "x.pt")
        read = RunStart.from_plain(torch.load(tmp_path / "x.pt", weights_only=True))
        assert (read.data, read.recipe, read.weights) == (start.data, start.recipe, start.weights)
        if start.scores is None:
            assert read.scores is None
        else:
            assert read.scores is not None and read.scores.as_percent() == start.scores.as_percent()
            assert (read.scores.first_match == scores.first_match).all() and read.scores.notes == start.scores.notes
            assert len(read.scores.trials) == len(start.scores.trials)


def test_a_checkpoint_of_another_version_is_refused_in_words(crops, tiny, tmp_path):
    recipe = replace(tiny, data=f"folder:{crops}", epochs=1)
    train(recipe, tmp_path / "run", display=QUIET)
    torch.save({"method": {}}, tmp_path / "run" / "checkpoints" / "last.pt")
    with pytest.raises(RunError, match="no checkpoint of this version"):
        train(recipe, tmp_path / "run", resume=True, display=QUIET)


def lines_of(folder):
    """The log, without how fast it went."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "images_per_second"} for line in lines]


def test_a_finished_run_that_is_resumed_keeps_its_log(crops, tiny, tmp_path):
    recipe = replace(tiny, data=f"folder:{crops}{LABELLED}", epochs=2, evaluate_every=1)
    train(recipe, tmp_path / "run", display=QUIET)
    before = (tmp_path / "run" / "metrics.jsonl").read_bytes()
    train(recipe, tmp_path / "run", resume=True, display=QUIET)
    assert (tmp_path / "run" / "metrics.jsonl").read_bytes() == before
    assert [line["epoch"] for line in lines_of(tmp_path / "run") if line["kind"] == "evaluation"] == [-1, 0, 1]


@pytest.mark.parametrize("place", ["an evaluation", "the first step after it", "the second step after it"])
def test_a_run_that_breaks_off_near_an_evaluation_has_the_log_of_a_whole_one(crops, tiny, tmp_path, monkeypatch, place):
    recipe = replace(tiny, data=f"folder:{crops}{LABELLED}", epochs=2, evaluate_every=1)
    train(recipe, tmp_path / "whole", display=QUIET)
    step, score = loop.Trainer._step, train_module._Scores.score_and_log

    def breaking_step(self, *arguments):
        if self.position.epoch == 1 and self.position.step == (place.startswith("the second")):
            raise RuntimeError("the machine stopped")
        return step(self, *arguments)

    def breaking_score(self, epoch, when):
        if epoch == 0:
            raise RuntimeError("the machine stopped")
        return score(self, epoch, when)

    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="stopped"):
        if place == "an evaluation":
            patch.setattr(train_module._Scores, "score_and_log", breaking_score)
        else:
            patch.setattr(loop.Trainer, "_step", breaking_step)
        train(recipe, tmp_path / "broken", display=QUIET)
    train(recipe, tmp_path / "broken", resume=True, display=QUIET)
    assert lines_of(tmp_path / "broken") == lines_of(tmp_path / "whole")


@pytest.mark.parametrize(
    ("field", "says"),
    [
        (("epochs",), r"recipe.yaml, field 'epochs': 9; expected 2, as the run began with"),
        (("network", "trunk", "width"), r"recipe.yaml, field 'network.trunk.width': 32; expected \d+"),
        (("optimizer", "lr"), r"recipe.yaml, field 'optimizer.lr': 0.5; expected 0.0"),
    ],
)
def test_a_recipe_that_was_changed_is_refused_and_the_run_stays(crops, tiny, tmp_path, field, says):
    recipe = replace(tiny, data=f"folder:{crops}", epochs=2)
    train(recipe, tmp_path / "run", display=QUIET)
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    values = yaml.safe_load((tmp_path / "run" / "recipe.yaml").read_text())
    place = values
    for name in field[:-1]:
        place = place[name]
    place[field[-1]] = {"epochs": 9, "width": 32, "lr": 0.5}[field[-1]]
    (tmp_path / "run" / "recipe.yaml").write_text(yaml.safe_dump(values))
    with pytest.raises(RunError, match=says):
        train(recipe, tmp_path / "run", resume=True, display=QUIET)
    after = {path: path.read_bytes() for path in before}
    changed = tmp_path / "run" / "recipe.yaml"
    assert {path for path in before if before[path] != after[path]} == {changed}


def test_a_run_that_stopped_before_its_first_checkpoint_begins_again(crops, tiny, tmp_path, monkeypatch):
    recipe = replace(tiny, data=f"folder:{crops}{LABELLED}", epochs=1)
    whole = train(recipe, tmp_path / "whole", display=QUIET)

    def stopped(self, *arguments):
        raise RuntimeError("the machine stopped")

    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="stopped"):
        patch.setattr(loop.Trainer, "_step", stopped)
        train(recipe, tmp_path / "broken", display=QUIET)
    assert not (tmp_path / "broken" / "checkpoints" / "last.pt").exists()
    resumed = train(recipe, tmp_path / "broken", resume=True, display=QUIET)
    assert resumed.summary.scores == whole.summary.scores
    assert lines_of(tmp_path / "broken") == lines_of(tmp_path / "whole")


@pytest.mark.parametrize("method", ["cluster_contrast", "tcmm"])
def test_query_and_gallery_without_identities_train_without_scores(crops, tiny, tmp_path, method):
    split = tmp_path / "split"
    for part, name in (("train", "person[0-3]*"), ("query", "person[45]_c0_0*"), ("gallery", "person[45]_c1_*")):
        (split / part).mkdir(parents=True)
        for picture in crops.glob(name):
            shutil.copy(picture, split / part)
    config = {"cluster_contrast": tiny.method, "tcmm": TCMMConfig(clustering=tiny.method.clustering, alpha=0.5)}[method]
    outcome = train(replace(tiny, method=config, data=f"folder:{split}", epochs=1), tmp_path / "run", display=QUIET)
    assert outcome.summary.scores is None and outcome.after is None
    assert any("No identities in the data" in note for note in outcome.summary.notes)
