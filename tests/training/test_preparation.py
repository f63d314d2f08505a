"""Before any work: what a run refuses, such as a batch rule that its rows cannot serve; which data it is scored on."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reknow.errors import DataError, EvaluationError, RunError
from reknow.methods.sampling import ExhaustiveSampling
from reknow.methods.supervised.method import SupervisedConfig
from reknow.progress import Display
from reknow.recognizer import load
from reknow.recognizer.evaluation import evaluate_recognizer
from reknow.training.train import train

LABELLED = r"?identity_pattern=(person\d+)&camera=_c(\d)_"


@pytest.mark.parametrize(
    ("batch_size", "instances", "says"),
    [
        (16, 2, r"training rows: 6 identities; expected at least 8.*Write --sampling.batch-size 12"),
        (18, 9, r"training rows: no identity with more than 8 pictures; expected one with 9"),
    ],
)
def test_a_rule_that_known_labels_cannot_serve_is_refused_before_a_folder_is_made(
    crops, tiny, tmp_path, batch_size, instances, says
):
    rule = ExhaustiveSampling(batch_size=batch_size, instances=instances)
    recipe = replace(tiny, method=SupervisedConfig(), data=f"folder:{crops}{LABELLED}", sampling=rule)
    with pytest.raises(DataError, match=says):
        train(recipe, tmp_path / "run", display=Display(quiet=True))
    assert not (tmp_path / "run").exists()


def test_a_run_with_the_exhaustive_rule_and_centers_trains_and_resumes(crops, tiny, tmp_path):
    recipe = replace(
        tiny,
        method=SupervisedConfig(center_weight=5e-4),
        data=f"folder:{crops}{LABELLED}",
        sampling=ExhaustiveSampling(batch_size=8, instances=4),
        epochs=2,
    )
    outcome = train(recipe, tmp_path / "run", display=Display(quiet=True))
    steps = [line for line in outcome.run.metrics().steps if line.epoch == 0]
    # 6 identities with two groups of four: 12 groups, two a step, until fewer than two identities have one left.
    assert 5 <= steps[-1].step <= 6
    assert all("loss/center" in line.terms for line in steps)
    resumed = train(recipe, tmp_path / "run", resume=True, display=Display(quiet=True))
    assert resumed.recipe == recipe


def _market(folder: Path, names: list[str], color: int) -> Path:
    """A folder of pictures; names tell identity and camera."""
    folder.mkdir()
    for number, name in enumerate(names):
        pixels = np.full((16, 8, 3), (color * 10 + 40 * number) % 256, np.uint8)
        Image.fromarray(pixels).save(folder / name)
    return folder


def test_scores_come_from_the_data_that_the_recipe_names_and_its_cameras_are_unknown(crops, tiny, tmp_path):
    names = [f"person{who}_c{camera}_x.png" for who in range(4) for camera in (1, 2)]
    elsewhere = f"folder:{_market(tmp_path / 'elsewhere', names, 3)}{LABELLED}"
    network = replace(tiny.network, trunk=replace(tiny.network.trunk, cameras=2))
    recipe = replace(tiny, data=f"folder:{crops}{LABELLED}", evaluation_data=elsewhere, epochs=1, network=network)
    outcome = train(recipe, tmp_path / "run", display=Display(quiet=True))
    assert outcome.recipe.network.trunk.cameras == 0
    assert any("no table of cameras" in note for note in outcome.summary.notes)
    assert outcome.after is not None and outcome.summary.dataset == elsewhere
    assert {Path(name).name for name in outcome.after.query.manifest.column("rgb")} <= set(names)
    again = evaluate_recognizer(load(outcome.run.folder), elsewhere, display=Display(quiet=True))
    assert again.numbers["mAP"] == pytest.approx(outcome.summary.as_json()["mAP"])
    card = load(outcome.run.folder).card
    assert card.trained_on == recipe.data and all(elsewhere in name for name in card.scores)


def test_the_same_data_in_another_place_keep_the_cameras(crops, tiny, tmp_path):
    trunk = replace(tiny.network.trunk, cameras=2)
    recipe = replace(tiny, data=f"folder:{crops}{LABELLED}", network=replace(tiny.network, trunk=trunk), epochs=1)
    recipe = replace(recipe, evaluation_data=recipe.data)
    outcome = train(recipe, tmp_path / "run", display=Display(quiet=True))
    assert outcome.recipe.network.trunk.cameras == 2


def test_data_to_score_on_without_identities_are_refused_before_a_folder_is_made(crops, tiny, tmp_path):
    recipe = replace(tiny, data=f"folder:{crops}{LABELLED}", evaluation_data=f"folder:{crops}")
    with pytest.raises(EvaluationError, match="no identity that has a query and a gallery picture"):
        train(recipe, tmp_path / "run", display=Display(quiet=True))
    with pytest.raises(DataError, match="elsewhere"):
        train(replace(recipe, evaluation_data="folder:elsewhere"), tmp_path / "run", display=Display(quiet=True))
    assert not (tmp_path / "run").exists()


def test_a_resumed_run_is_scored_on_its_data_where_they_moved_and_on_no_others(crops, tiny, tmp_path):
    names = [f"person{who}_c{camera}_x.png" for who in range(4) for camera in (1, 2)]
    elsewhere = _market(tmp_path / "elsewhere", names, 3)
    recipe = replace(tiny, data=f"folder:{crops}{LABELLED}", evaluation_data=f"folder:{elsewhere}{LABELLED}", epochs=1)
    first = train(recipe, tmp_path / "run", display=Display(quiet=True))
    moved = tmp_path / "moved"
    moved.mkdir()
    elsewhere.rename(moved / "elsewhere")
    with pytest.raises(DataError, match="--evaluation-data FORMAT:PATH"):
        train(recipe, tmp_path / "run", resume=True, display=Display(quiet=True))
    there = replace(recipe, evaluation_data=f"folder:{moved / 'elsewhere'}{LABELLED}")
    again = train(there, tmp_path / "run", resume=True, display=Display(quiet=True))
    assert again.summary.as_json()["mAP"] == first.summary.as_json()["mAP"]
    assert again.run.recipe().evaluation_data == there.evaluation_data
    others = replace(recipe, evaluation_data=f"folder:{crops}{LABELLED}")
    with pytest.raises(RunError, match=rf"other rows than .* or {re.escape(others.evaluation_data)} has now"):
        train(others, tmp_path / "run", resume=True, display=Display(quiet=True))
