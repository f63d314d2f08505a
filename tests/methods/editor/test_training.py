"""A whole run on triples from a table, some of them incomplete: loop, evaluation, recognizer on disk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reknow.data.transforms import Preprocessing
from reknow.methods.editor.network import EditorNetworkConfig
from reknow.methods.editor.recipes import own_data
from reknow.methods.recipe import Sampling
from reknow.recognizer import load
from reknow.training.progress import Display
from reknow.training.train import train

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


def test_a_run_on_triples(triples: Path, config: EditorNetworkConfig, tmp_path: Path) -> None:
    base = own_data()
    recipe = replace(
        base,
        method=replace(base.method, spectrum_dropout=0.2),
        network=config,
        data=f"table:{triples}",
        weights="random",
        preprocessing=Preprocessing(size=(32, 16)),
        augmentation=replace(base.augmentation, pad=2),
        sampling=Sampling(batch_size=8, instances=2),
        epochs=2,
        precision="32-true",
    )
    outcome = train(recipe, tmp_path / "run", display=Display(quiet=True))
    assert outcome.summary["mAP"] > 0
    recognizer = load(tmp_path / "run", "cpu", "32")
    assert recognizer.config == config
    assert recognizer.card.spectra == SPECTRA
    vectors = outcome.training.vectors
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    alone = recognizer.embed(triples.parent / "rgb_0_0_0.png")
    assert alone.shape == (1, 48) and not alone[0, 16:].any()
