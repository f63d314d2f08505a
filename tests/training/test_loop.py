"""The loop: it learns, it repeats itself to the bit, also after a stop, and it refuses what is not finite."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from reknow.errors import RecipeError, RunError
from reknow.methods.recipe import Optimizer
from reknow.progress import Display
from reknow.training import loop, run
from reknow.training.train import train

QUIET = Display(quiet=True)
LABELLED = r"?identity_pattern=(person\d+)&camera=_c(\d)_"


def weights_of(folder):
    return torch.load(folder / "checkpoints" / "last.pt", weights_only=True)["method"]


def losses_of(folder):
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [(line["epoch"], line["step"], line["loss"]) for line in lines if line["kind"] == "step"]


def test_a_run_without_labels_leaves_a_whole_folder(crops, tiny, tmp_path):
    outcome = train(replace(tiny, data=f"folder:{crops}"), tmp_path / "run", display=QUIET)
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names == {"recipe.yaml", "metrics.jsonl", "summary.json", "checkpoints", "recognizer"}
    assert outcome.after is None
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["mAP"] is None
    assert any("No identities" in note for note in summary["notes"])
    assert run.Run.open(tmp_path / "run").recipe() == replace(tiny, data=f"folder:{crops}")
    assert outcome.training.vectors.shape == (48, 16)


def test_labels_give_numbers_before_and_after(crops, tiny, tmp_path):
    outcome = train(replace(tiny, data=f"folder:{crops}{LABELLED}", epochs=4), tmp_path / "run", display=QUIET)
    summary = outcome.summary
    assert 0 < summary.start.mAP <= 100
    assert summary.scores.mAP >= summary.start.mAP
    epochs = outcome.run.metrics().epochs
    assert len(epochs) == 4
    assert all(0 < line.diagnostics["purity"] <= 1 for line in epochs)


def test_a_resumed_run_reports_the_start_that_it_began_from(crops, tiny, tmp_path):
    recipe = replace(tiny, data=f"folder:{crops}{LABELLED}")
    started = train(recipe, tmp_path / "run", display=QUIET).summary.start
    assert train(recipe, tmp_path / "run", resume=True, display=QUIET).summary.start == started


def test_the_same_seed_gives_the_same_numbers_and_another_seed_others(crops, tiny, tmp_path):
    recipe = replace(tiny, data=f"folder:{crops}")
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        train(replace(recipe, seed=seed), tmp_path / name, display=QUIET)
    assert losses_of(tmp_path / "a") == losses_of(tmp_path / "b")
    assert losses_of(tmp_path / "a") != losses_of(tmp_path / "c")


@pytest.mark.parametrize("stop_at", [(0, 2), (1, 3), (2, 6)])
def test_a_resumed_run_equals_the_unbroken_one_to_the_bit(crops, tiny, tmp_path, monkeypatch, stop_at):
    recipe = replace(tiny, data=f"folder:{crops}")
    train(recipe, tmp_path / "whole", display=QUIET)
    step = loop.Trainer._step

    def interrupted(self, *arguments):
        terms = step(self, *arguments)
        if (self.position.epoch, self.position.step + 1) == stop_at:
            self.stopping = True
        return terms

    monkeypatch.setattr(loop.Trainer, "_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path / "broken", display=QUIET)
    assert not (tmp_path / "broken" / "recognizer").exists()
    monkeypatch.setattr(loop.Trainer, "_step", step)
    train(recipe, tmp_path / "broken", resume=True, display=QUIET)
    whole, resumed = weights_of(tmp_path / "whole"), weights_of(tmp_path / "broken")
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    # Log lines average over steps since the last line, which a stop cuts short; the last step's line is its own.
    assert losses_of(tmp_path / "whole")[-1] == losses_of(tmp_path / "broken")[-1]


def test_a_loss_that_is_not_finite_names_step_terms_and_rows(crops, tiny, tmp_path):
    recipe = replace(tiny, data=f"folder:{crops}", optimizer=Optimizer(kind="sgd", lr=1e38))
    with pytest.raises(RunError, match=r"epoch 1, step \d+.*prototype = (nan|inf).*rows \[\d+"):
        train(recipe, tmp_path / "run", display=QUIET)


def test_a_folder_in_use_is_never_overwritten(crops, tiny, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine.txt").write_text("precious")
    with pytest.raises(RunError, match="already exists"):
        train(replace(tiny, data=f"folder:{crops}"), tmp_path / "run", display=QUIET)
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["mine.txt"]


def test_weights_of_another_shape_are_refused_before_anything_is_written(crops, tiny, tmp_path):
    with pytest.raises(RecipeError, match="--init-from"):
        train(replace(tiny, data=f"folder:{crops}", weights="shipped"), tmp_path / "run", display=QUIET)
    assert not (tmp_path / "run").exists()


def test_resuming_with_other_rows_is_refused(crops, tiny, tmp_path):
    train(replace(tiny, data=f"folder:{crops}"), tmp_path / "run", display=QUIET)
    next(crops.iterdir()).unlink()
    with pytest.raises(RunError, match="other rows"):
        train(replace(tiny, data=f"folder:{crops}"), tmp_path / "run", resume=True, display=QUIET)


def test_a_full_disk_leaves_the_last_checkpoint_whole(crops, tiny, tmp_path, monkeypatch):
    recipe = replace(tiny, data=f"folder:{crops}")
    save, written = torch.save, []

    def full(state, path):
        if written:
            path.write_bytes(b"half")
            raise OSError(28, "No space left on device")
        written.append(path)
        save(state, path)

    monkeypatch.setattr(run.torch, "save", full)
    with pytest.raises(RunError, match="No space left"):
        train(recipe, tmp_path / "run", display=QUIET)
    monkeypatch.setattr(run.torch, "save", save)
    assert [path.name for path in (tmp_path / "run" / "checkpoints").iterdir()] == ["last.pt"]
    train(recipe, tmp_path / "run", resume=True, display=QUIET)
    assert (tmp_path / "run" / "recognizer").is_dir()
