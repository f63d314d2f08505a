"""What a run refuses before any work: a batch rule that the rows cannot serve."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reknow.errors import DataError
from reknow.methods.sampling import ExhaustiveSampling
from reknow.methods.supervised.method import SupervisedConfig
from reknow.progress import Display
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
