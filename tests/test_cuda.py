"""What must hold on a GPU: it computes what the CPU computes, to rounding. Run with ``uv run pytest -m cuda``."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric

from reknow.clustering.dbscan import pseudo_labels
from reknow.clustering.neighbors import nearest_neighbors, unit_rows
from reknow.clustering.transport import sinkhorn
from reknow.data.augmentation import apply_draws
from reknow.data.transforms import Augmentation, Preprocessing, draw
from reknow.errors import DataError
from reknow.evaluation.rerank import k_reciprocal
from reknow.export import export_onnx
from reknow.methods.catalog import METHODS, recipe_named
from reknow.methods.cluster_contrast.method import ClusterContrast
from reknow.methods.recipe import Recipe
from reknow.methods.sampling import Sampling
from reknow.models.transformer import TransformerConfig
from reknow.observation import Batch
from reknow.progress import Display
from reknow.recognizer import load
from reknow.training import preparation
from reknow.training.train import train

pytestmark = pytest.mark.cuda

LABELLED = r"?identity_pattern=(person\d+)&camera=_c(\d)_"
QUIET = Display(quiet=True)
# Without stochastic depth, which every device draws in its own way.
TRUNK = TransformerConfig(
    image_size=(32, 16), width=16, depth=2, heads=2, patch_size=4, stride=4, extra_tokens=2, cameras=2
)


@pytest.fixture(autouse=True)
def exact() -> Iterator[None]:
    """Convolutions without TF32: its 10 binary digits would hide a difference."""
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        yield


def tiny_recipe(name: str, crops: Path) -> Recipe:
    """The method's recipe for own data, around a network that trains in milliseconds."""
    recipe = recipe_named(name)
    return replace(
        recipe,
        data=f"folder:{crops}{LABELLED}",
        network=recipe.network.around(TRUNK, getattr(recipe.network, "feature", "cls")),
        weights="random",
        follow_weights=False,
        preprocessing=replace(recipe.preprocessing, size=(32, 16)),
        augmentation=replace(recipe.augmentation, pad=2),
        sampling=Sampling(batch_size=8, instances=2),
        epochs=2,
        iterations=2,
        precision="32",
    )


def losses_of(folder: Path) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    steps = [line for line in lines if line["kind"] == "step"]
    return [{name: value for name, value in line.items() if name.startswith("loss")} for line in steps]


@pytest.fixture
def on_cpu(monkeypatch: pytest.MonkeyPatch) -> Callable[[Recipe, Path], None]:
    """Train on the CPU although there is a GPU."""

    def trained(recipe: Recipe, folder: Path) -> None:
        with monkeypatch.context() as patch:
            alone = Fabric(accelerator="cpu", devices=1, precision="32-true")
            patch.setattr(preparation, "start_fabric", lambda recipe: alone)
            train(recipe, folder, display=QUIET)

    return trained


def made_rows(rows: int = 600, clusters: int = 40) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    centers = torch.randn(clusters, 32, generator=generator)
    return unit_rows(centers[torch.arange(rows) % clusters] + torch.randn(rows, 32, generator=generator) / 2)


@pytest.mark.parametrize("name", sorted(METHODS))
def test_a_method_loses_what_it_loses_on_the_cpu(name, crops, tmp_path, on_cpu):
    recipe = replace(tiny_recipe(name, crops), epochs=1)
    train(recipe, tmp_path / "gpu", display=QUIET)
    on_cpu(recipe, tmp_path / "cpu")
    ours, expected = losses_of(tmp_path / "gpu"), losses_of(tmp_path / "cpu")
    assert len(ours) == len(expected) == 2
    for line, reference in zip(ours, expected, strict=True):
        assert line == pytest.approx(reference, rel=1e-3, abs=1e-3)


def crops_of(crops: Path) -> list[Path]:
    return sorted(crops.glob("*.png"))


@pytest.mark.parametrize("name", sorted(METHODS))
def test_a_method_trains_in_bf16(name, crops, tmp_path):
    train(replace(tiny_recipe(name, crops), precision="bf16"), tmp_path / "run", display=QUIET)
    assert all(np.isfinite(value) for line in losses_of(tmp_path / "run") for value in line.values())


def test_a_stopped_run_goes_on(crops, tmp_path, stop):
    recipe = tiny_recipe("tcmm", crops)
    train(recipe, tmp_path / "whole", display=QUIET)
    stop(recipe, tmp_path / "broken")
    train(recipe, tmp_path / "broken", resume=True, display=QUIET)
    for line, reference in zip(losses_of(tmp_path / "broken"), losses_of(tmp_path / "whole"), strict=True):
        assert line == pytest.approx(reference, rel=1e-3, abs=1e-3)


def test_a_method_draws_its_diagnostics_where_its_network_is(crops, tmp_path, monkeypatch):
    embedded = []

    def diagnostics(self):
        embedded.append(self.embed(Batch.of({"rgb": torch.zeros(2, 3, 32, 16, device="cuda")})))
        return ()

    monkeypatch.setattr(ClusterContrast, "diagnostics", diagnostics)
    train(tiny_recipe("cluster_contrast", crops), tmp_path / "run", display=QUIET)
    assert embedded[0].is_cuda


def test_a_network_that_was_trained_there_is_exported(crops, tmp_path):
    train(tiny_recipe("cluster_contrast", crops), tmp_path / "run", display=QUIET)
    assert export_onnx(load(tmp_path / "run", device="cuda"), tmp_path / "network.onnx").deviation < 1e-3


def test_the_shipped_recognizer_embeds_what_it_embeds_on_the_cpu(crops):
    vectors = load(device="cuda", precision="32").embed(crops_of(crops))
    np.testing.assert_allclose(vectors, load(device="cpu", precision="32").embed(crops_of(crops)), atol=1e-4)


@pytest.mark.parametrize("eps", [0.6, "auto"])
def test_clusters_are_those_of_the_cpu(eps):
    rows = made_rows()
    expected = pseudo_labels(rows, eps=eps)
    assert expected.num_clusters > 1
    np.testing.assert_array_equal(pseudo_labels(rows.cuda(), eps=eps).labels, expected.labels)


def test_neighbors_and_reranking_are_those_of_the_cpu():
    rows = made_rows()
    ours, expected = nearest_neighbors(rows.cuda(), 10), nearest_neighbors(rows, 10)
    np.testing.assert_array_equal(ours.rows, expected.rows)
    np.testing.assert_allclose(ours.similarity, expected.similarity, atol=1e-5)
    distances = k_reciprocal(rows[:100].cuda(), rows[100:].cuda())
    np.testing.assert_allclose(distances, k_reciprocal(rows[:100], rows[100:]), atol=1e-4)


@pytest.mark.parametrize("slack", [None, 0.05])
def test_a_transport_plan_is_that_of_the_cpu(slack):
    rows = made_rows()
    cost = 1 - rows @ rows[:40].T
    cost[5, 1:] = torch.inf
    plan = sinkhorn(cost.cuda(), column_slack=slack)
    torch.testing.assert_close(plan.cpu(), sinkhorn(cost, column_slack=slack), atol=1e-5, rtol=0)
    with pytest.raises(DataError, match="every cost of row 5 is infinite"):
        sinkhorn(cost[:, 1:].cuda(), column_slack=slack)


@pytest.mark.parametrize(
    "augmentation",
    [
        Augmentation(),
        Augmentation(erase_value="noise", erase=1.0),
        Augmentation(rotate=20.0, shear=10.0, scale=(0.8, 1.2), brightness=0.3, contrast=0.3, saturation=0.3),
    ],
    ids=["usual", "noise", "warped"],
)
def test_pictures_are_augmented_as_on_the_cpu(augmentation):
    preprocessing = Preprocessing(size=(32, 16))
    images = torch.randint(0, 256, (12, 32, 16, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    draws = draw(len(images), (32, 16), augmentation, np.random.default_rng(0))
    expected = apply_draws(images, preprocessing, augmentation, draws)
    ours = apply_draws(images.cuda(), preprocessing, augmentation, draws)
    torch.testing.assert_close(ours.cpu(), expected, atol=2e-3, rtol=0)
