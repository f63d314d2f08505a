"""One contract for every method, as timm has one for every model: a new method gets all of this for nothing.

Every recipe of the catalog is made tiny (a trunk of two blocks, pictures of 32 x 16, four identities) and carried out.
One recipe of each method runs every day, all of them with ``uv run pytest -m slow``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from reknow.data.cache import Pictures
from reknow.data.formats import open_dataset
from reknow.errors import DataError
from reknow.methods.catalog import METHODS, recipe_named, recipes
from reknow.methods.firm.network import FirmNetworkConfig
from reknow.methods.method import Method, Moment
from reknow.methods.recipe import Recipe
from reknow.methods.sampling import Sampling
from reknow.methods.training_set import TrainingSet
from reknow.models.channel_search import SearchSpace, SupernetConfig, Unit
from reknow.models.cross_spectrum import CrossSpectrumConfig
from reknow.models.embedder import EmbedderConfig
from reknow.models.multiple_granularities import MultipleGranularitiesConfig
from reknow.models.network import NetworkConfig
from reknow.models.text import TextTowerConfig
from reknow.models.transformer import TransformerConfig
from reknow.observation import SPECTRA, Batch
from reknow.progress import Display
from reknow.recognizer import Recognizer, load
from reknow.training.train import train
from reknow.values import to_plain

SIZE = (32, 16)
TRUNK = TransformerConfig(
    image_size=SIZE, width=16, depth=2, heads=2, patch_size=4, stride=4, extra_tokens=2, cameras=2, drop_path=0.1
)
SPACE = SupernetConfig(
    first=8,
    last=16,
    units=tuple(Unit(blocks=1, most=12, options=3, step=4, stride=stride) for stride in (2, 1)),
    temperature=1e6,
    decay=1.0,
)
QUIET = Display(quiet=True)
ACROSS_SPECTRA = CrossSpectrumConfig, FirmNetworkConfig
MOMENT = Moment(epoch=0, epochs=1, step=0, steps=1)


def around(network: NetworkConfig, trunk: TransformerConfig) -> NetworkConfig:
    """The network on another trunk; MGN's branches are those of a ResNet-50, which stays, without modules in it.

    What searches channels, and what was found, stays too, in a small space; a large temperature leaves masks as they
    are whatever is drawn, and two processes draw each their own.
    """
    if isinstance(network, EmbedderConfig) and isinstance(network.trunk, SearchSpace):
        searching = isinstance(network.trunk, SupernetConfig)
        return replace(network, trunk=SPACE if searching else SPACE.with_channels((8, 12)))
    if isinstance(network, MultipleGranularitiesConfig):
        return replace(network, trunk=network.trunk.plain(), reduced=8)
    if isinstance(network, ACROSS_SPECTRA):
        trunk = replace(trunk, stems=network.spectra)
    if isinstance(network, FirmNetworkConfig):
        network = replace(network, text=TextTowerConfig(width=8, depth=3, heads=2))
    feature = getattr(network, "feature", "cls")
    return network.around(trunk, "cls" if feature == "projected" else feature)


def tiny_recipe(name: str, data: str) -> Recipe:
    """The recipe with its method and everything of its own, on a trunk that trains in milliseconds."""
    recipe = recipe_named(name)
    if isinstance(recipe.network, ACROSS_SPECTRA):
        data = data.replace("table.csv", f"one_of_{'_'.join(recipe.network.spectra[:2])}.csv")
    return replace(
        recipe,
        data=data,
        network=around(recipe.network, TRUNK),
        weights="random",
        follow_weights=False,
        preprocessing=replace(recipe.preprocessing, size=SIZE),
        augmentation=replace(recipe.augmentation, pad=2),
        # Not the recipe's: a batch of 512 has no place in a data set of 24.
        sampling=Sampling(batch_size=8, instances=2),
        schedule=replace(recipe.schedule, milestones=()),  # they lie beyond the end of such a run
        epochs=1,
        iterations=2,
        evaluate_every=0,
        precision="32",
    )


DAILY = {*METHODS, "cluster_contrast/visible_infrared"}


@pytest.fixture(
    params=[pytest.param(name, marks=() if name in DAILY else pytest.mark.slow) for name in sorted(recipes())]
)
def recipe(request: pytest.FixtureRequest, data: str) -> Recipe:
    return tiny_recipe(request.param, data)


@pytest.fixture
def data(tmp_path: Path) -> str:
    """Four identities x two cameras x three shots in three spectra, that can be told apart."""
    rng = np.random.default_rng(0)
    lines = ["identity,camera,split," + ",".join(SPECTRA)]
    for identity in range(4):
        color = rng.integers(30, 220, 3)
        for camera in range(2):
            for shot in range(3):
                stem = f"{identity}_{camera}_{shot}"
                for spectrum in SPECTRA:
                    pixels = (color + rng.integers(-25, 25, (*SIZE, 3))).clip(0, 255).astype(np.uint8)
                    Image.fromarray(pixels).save(tmp_path / f"{stem}_{spectrum}.png")
                names = ",".join(f"{stem}_{spectrum}.png" for spectrum in SPECTRA)
                lines.append(f"{identity},c{camera},train,{names}")
    (tmp_path / "table.csv").write_text("\n".join(lines) + "\n")
    for pair in (("rgb", "nir"), ("rgb", "tir")):
        (tmp_path / f"one_of_{'_'.join(pair)}.csv").write_text(_one_spectrum_a_camera(lines, pair))
    return f"table:{tmp_path / 'table.csv'}"


def _one_spectrum_a_camera(lines: list[str], pair: tuple[str, str]) -> str:
    """The same rows with one picture each: the first camera's of the pair's first spectrum, the others' of its
    second."""
    kept = [lines[0]]
    for line in lines[1:]:
        *known, camera, split = (cells := line.split(","))[:3]
        only = pair[camera != "c0"]
        pictures = [name if spectrum == only else "" for spectrum, name in zip(SPECTRA, cells[3:], strict=True)]
        kept.append(",".join([*known, camera, split, *pictures]))
    return "\n".join(kept) + "\n"


def training_set_of(recipe: Recipe) -> TrainingSet:
    rows = open_dataset(recipe.data)
    return TrainingSet(
        rows,
        lambda: Pictures.open(rows, SIZE, interpolation=recipe.preprocessing.interpolation),
        recipe.preprocessing,
        names=recipe.method.supervised,
    )


def built(recipe: Recipe) -> tuple[Method, TrainingSet]:
    torch.manual_seed(0)
    training_set = training_set_of(recipe)
    method = recipe.method.build(recipe.network.build().eval(), training_set)
    return method.eval(), training_set


def batch_of(method: Method, training_set: TrainingSet) -> Batch:
    """Some planned rows with their labels."""
    plan = method.before_epoch(0, training_set)
    rows, labels = plan.rows[:8], torch.from_numpy(plan.labels[:8])
    (batch,) = training_set.batches(rows)
    return replace(batch, label=labels)


def losses_of(folder: Path) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    steps = [line for line in lines if line["kind"] == "step"]
    return [{name: value for name, value in line.items() if name.startswith("loss")} for line in steps]


def test_a_run_trains_and_its_recognizer_comes_back_equal(recipe: Recipe, tmp_path: Path) -> None:
    outcome = train(recipe, tmp_path / "run", display=QUIET)
    losses = losses_of(tmp_path / "run")
    assert len(losses) == 2 and all(np.isfinite(value) for line in losses for value in line.values())
    vectors = outcome.training.vectors
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-4)
    recognizer = load(tmp_path / "run", device="cpu", precision="32")
    assert vectors.shape == (24, recognizer.dim)
    np.testing.assert_allclose(recognizer.embed(open_dataset(recipe.data)), vectors, atol=1e-5)
    assert yaml.safe_load((tmp_path / "run" / "recipe.yaml").read_text()) == to_plain(recipe)


def test_terms_are_scalars_with_a_gradient_and_means_over_rows(recipe: Recipe) -> None:
    method, training_set = built(recipe)
    batch = batch_of(method, training_set)
    terms = method.losses(batch, MOMENT)
    assert terms and all(term.shape == () for term in terms.values())
    sum(terms.values(), start=torch.zeros(())).backward()
    assert any(parameter.grad is not None and parameter.grad.any() for parameter in method.parameters())
    # Every row twice is the same mean; a sum would double.
    twice = batch[torch.arange(len(batch)).repeat(2)]
    for name, term in method.losses(twice, MOMENT).items():
        torch.testing.assert_close(term, terms[name], rtol=1e-4, atol=1e-5)


def test_a_resumed_run_equals_the_unbroken_one_to_the_bit(recipe: Recipe, tmp_path: Path, stop) -> None:
    recipe = replace(recipe, epochs=2)
    train(recipe, tmp_path / "whole", display=QUIET)
    stop(recipe, tmp_path / "broken")
    train(recipe, tmp_path / "broken", resume=True, display=QUIET)
    whole, resumed = (
        torch.load(tmp_path / name / "checkpoints" / "last.pt", weights_only=True)["method"]
        for name in ("whole", "broken")
    )
    assert whole.keys() == resumed.keys()
    assert [name for name in whole if not torch.equal(whole[name], resumed[name])] == []


def test_cameras_that_nobody_knows_and_spectra_that_lack_are_defined(recipe: Recipe, tmp_path: Path) -> None:
    network = recipe.network.build().eval()
    read = SPECTRA[:1] if isinstance(recipe.network, ACROSS_SPECTRA) else SPECTRA  # they read one of a row's
    pictures = {spectrum: torch.rand(3, 3, *SIZE) for spectrum in read}
    with torch.inference_mode():
        for camera in (torch.tensor([-1, -1, -1]), torch.tensor([0, 1, 99])):
            vectors = network(Batch.of(pictures, camera=camera))
            assert vectors.shape == (3, network.dim)
            torch.testing.assert_close(vectors.norm(dim=1), torch.ones(3), atol=1e-4, rtol=0)
        unknown = network(Batch.of(pictures, camera=torch.tensor([-1, -1, -1])))
        torch.testing.assert_close(network(Batch.of(pictures, camera=torch.tensor([99, 99, 99]))), unknown)
        for lacking in network.spectra:
            there = {name: torch.tensor([True, name != lacking, True]) for name in read}
            try:
                vectors = network(Batch.of(pictures, there))
            except DataError as error:
                assert lacking in str(error)  # the network needs it, and says so
            else:
                assert torch.isfinite(vectors).all() and (vectors.norm(dim=1) > 0.99).all()
        with pytest.raises(DataError):
            network(Batch.of(pictures, {name: torch.zeros(3, dtype=torch.bool) for name in read}))


def test_what_is_saved_holds_no_trace_of_the_training_rows(recipe: Recipe, tmp_path: Path) -> None:
    """A recognizer is the network alone; memories and labels stay in the run's checkpoint."""
    method, _ = built(recipe)
    Recognizer(recipe.network, method.network, recipe.preprocessing, _card(recipe)).save(tmp_path / "saved")
    assert {name.split(".")[0] for name in method.network.state_dict()} <= set(dir(method.network))
    assert load(tmp_path / "saved", device="cpu").dim == method.network.dim


def _card(recipe: Recipe) -> Any:
    from reknow.recognizer import Card

    return Card(name=recipe.name)


UNSUPERVISED = [name for name in sorted(DAILY) if not recipe_named(name).method.supervised]


@pytest.mark.parametrize("name", UNSUPERVISED)
def test_losses_do_not_depend_on_identities_and_file_names(name: str, data: str, tmp_path: Path) -> None:
    """The same pictures in the same order, under other names and with identities that are anybody's."""
    table = Path(data.partition(":")[2])
    header, *lines = table.read_text().splitlines()
    rng = np.random.default_rng(1)
    identities = rng.permutation([line.split(",")[0] for line in lines])
    other = tmp_path / "other"
    other.mkdir()
    names = rng.permutation(len(lines))
    changed = [header]
    for line, identity, number in zip(lines, identities, names, strict=True):
        _, camera, split, *pictures = line.split(",")
        moved = []
        for spectrum, picture in zip(SPECTRA, pictures, strict=True):
            moved.append(f"{number:03}_{spectrum}.png")
            (other / moved[-1]).write_bytes((tmp_path / picture).read_bytes())
        changed.append(",".join([str(identity), camera, split, *moved]))
    (other / "table.csv").write_text("\n".join(changed) + "\n")
    (other / "one_of_rgb_nir.csv").write_text(_one_spectrum_a_camera(changed, ("rgb", "nir")))
    train(tiny_recipe(name, data), tmp_path / "given", display=QUIET)
    train(tiny_recipe(name, f"table:{other / 'table.csv'}"), tmp_path / "shuffled", display=QUIET)
    assert losses_of(tmp_path / "given") == losses_of(tmp_path / "shuffled")
    purities = [
        [line["purity"] for line in map(json.loads, (tmp_path / run / "metrics.jsonl").read_text().splitlines())
         if line["kind"] == "epoch"]
        for run in ("given", "shuffled")
    ]  # fmt: skip
    assert purities[0] != purities[1]  # which the loop tells, from labels that the method never saw


SCRIPT = """
import sys, yaml
from pathlib import Path
from reknow.progress import Display
from reknow.training.train import train
from reknow.values import from_plain

for name in sys.argv[1:]:
    recipe = from_plain(yaml.safe_load(Path(name + ".yaml").read_text()), name)
    train(recipe, Path(name), display=Display(quiet=True))
"""


def _two_processes(names: list[str], data: str, tmp_path: Path, compare: Callable[[str], None]) -> None:
    folders = {name: name.replace("/", "-") for name in names}
    for name, folder in folders.items():
        # Plain descent in small steps: Adam's first ones have the size of the rate whatever the gradient.
        recipe = recipe_named(name)
        # A fresh ResNet-50 on pictures of one position at its end: the gradient of its first layer has a norm of 6,000,
        # and another order of sums changes it by a hundredth.
        lr = 1e-10 if isinstance(recipe.network, MultipleGranularitiesConfig) else 1e-3
        optimizer = replace(recipe.optimizer, kind="sgd", lr=lr, clip=None)
        # Drop path is drawn per process, and cluster contrast's temperature of 0.05 enlarges rounding.
        tiny = replace(tiny_recipe(name, data), optimizer=optimizer)
        tiny = replace(tiny, network=around(tiny.network, replace(TRUNK, drop_path=0.0)))
        (tmp_path / f"{folder}.yaml").write_text(yaml.safe_dump(to_plain(tiny)))
        train(tiny, tmp_path / f"{folder}-alone", display=QUIET)
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    subprocess.run(
        [*command, "script.py", *folders.values()],
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        check=True,
        capture_output=True,
        timeout=500,
    )
    for folder in folders.values():
        compare(folder)


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(
    "names",
    [pytest.param(sorted(METHODS), id="daily"), pytest.param(sorted(recipes()), id="all", marks=pytest.mark.slow)],
)
def test_two_processes_learn_what_one_does(names: list[str], data: str, tmp_path: Path) -> None:
    def compare(folder: str) -> None:
        together, alone = losses_of(tmp_path / folder), losses_of(tmp_path / f"{folder}-alone")
        assert len(together) == len(alone) == 2
        for several, one in zip(together, alone, strict=True):
            assert several == pytest.approx(one, rel=1e-4, abs=1e-4), folder

    _two_processes(names, data, tmp_path, compare)
