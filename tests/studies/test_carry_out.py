"""A study is carried out once, run by run, whatever interrupts it."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from reknow.errors import RecipeError, RunError
from reknow.studies import carry_out as module
from reknow.studies.carry_out import carry_out, plan
from reknow.studies.folder import StudyFolder
from reknow.studies.study import Decided, Measurement, Variant, seeded
from reknow.training import loop
from reknow.training.run import Run
from reknow.training.train import train


def never(*arguments, **settings):
    raise AssertionError("a finished run was made again")


def numbers(findings):
    """Every run's score, by variant; clocks left out."""
    return {row.variant: row.numbers["mAP"].tolist() for row in findings.rows}


def test_two_variants_and_two_seeds_from_runs_to_results(small, quiet, tmp_path):
    findings = carry_out(small, tmp_path / "study", seeds=2, display=quiet)
    alone = train(seeded(small.base, 2), tmp_path / "alone", display=quiet)
    base, slower = findings.rows
    assert base.numbers["mAP"][1] == alone.summary.scores.mAP
    assert base.numbers["start_mAP"][1] == alone.summary.start.mAP
    epochs = alone.run.metrics().epochs
    assert base.numbers["clusters"][1] == epochs[-1].diagnostics["clusters"]
    assert "peak_memory_gb" not in base.numbers
    assert slower.differs == {"optimizer.lr": 1e-5}
    assert slower.difference["mAP"].mean == pytest.approx((slower.numbers["mAP"] - base.numbers["mAP"]).mean())
    assert slower.over_queries.mean == pytest.approx(slower.difference["mAP"].mean, abs=1e-6)
    results = json.loads((tmp_path / "study" / "results.json").read_text())
    assert results["rows"][1]["runs"]["mAP"] == pytest.approx(slower.numbers["mAP"].tolist(), abs=1e-4)
    assert results["machines"][0]["torch"]
    assert "| slower" in (tmp_path / "study" / "table.md").read_text()
    assert (tmp_path / "study" / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_what_is_finished_is_never_done_again(small, quiet, tmp_path, monkeypatch):
    first = carry_out(small, tmp_path / "study", seeds=1, display=quiet)
    monkeypatch.setattr(module, "train", never)
    assert numbers(carry_out(small, tmp_path / "study", seeds=1, display=quiet)) == numbers(first)


def test_more_seeds_and_more_variants_extend_a_study(small, quiet, tmp_path, monkeypatch):
    first = carry_out(small, tmp_path / "study", seeds=1, display=quiet)
    made = []
    monkeypatch.setattr(
        module, "train", lambda recipe, *rest, **kept: made.append(recipe) or train(recipe, *rest, **kept)
    )
    larger = replace(small, variants=(*small.variants, Variant("none", {"augmentation.flip": 0.0})))
    both = carry_out(larger, tmp_path / "study", seeds=2, display=quiet)
    assert [recipe.name for recipe in made] == ["small: none", "small: base", "small: slower", "small: none"]
    assert [recipe.seed for recipe in made] == [1, 2, 2, 2]
    assert numbers(both)["base"][0] == numbers(first)["base"][0]


@pytest.mark.parametrize("stop_at", [(0, 1), (1, 2)])
def test_an_interrupted_study_ends_as_the_unbroken_one(small, quiet, tmp_path, monkeypatch, stop_at):
    whole = carry_out(small, tmp_path / "whole", seeds=1, display=quiet)
    step = loop.Trainer._step

    def interrupted(self, *arguments):
        terms = step(self, *arguments)
        if (self.position.epoch, self.position.step + 1) == stop_at and "slower" in self.recipe.name:
            self.stopping = True
        return terms

    monkeypatch.setattr(loop.Trainer, "_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        carry_out(small, tmp_path / "broken", seeds=1, display=quiet)
    assert not (tmp_path / "broken" / "results.json").exists()
    monkeypatch.setattr(loop.Trainer, "_step", step)
    assert numbers(carry_out(small, tmp_path / "broken", seeds=1, display=quiet)) == numbers(whole)


def test_a_run_killed_before_its_first_checkpoint_starts_again(small, quiet, tmp_path, monkeypatch):
    def killed(self):
        raise KeyboardInterrupt

    fit = loop.Trainer.fit
    monkeypatch.setattr(loop.Trainer, "fit", killed)
    with pytest.raises(KeyboardInterrupt):
        carry_out(small, tmp_path / "study", seeds=1, display=quiet)
    assert (tmp_path / "study" / "runs" / "base-seed-1" / "recipe.yaml").is_file()
    monkeypatch.setattr(loop.Trainer, "fit", fit)
    assert numbers(carry_out(small, tmp_path / "study", seeds=1, display=quiet))


def test_a_run_that_ended_without_its_record_is_not_trained_again(small, quiet, tmp_path, monkeypatch):
    first = carry_out(small, tmp_path / "study", seeds=1, display=quiet)
    (tmp_path / "study" / "runs" / "base-seed-1" / "record.json").unlink()
    monkeypatch.setattr(loop.Trainer, "_step", never)
    assert numbers(carry_out(small, tmp_path / "study", seeds=1, display=quiet)) == numbers(first)


def test_a_changed_recipe_is_refused_before_anything_starts(small, quiet, tmp_path, monkeypatch):
    carry_out(small, tmp_path / "study", seeds=1, display=quiet)
    monkeypatch.setattr(module, "train", never)
    changed = replace(small, variants=(small.variants[0], Variant("slower", {"optimizer.lr": 2e-5})))
    with pytest.raises(RunError, match=r"slower-seed-1.*optimizer\.lr 1e-05 instead of 2e-05.*--out"):
        carry_out(changed, tmp_path / "study", seeds=2, display=quiet)


def test_variants_that_would_share_a_folder_are_refused(small, quiet, tmp_path):
    alike = replace(small, variants=(Variant("+ a"), Variant("a!", {"optimizer.lr": 1e-5})))
    with pytest.raises(RecipeError, match="folder would be 'a'"):
        carry_out(alike, tmp_path / "study", seeds=1, display=quiet)


@pytest.mark.parametrize("seeds", [0, -1, 10**21])
def test_no_seed_and_too_many_are_refused_before_anything_is_written(small, quiet, tmp_path, seeds):
    with pytest.raises(RecipeError, match=f"seeds: {seeds}; expected 1 or more and at most 1000"):
        carry_out(small, tmp_path / "study", seeds=seeds, display=quiet)
    assert not (tmp_path / "study").exists()


def test_a_measurement_is_kept_row_by_row(small, quiet, tmp_path):
    called = []

    def measure(rows):
        called.append(rows)
        if len(called) == 2:
            raise KeyboardInterrupt
        return {"seconds": rows / 1000}

    measurement = Measurement(name="cost", about="Made.", settings=({"rows": 10}, {"rows": 20}), measure=measure)
    study = replace(small, variants=(), measurements=(measurement,), plot=lambda findings: module_figure())
    with pytest.raises(KeyboardInterrupt):
        carry_out(study, tmp_path / "study", seeds=1, display=quiet)
    findings = carry_out(study, tmp_path / "study", seeds=1, display=quiet)
    assert called == [10, 20, 20]
    assert findings.measurements["cost"] == [{"rows": 10, "seconds": 0.01}, {"rows": 20, "seconds": 0.02}]
    assert "Made." in (tmp_path / "study" / "table.md").read_text()


def module_figure():
    from matplotlib.figure import Figure

    return Figure()


def test_data_without_identities_leave_the_score_open(small, quiet, tmp_path, crops):
    unlabelled = replace(small, base=replace(small.base, data=f"folder:{crops}"))
    findings = carry_out(unlabelled, tmp_path / "study", seeds=1, display=quiet)
    assert np.isnan(findings.rows[1].mean("mAP"))
    assert findings.rows[1].mean("clusters") >= 0


def test_several_processes_are_refused_before_anything_is_written(small, quiet, tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(RunError, match="a study under torchrun; expected one process"):
        carry_out(small, tmp_path / "study", seeds=1, display=quiet)
    assert not (tmp_path / "study").exists()


def test_what_a_study_examines_is_a_column_like_any_other(small, quiet, tmp_path):
    seen = []

    def score_run(outcome):
        seen.append(outcome.run.folder.name)
        return {"length": float(len(outcome.recipe.name)), "clusters": -1.0}

    findings = carry_out(
        replace(small, score_run=score_run, columns=("mAP", "length")), tmp_path / "study", seeds=1, display=quiet
    )
    assert seen == ["base-seed-1", "slower-seed-1"]
    assert [row.numbers["length"].tolist() for row in findings.rows] == [[11.0], [13.0]]
    assert findings.rows[0].numbers["clusters"].tolist() == [-1.0]
    assert "length" in findings.as_markdown()


def rate_of(folder, seed):
    """A field that is known only when the run in the folder is finished."""
    return {"optimizer.lr": Run.open(folder).summary().scores.mAP * 1e-6 + seed * 1e-3}


def test_a_row_that_another_one_decides_comes_after_it_and_is_checked_once_it_is_known(small, quiet, tmp_path):
    decided = Variant("decided", decided=Decided("slower", rate_of))
    study = replace(small, variants=(decided, *small.variants[1:]))
    place = StudyFolder.claim(tmp_path / "study", study.name)
    assert [(run.variant.name, run.seed) for run in plan(study, place, range(1, 3))] == [
        ("slower", 1), ("decided", 1), ("slower", 2), ("decided", 2),
    ]  # fmt: skip
    assert plan(study, place, range(1, 2))[1].resolved() is None
    findings = carry_out(study, tmp_path / "study", seeds=1, display=quiet)
    assert [row.variant for row in findings.rows] == ["decided", "slower"]
    held = Run.open(tmp_path / "study/runs/decided-seed-1").recipe()
    score = findings.rows[1].mean("mAP")
    assert held.optimizer.lr == pytest.approx(score * 1e-6 + 1e-3, rel=1e-9)

    # Where it decides otherwise than before, the run of that time is refused.
    shorter = replace(decided, decided=Decided("slower", lambda *_: {"epochs": 1}))
    other = replace(study, variants=(shorter, small.variants[1]))
    with pytest.raises(RunError, match=r"a run of another recipe: .*epochs 2 instead of 1"):
        carry_out(other, tmp_path / "study", seeds=1, display=quiet)


def test_a_row_that_no_run_can_decide_is_refused(small, quiet, tmp_path):
    for row in ("slow", "decided"):
        variants = (*small.variants, Variant("decided", decided=Decided(row, rate_of)))
        with pytest.raises(RecipeError, match=rf"variant 'decided': decided by '{row}'; expected a row that no other"):
            carry_out(replace(small, variants=variants), tmp_path / row, seeds=1, display=quiet)
