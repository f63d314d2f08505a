"""What the tests share: the package as installed, pictures that can be told apart, a run of milliseconds."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from jaxtyping import install_import_hook
from PIL import Image

PACKAGE = Path(__file__).parent

# Shapes in signatures are checked while the tests run.
install_import_hook("reknow_momentum_contrast", "beartype.beartype")


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Keep the picture cache of the tests out of the user's own."""
    monkeypatch.setenv("REKNOW_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def site(tmp_path, monkeypatch):
    """What ``pip install`` would leave of pyproject.toml, on the path; other processes put it on theirs."""
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]
    folder = tmp_path / "site"
    facts = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    facts.mkdir(parents=True)
    said = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    (facts / "METADATA").write_text(said)
    entries = project["entry-points"]["reknow.methods"]
    (facts / "entry_points.txt").write_text(
        "[reknow.methods]\n" + "".join(f"{name} = {module}\n" for name, module in entries.items())
    )
    monkeypatch.syspath_prepend(str(PACKAGE / "src"))
    monkeypatch.syspath_prepend(str(folder))
    return folder


@pytest.fixture
def crops(tmp_path):
    """A folder of 48 unlabelled pictures, 32 x 16 pixels: 6 individuals x 2 cameras x 4 shots."""
    folder = tmp_path / "crops"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for person in range(6):
        clothes = np.kron(rng.integers(0, 255, (4, 2, 3)), np.ones((8, 8, 1)))
        for shot in range(8):
            picture = clothes + rng.normal(0, 12, clothes.shape) + 15 * (shot % 2)
            name = folder / f"person{person}_c{shot % 2}_{shot}.png"
            Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(name)
    return folder


@pytest.fixture
def tiny(site, crops):
    """The package's recipe, by its name, around a network that trains in milliseconds."""
    from reknow.data.transforms import Preprocessing
    from reknow.methods.catalog import recipe_named
    from reknow.methods.optimization import Optimizer
    from reknow.methods.sampling import Sampling
    from reknow.models.embedder import EmbedderConfig
    from reknow.models.transformer import TransformerConfig

    recipe = recipe_named("momentum_contrast")
    # Batch norms in stem and neck: their statistics have to follow, too.
    trunk = TransformerConfig(
        image_size=(32, 16),
        width=16,
        depth=2,
        heads=2,
        stem="convolution",
        stride=8,
        convolutions=((8, 3, 2), (8, 3, 2)),
    )
    return replace(
        recipe,
        data=f"folder:{crops}",
        method=replace(recipe.method, eps=0.6, min_samples=2, k1=8, k2=2, queue=20),
        network=EmbedderConfig(trunk=trunk),
        weights="random",
        preprocessing=Preprocessing(size=(32, 16)),
        sampling=Sampling(batch_size=8, instances=2),
        # Adam's first steps have the size of the rate whatever the gradient, so they would enlarge rounding.
        optimizer=Optimizer(kind="sgd", lr=1e-3),
        epochs=2,
        iterations=3,
        precision="32",
    )
