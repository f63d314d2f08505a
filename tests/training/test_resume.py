"""Resuming: what a run began from may be gone and its data may have moved; it ends as if nothing had happened."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest
import torch

from reknow.errors import DataError, RunError
from reknow.evaluation.scores import RankingScores
from reknow.models.transformer import TransformerConfig
from reknow.progress import Display
from reknow.training import loop
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


@pytest.fixture
def stop(monkeypatch):
    """Train, and stop after the first step of the second epoch."""
    step = loop.Trainer._step

    def stopped(recipe, folder):
        def interrupted(self, *arguments):
            terms = step(self, *arguments)
            self.stopping = self.position.epoch == 1
            return terms

        with monkeypatch.context() as patch:
            patch.setattr(loop.Trainer, "_step", interrupted)
            with pytest.raises(KeyboardInterrupt):
                train(recipe, folder, display=QUIET)

    return stopped


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
    for start in (RunStart("f00d", ("a file", "a neck"), scores), RunStart("f00d")):
        torch.save(start.as_plain(), tmp_path / "x.pt")
        read = RunStart.from_plain(torch.load(tmp_path / "x.pt", weights_only=True))
        assert (read.data, read.weights) == (start.data, start.weights)
        if start.scores is None:
            assert read.scores is None
        else:
            assert read.scores is not None and read.scores.as_percent() == scores.as_percent()
            assert (read.scores.first_match == scores.first_match).all() and read.scores.notes == scores.notes


def test_a_checkpoint_of_another_version_is_refused_in_words(crops, tiny, tmp_path):
    recipe = replace(tiny, data=f"folder:{crops}", epochs=1)
    train(recipe, tmp_path / "run", display=QUIET)
    torch.save({"method": {}}, tmp_path / "run" / "checkpoints" / "last.pt")
    with pytest.raises(RunError, match="no checkpoint of this version"):
        train(recipe, tmp_path / "run", resume=True, display=QUIET)
