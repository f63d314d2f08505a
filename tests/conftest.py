"""What every test shares: checked shapes, quiet threads, and where the golden files and real file names are."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

# Before torch and numba load: xdist starts one worker a core, so each worker keeps to one thread.
if os.environ.get("PYTEST_XDIST_WORKER"):
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ.setdefault(variable, "1")

from jaxtyping import install_import_hook

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"


def modules_with_shapes() -> list[str]:
    """Every module of the package; functions that numba compiles are unwrapped (:func:`reknow.compiled.compiled`).

    But the world's: a picture is thousands of calls with single numbers, and checked it takes 63 ms instead of 8.
    """
    source = ROOT / "src"
    modules = []
    for path in sorted((source / "reknow").rglob("*.py")):
        parts = path.relative_to(source).with_suffix("").parts
        if path.name not in ("compiled.py", "__init__.py") and parts[1] != "world":
            modules.append(".".join(parts))
    return modules


install_import_hook(modules_with_shapes(), "beartype.beartype")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of the marker ``cuda`` are skipped where there is no GPU; where there is, its libraries may warn."""
    marked = [item for item in items if item.get_closest_marker("cuda")]
    if not marked:
        return
    import torch

    there = torch.cuda.is_available()
    for item in marked:
        item.add_marker(pytest.mark.filterwarnings("default") if there else pytest.mark.skip(reason="needs a GPU"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with golden files, layouts and real data, which a clone alone does not have."""
    if not SHARED.is_dir():
        pytest.skip("needs the shared folder (golden tensors, real file names) beside the checkout")
    return SHARED


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the picture cache of the tests out of the user's own."""
    monkeypatch.setenv("REKNOW_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture
def crops(tmp_path: Path) -> Path:
    """A folder of unlabelled pictures that can be told apart: 6 individuals x 2 cameras x 4 shots, 32 x 16 pixels.

    File names carry the truth (``person3_c1_0.png``), which only tests read.
    """
    import numpy as np
    from PIL import Image

    folder = tmp_path / "crops"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for person in range(6):
        clothes = rng.integers(0, 255, (4, 2, 3))
        for camera in range(2):
            for shot in range(4):
                picture = np.kron(clothes, np.ones((8, 8, 1))) + rng.normal(0, 12, (32, 16, 3)) + 15 * camera
                name = folder / f"person{person}_c{camera}_{shot}.png"
                Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(name)
    return folder


@pytest.fixture(scope="session")
def few_groceries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``examples/groceries``, the first four products with six pictures of each split: 48 instead of 1,643."""
    whole, folder = ROOT / "examples/groceries", tmp_path_factory.mktemp("few") / "groceries"
    for split in ("train", "test"):
        for product in sorted((whole / split).iterdir())[:4]:
            (folder / split / product.name).mkdir(parents=True)
            for picture in sorted(product.iterdir())[:6]:
                shutil.copy(picture, folder / split / product.name)
    return folder


@pytest.fixture
def stop(monkeypatch: pytest.MonkeyPatch):
    """Train, and stop after the first step of the second epoch."""
    from reknow.progress import Display
    from reknow.training import loop
    from reknow.training.train import train

    step = loop.Trainer._step

    def stopped(recipe, folder):
        def interrupted(self, *arguments):
            terms = step(self, *arguments)
            self.stopping = self.position.epoch == 1
            return terms

        with monkeypatch.context() as patch:
            patch.setattr(loop.Trainer, "_step", interrupted)
            with pytest.raises(KeyboardInterrupt):
                train(recipe, folder, display=Display(quiet=True))

    return stopped


@pytest.fixture
def tiny():
    """The own-data recipe of cluster contrast around a network that trains in milliseconds."""
    from dataclasses import replace

    from reknow.data.transforms import Preprocessing
    from reknow.methods.catalog import recipe_named
    from reknow.methods.cluster_contrast.method import ClusterContrastConfig, Clustering
    from reknow.methods.recipe import Sampling
    from reknow.models.embedder import EmbedderConfig
    from reknow.models.transformer import TransformerConfig

    trunk = TransformerConfig(image_size=(32, 16), width=16, depth=2, heads=2, patch_size=8, stride=8, drop_path=0.2)
    return replace(
        recipe_named("cluster_contrast"),
        method=ClusterContrastConfig(clustering=Clustering(eps=0.6, min_samples=2, k1=8, k2=2)),
        network=EmbedderConfig(trunk=trunk),
        weights="random",
        preprocessing=Preprocessing(size=(32, 16)),
        sampling=Sampling(batch_size=8, instances=2),
        epochs=3,
    )


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Install an outside package: its name, its modules' texts, and its entry points by group."""
    installed: set[str] = set()

    def installing(package: str, modules: dict[str, str], **entries: dict[str, str]) -> None:
        site = tmp_path / "site" / package
        for module, text in modules.items():
            file = site.joinpath(*module.split(".")).with_suffix(".py")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
            installed.add(module.partition(".")[0])
        facts = site / f"{package.replace('-', '_')}-1.0.dist-info"
        facts.mkdir(parents=True)
        (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        groups = [
            f"[reknow.{group}]\n" + "".join(f"{name} = {value}\n" for name, value in named.items())
            for group, named in entries.items()
        ]
        (facts / "entry_points.txt").write_text("\n".join(groups))
        monkeypatch.syspath_prepend(str(site))

    yield installing
    for name in [name for name in sys.modules if name.partition(".")[0] in installed]:
        del sys.modules[name]
