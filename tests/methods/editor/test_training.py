"""A whole run on triples from a table, some of them incomplete: loop, evaluation, recognizer on disk."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from reknow.data.formats import open_dataset
from reknow.data.transforms import Preprocessing
from reknow.errors import RecipeError
from reknow.methods.editor.method import EditorConfig
from reknow.methods.editor.network import EditorNetworkConfig
from reknow.methods.editor.recipes import own_data
from reknow.methods.recipe import Recipe, Sampling
from reknow.progress import Display
from reknow.recognizer import load
from reknow.recognizer.evaluation import evaluate_recognizer
from reknow.training.run import Run
from reknow.training.train import train
from reknow.values import to_plain

SPECTRA = ("rgb", "nir", "tir")


@pytest.fixture
def triples(tmp_path: Path) -> Path:
    """Four identities before two cameras, twice each; one observation lacks its thermal image, one all but that."""
    random = np.random.default_rng(0)
    lines = ["identity,camera,rgb,nir,tir"]
    for identity in range(4):
        for camera in range(2):
            for shot in range(2):
                names = {name: f"{name}_{identity}_{camera}_{shot}.png" for name in SPECTRA}
                for name in names.values():
                    pixels = random.integers(0, 256, (32, 16, 3), dtype=np.uint8)
                    Image.fromarray(pixels).save(tmp_path / name)
                there = {(0, 0, 0): ("rgb", "nir"), (1, 1, 1): ("tir",)}.get((identity, camera, shot), SPECTRA)
                cells = [names[name] if name in there else "" for name in SPECTRA]
                lines.append(",".join([str(identity), str(camera), *cells]))
    table = tmp_path / "objects.csv"
    table.write_text("\n".join(lines) + "\n")
    return table


def small(triples: Path, config: EditorNetworkConfig) -> Recipe:
    base = own_data()
    return replace(
        base,
        method=replace(base.method, spectrum_dropout=0.2),
        network=config,
        data=f"table:{triples}",
        weights="random",
        preprocessing=Preprocessing(size=(32, 16)),
        augmentation=replace(base.augmentation, pad=2),
        sampling=Sampling(batch_size=8, instances=2),
        epochs=2,
        precision="32",
    )


def test_a_run_on_triples(triples: Path, config: EditorNetworkConfig, tmp_path: Path) -> None:
    config = replace(config, center=True)
    recipe = small(triples, config)
    outcome = train(recipe, tmp_path / "run", display=Display(quiet=True))
    assert outcome.summary.scores.mAP > 0
    recognizer = load(tmp_path / "run", "cpu", "32")
    assert recognizer.config == config
    assert recognizer.network.means.count.tolist() == [0, 15, 15, 15, 15, 14, 14, 14]
    assert (recognizer.card.dataset, recognizer.card.cameras) == ("objects", ("0", "1"))
    assert recognizer.camera_codes(open_dataset(f"table:{triples}"))[:4].tolist() == [0, 0, 1, 1]
    resumed = train(recipe, tmp_path / "run", resume=True, display=Display(quiet=True))
    assert resumed.summary.scores.mAP == outcome.summary.scores.mAP  # what was measured at the end is in the checkpoint
    again = evaluate_recognizer(recognizer, f"table:{triples}", display=Display(quiet=True))
    assert again.numbers["mAP"] == pytest.approx(outcome.summary.scores.mAP, abs=1e-6)
    assert recognizer.card.spectra == SPECTRA
    vectors = outcome.training.vectors
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    alone = recognizer.embed(triples.parent / "rgb_0_0_0.png")
    assert alone.shape == (1, 48) and not alone[0, 16:].any()


def test_a_camera_table_that_is_too_small_is_refused_before_anything_is_written(
    triples: Path, config: EditorNetworkConfig, tmp_path: Path
) -> None:
    recipe = small(triples, replace(config, trunk=replace(config.trunk, cameras=1)))
    with pytest.raises(RecipeError, match=r"'network.trunk.cameras': 1, for 2 cameras.*--network.trunk.cameras 2"):
        train(recipe, tmp_path / "run", display=Display(quiet=True))
    assert not (tmp_path / "run").exists()


SCRIPT = """
import yaml
from pathlib import Path
from reknow.progress import Display
from reknow.training.train import train
from reknow.values import from_plain
import torch

recipe = from_plain(yaml.safe_load(Path("recipe.yaml").read_text()), "recipe")
outcome = train(recipe, Path("run"), display=Display(quiet=True))
Path(f"{torch.distributed.get_rank()}.txt").write_text(str(outcome.training.vectors.sum(0).tolist()))
"""


@pytest.mark.filterwarnings("default")
def test_two_processes_do_not_wait_for_a_spectrum_that_one_of_them_lacks(
    triples: Path, config: EditorNetworkConfig, tmp_path: Path
) -> None:
    header, *rows = triples.read_text().splitlines()
    several = [row if number in (5, 14) else row.rpartition(",")[0] + "," for number, row in enumerate(rows)]
    several = [row if row.split(",")[2:4] != ["", ""] else rows[number] for number, row in enumerate(several)]
    triples.write_text("\n".join([header, *several]) + "\n")
    recipe = replace(small(triples, replace(config, center=True)), method=EditorConfig(), iterations=6)
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(to_plain(recipe)))
    (tmp_path / "script.py").write_text(SCRIPT)
    subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "script.py"],
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        check=True,
        capture_output=True,
        timeout=300,
    )
    assert (tmp_path / "0.txt").read_text() == (tmp_path / "1.txt").read_text()
    steps = Run.open(tmp_path / "run").metrics().steps
    assert any(line.terms["loss/tir"] == 0 for line in steps)
    assert all(np.isfinite(line.terms["loss"]) and line.terms["loss/rgb"] > 0 for line in steps)
