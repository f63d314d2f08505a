"""Data that no method can learn much from: a run ends, or says what is wrong; it never crashes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from reknow.errors import DataError
from reknow.methods.supervised.method import SupervisedConfig
from reknow.progress import Display
from reknow.training.train import train

QUIET = Display(quiet=True)


def save(folder, name, seed):
    folder.mkdir(exist_ok=True)
    picture = np.random.default_rng(seed).integers(0, 255, (32, 16, 3), dtype=np.uint8)
    Image.fromarray(picture).save(folder / f"{name}.png")


@pytest.mark.parametrize("seeds", [[0, 1], [0] * 12], ids=["two", "all alike"])
def test_a_run_without_structure_finishes_and_says_so(tiny, tmp_path, seeds):
    for number, seed in enumerate(seeds):
        save(tmp_path / "crops", str(number), seed)
    outcome = train(replace(tiny, data=f"folder:{tmp_path / 'crops'}"), tmp_path / "run", display=QUIET)
    assert np.isfinite(outcome.training.vectors).all()
    assert any("cluster" in note for note in outcome.summary.notes)


def test_one_picture_is_not_enough(tiny, tmp_path):
    save(tmp_path / "crops", "only", 0)
    with pytest.raises(DataError, match="1 picture to train on"):
        train(replace(tiny, data=f"folder:{tmp_path / 'crops'}"), tmp_path / "run", display=QUIET)
    assert not (tmp_path / "run").exists()


def test_labels_are_needed_where_they_are_learned_from(crops, tiny, tmp_path):
    recipe = replace(tiny, method=SupervisedConfig(), data=f"folder:{crops}")
    with pytest.raises(DataError, match="no identity"):
        train(recipe, tmp_path / "run", display=QUIET)
    assert not (tmp_path / "run").exists()


def test_identities_with_one_picture_train_with_labels(tiny, tmp_path):
    for number in range(6):
        save(tmp_path / "crops", f"p{number}_0", number)
    recipe = replace(tiny, method=SupervisedConfig(), data=rf"folder:{tmp_path / 'crops'}?identity_pattern=(p\d)")
    outcome = train(recipe, tmp_path / "run", display=QUIET)
    assert outcome.after is None
    assert np.isfinite(outcome.training.vectors).all()


def test_a_picture_that_cannot_be_read_stops_before_anything_is_written(crops, tiny, tmp_path):
    (crops / "person0_c0_0.png").write_bytes(b"\x89PNG half a picture")
    with pytest.raises(DataError, match=r"person0_c0_0\.png"):
        train(replace(tiny, data=f"folder:{crops}"), tmp_path / "run", display=QUIET)
    assert not (tmp_path / "run").exists()
