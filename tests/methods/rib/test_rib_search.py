"""The search: what learns when, its budget, the network that it leaves, and that it can be trained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from reknow.data.cache import Pictures
from reknow.data.manifest import Manifest
from reknow.data.transforms import Preprocessing
from reknow.errors import RecipeError
from reknow.methods.catalog import recipe_named
from reknow.methods.recipe import Recipe, Sampling
from reknow.methods.rib.method import RIB
from reknow.methods.rib.search import ARCHITECTURE, WEIGHTS, Search, SearchConfig, measure_batch_norms
from reknow.methods.training_set import TrainingSet
from reknow.models.channel_search import SupernetConfig, Unit
from reknow.models.channel_selection import ChannelSelectionBlock
from reknow.models.embedder import EmbedderConfig
from reknow.models.found_network import read_network
from reknow.models.inverted_residuals import MobileNetV2Config
from reknow.observation import Batch
from reknow.progress import Display
from reknow.recognizer import load
from reknow.training import run
from reknow.training.train import train

SIZE = (32, 16)
SPACE = SupernetConfig(
    first=4,
    last=8,
    units=tuple(Unit(blocks=1, most=12, options=3, step=4, expansion=2, stride=stride) for stride in (2, 1)),
    after=(("stage3", ChannelSelectionBlock()),),
)
SMALLEST, LARGEST = (number / 1e6 for number in SPACE.range_of_operations(SIZE))
MIDDLE = (SMALLEST + LARGEST) / 2
LABELS = np.repeat(np.arange(3), 4)
IMAGES = torch.randn(12, 3, *SIZE, generator=torch.Generator().manual_seed(0))
BATCH = replace(Batch.of({"rgb": IMAGES}), label=torch.from_numpy(LABELS))
QUIET = Display(quiet=True)


@pytest.fixture
def tiny_search(crops: Path) -> Recipe:
    recipe = recipe_named("rib/dcs_dnb_search_world")
    return replace(
        recipe,
        data=rf"folder:{crops}?identity_pattern=(person\d+)&camera=_c(\d)_",
        method=replace(recipe.method, budget=MIDDLE),
        network=EmbedderConfig(trunk=SPACE),
        preprocessing=replace(recipe.preprocessing, size=SIZE),
        sampling=Sampling(batch_size=8, instances=2),
        epochs=2,
        iterations=2,
    )


@pytest.fixture
def rows(tmp_path: Path) -> TrainingSet:
    """Three identities with four pictures each, for a run of four epochs."""
    columns = {"rgb": [f"{row}.png" for row in range(12)], "identity": [f"p{label}" for label in LABELS]}
    pixels = np.random.default_rng(0).integers(0, 256, (12, *SIZE, 3), dtype=np.uint8)
    return TrainingSet(
        Manifest.from_columns(columns, root=tmp_path, name="made"),
        lambda: Pictures.from_arrays({"rgb": pixels}),
        Preprocessing(size=SIZE),
        names=True,
        epochs=4,
    )


def search(**settings: float) -> Search:
    torch.manual_seed(0)
    config = SearchConfig(**{"budget": MIDDLE, **settings})
    return Search(EmbedderConfig(trunk=SPACE).build(), LABELS, config, SIZE)


def test_weights_and_architecture_learn_in_turns(tiny_search: Recipe, tmp_path: Path, monkeypatch) -> None:
    states: list[dict[str, Tensor]] = []

    def keep(self: run.Run, state: dict) -> None:
        states.append({name: tensor.clone() for name, tensor in state["method"].items()})

    monkeypatch.setattr(run.Run, "save", keep)
    outcome = train(replace(tiny_search, epochs=3), tmp_path / "run", display=QUIET)
    # Batch-norm statistics, which are no parameters, follow in both phases.
    theta, weights = set(), set()
    for name, _ in search().named_parameters():
        (theta if ".architecture." in name else weights).add(name)
    first, second, third = states
    assert len(theta) == 2
    assert all(
        not first[name].any() and second[name].any() and torch.equal(second[name], third[name]) for name in theta
    )
    assert [name for name in weights if not torch.equal(first[name], second[name])] == []
    assert not torch.equal(second["network.trunk.stem.0.weight"], third["network.trunk.stem.0.weight"])
    assert not torch.equal(second["classifiers.0.weight"], third["classifiers.0.weight"])
    lines = outcome.run.metrics().epochs
    assert [line.diagnostics["channels/stage2"] for line in lines[:2]] == [8, 8]
    assert lines[2].diagnostics["channels/stage2"] != 8
    assert lines[0].diagnostics["operations"] == pytest.approx(SPACE.operations([8.0, 8.0], SIZE) / 1e6, rel=1e-5)


@pytest.mark.parametrize(("block", "weights"), [(2, 1), (5, 3), (10, 5), (183, 92)])
def test_the_first_half_of_a_block_is_the_weights(block: int, weights: int) -> None:
    method = search(block=block)
    phases = [method.phase_of(epoch) for epoch in range(2 * block)]
    assert phases == 2 * ([WEIGHTS] * weights + [ARCHITECTURE] * (block - weights))


def test_what_exceeds_the_budget_pulls_at_theta_alone_and_below_it_nothing_does(moment) -> None:
    for budget, excess in ((SMALLEST, None), (LARGEST, 0.0)):
        method = search(budget=budget, operations_weight=2.0).train()
        term = method.losses(BATCH, moment)["operations"]
        expected = SPACE.operations([8.0, 8.0], SIZE) / 1e6
        assert term.item() == pytest.approx(2 * (expected / budget - 1) if excess is None else excess, rel=1e-5)
        term.backward()
        reached = {name for name, parameter in method.named_parameters() if parameter.grad is not None}
        assert reached == {f"network.trunk.architecture.stage{number}" for number in (2, 3)}
        pulls = [theta.grad for theta in method.supernet.architecture.values()]
        # Descent makes the largest option less probable and the smallest more.
        assert all((pull[0] > 0 > pull[-1]) if excess is None else not pull.any() for pull in pulls)


def test_the_found_network_is_within_the_budget_even_where_a_larger_one_is_more_probable(
    tiny_search: Recipe, rows: TrainingSet, tmp_path: Path
) -> None:
    outcome = train(tiny_search, tmp_path / "run", display=QUIET)
    network = read_network(outcome.run.folder)
    assert network.operations(network.channels, SIZE) <= MIDDLE * 1e6
    # The recognizer of the search is that network at test, with the supernet's weights.
    supernet = load(tmp_path / "run", device="cpu").network.trunk
    assert supernet.chosen_channels() == network.channels

    method = search()
    with torch.no_grad():
        for theta in method.supernet.architecture.values():
            theta.copy_(torch.tensor([9.0, 3.0, 0.0]))
    method.before_evaluation(rows)
    assert method.supernet.chosen.tolist() != [0, 0]
    assert SPACE.operations(method.supernet.chosen_channels(), SIZE) <= MIDDLE * 1e6
    assert read_text(method, tmp_path).channels == method.supernet.chosen_channels()


def read_text(method: Search, folder: Path):
    ((name, text),) = method.files().items()
    (folder / name).write_text(text)
    return read_network(folder)


def test_the_found_network_is_retrained_by_rib(tiny_search: Recipe, rows: TrainingSet, tmp_path: Path) -> None:
    recipe = recipe_named("rib/dcs_dnb_retrain_world")
    with pytest.raises(RecipeError, match="yet to be found"):
        recipe.network.build()
    shared = {name: getattr(tiny_search, name) for name in ("data", "preprocessing", "sampling", "iterations")}
    network = EmbedderConfig(trunk=SPACE.with_channels((8, 12)))
    outcome = train(replace(recipe, **shared, network=network, epochs=2), tmp_path / "run", display=QUIET)
    assert outcome.run.recipe().network.trunk.channels == (8, 12)
    assert recipe.method.eta == 1 and "loss/bottleneck" in outcome.run.metrics().steps[-1].terms
    assert isinstance(recipe.method.build(network.build(), rows), RIB)


def test_a_budget_below_the_smallest_network_is_refused_and_names_it(rows: TrainingSet) -> None:
    least = f"{np.ceil(SMALLEST * 100) / 100:g}"
    network = EmbedderConfig(trunk=SPACE).build()
    with pytest.raises(
        RecipeError, match=rf"method\.budget: 0.01 million operations; expected {least} or more"
    ) as caught:
        SearchConfig(budget=0.01).build(network, rows)
    assert "32 x 16" in caught.value.expected and f"--method.budget {least}" in caught.value.remedy
    assert SearchConfig(budget=float(least)).build(network, rows)


def test_a_network_without_a_supernet_is_refused(rows: TrainingSet) -> None:
    network = EmbedderConfig(trunk=MobileNetV2Config()).build()
    with pytest.raises(RecipeError, match=r"network\.trunk: a InvertedResiduals; expected a supernet"):
        SearchConfig().build(network, rows)


def test_settings_that_search_nothing_are_noted_once(rows: TrainingSet) -> None:
    notes = search(budget=LARGEST + 1, block=10).before_epoch(0, rows).notes
    assert ["excludes no network" in note for note in notes] == [True, False]
    assert ["before the architecture learns" in note for note in notes] == [False, True]
    assert search(budget=LARGEST + 1, block=10).before_epoch(1, rows).notes == ()
    assert search(block=4).before_epoch(0, rows).notes == ()


def test_batch_norms_are_measured_on_all_pictures_alike_and_nothing_else_changes() -> None:
    torch.manual_seed(0)
    norm = nn.BatchNorm1d(3, momentum=0.2)
    network = nn.ModuleDict({"norm": norm, "drop": nn.Dropout(0.5)}).eval()
    network.forward = lambda batch: network["drop"](norm(batch.images["rgb"].mean((2, 3))))  # type: ignore[method-assign]
    norm.running_mean.fill_(7.0)
    measure_batch_norms(network, [BATCH[:6], BATCH[6:11], BATCH[11:]])  # the last has one picture
    pooled = [part.mean((2, 3)) for part in (IMAGES[:6], IMAGES[6:11])]
    torch.testing.assert_close(norm.running_mean, torch.stack([part.mean(0) for part in pooled]).mean(0))
    torch.testing.assert_close(norm.running_var, torch.stack([part.var(0) for part in pooled]).mean(0))
    assert norm.momentum == 0.2 and not any(module.training for module in network.modules())
