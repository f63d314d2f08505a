"""EDITOR's studies ask what they say: rows that leave out what they name, and numbers that come from the run."""

from __future__ import annotations

import io
import math
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from PIL import Image

from reknow.data.formats import open_dataset
from reknow.methods.editor.method import EditorConfig
from reknow.methods.editor.network import EditorNetworkConfig
from reknow.models.transformer import SIZES
from reknow.progress import Display
from reknow.studies.carry_out import rows_of
from reknow.studies.catalog import STUDIES, study_named
from reknow.studies.editor import keep, larger, masks, transfer, trunk
from reknow.studies.editor.base import kept_tokens
from reknow.studies.editor.missing import by_subset
from reknow.studies.findings import Findings
from reknow.studies.folder import Record
from reknow.studies.sizes import THREE_SPECTRA, THREE_SPECTRA_SWEPT, Scale, Size
from reknow.studies.study import seeded
from reknow.training.initialization import initialized
from reknow.training.train import Outcome, train

EDITOR = sorted(name for name in STUDIES if name.startswith("editor"))
SCALES = get_args(Scale)
TINY = Size(train_identities=4, test_identities=3, epochs=1, batch_size=8)


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """One epoch of the base of ``editor`` on four people."""
    study = study_named("editor", "quick")
    recipe = replace(study.base, data=TINY.world("spectra=rgb,nir,tir"), epochs=1)
    recipe = replace(recipe, sampling=replace(recipe.sampling, batch_size=8, instances=2))
    return train(seeded(recipe, 1), tmp_path_factory.mktemp("runs") / "run", display=Display(quiet=True))


@pytest.mark.parametrize("name", EDITOR)
@pytest.mark.parametrize("scale", SCALES)
def test_every_row_sees_three_spectra_of_a_world_of_this_scale(name: str, scale: Scale) -> None:
    study = study_named(name, scale)
    for variant in study.variants:
        recipe = variant.of(study.base)
        assert "spectra=rgb,nir,tir" in recipe.data
        size = (THREE_SPECTRA if name == "editor" else THREE_SPECTRA_SWEPT)[scale]
        if variant.name.startswith("three times"):
            size = larger.larger(size)
        assert f"train_identities={size.train_identities}&" in recipe.data
        assert recipe.epochs == size.epochs


def test_the_ablation_has_the_paper_s_rows() -> None:
    study = study_named("editor", "laptop")
    recipes = {variant.name: variant.of(study.base) for variant in study.variants}
    parts = {}
    for name, recipe in recipes.items():
        method, network = recipe.method, recipe.network
        assert isinstance(method, EditorConfig)
        assert isinstance(network, EditorNetworkConfig)
        selects = network.aggregate and network.selection.rule == "salient"
        parts[name[0]] = parts.get(name[0], ()) or (
            selects, network.aggregate, method.background_weight > 0, method.center_weight > 0
        )  # fmt: skip
    assert {row: parts[row] for row in "ABCDEF"} == {
        "A": (False, False, False, False),
        "B": (False, True, False, False),
        "C": (True, True, False, False),
        "D": (True, True, True, False),
        "E": (True, True, False, True),
        "F": (True, True, True, True),
    }
    whole = recipes["F: all (EDITOR)"]
    assert whole == study.base
    assert recipes["F, synchronized transforms"].augmentation.synchronized
    assert len({(recipe.data, recipe.epochs, recipe.sampling, recipe.weights) for recipe in recipes.values()}) == 1


def test_kept_tokens_are_numbers_of_before_and_after(outcome: Outcome) -> None:
    numbers = kept_tokens(outcome)
    for name in ("precision", "recall", "recall_by_chance", "start_precision", "precision_frequency"):
        assert 0 <= numbers[name] <= 100, name


def test_every_subset_is_a_column(outcome: Outcome) -> None:
    numbers = by_subset(outcome)
    study = study_named("editor-missing", "quick")
    assert set(study.columns[1:]) < set(numbers)
    assert numbers["rgb+nir+tir"] == pytest.approx(outcome.summary.scores.mAP, abs=1e-6)
    assert len(numbers) == 14


def test_transfer_scores_every_world(outcome: Outcome, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(transfer.THREE_SPECTRA_SWEPT, "quick", TINY)
    study = transfer.study("quick")
    assert study.score_run is not None
    numbers = study.score_run(outcome)
    assert set(study.columns) == set(numbers)
    assert all(0 < value <= 100 for value in numbers.values())
    assert len(set(numbers.values())) == len(numbers)


def test_worlds_to_transfer_between_are_different_and_lying_pictures_have_a_lying_network() -> None:
    study = study_named("editor-transfer", "laptop")
    recipes = {variant.name: variant.of(study.base) for variant in study.variants}
    assert len({recipe.data for recipe in recipes.values()}) == len(transfer.WORLDS)
    assert recipes["vehicles"].preprocessing.size == recipes["vehicles"].network.trunk.image_size == (64, 128)
    assert "kind=vehicles" in recipes["vehicles"].data
    assert open_dataset(seeded(recipes["people elsewhere"], 2).data).name.startswith("world-people-source-2")


def test_each_condition_is_compared_with_its_own_baseline() -> None:
    for name, count in (("editor-masks", 3), ("editor-larger", 2)):
        study = study_named(name, "laptop")
        recipes = {variant.name: variant.of(study.base) for variant in study.variants}
        rows: dict[str, set[str]] = {}
        for row, recipe in recipes.items():
            rows.setdefault(row.partition(":")[0], set()).add(recipe.data)
        assert all(len(data) == 1 for data in rows.values())
        assert len(set.union(*rows.values())) == len(rows) == 3
        assert len(recipes) == len({repr(recipe) for recipe in recipes.values()}) == 3 * count
        for recipe in recipes.values():
            open_dataset(seeded(recipe, 1).data)
    assert masks.OCCLUDED in study_named("editor-masks", "laptop").variants[-1].of(study.base).data


def test_every_trunk_keeps_a_like_share_by_pixels() -> None:
    study = study_named("editor-trunk", "gpu")
    for variant in study.variants:
        recipe = variant.of(study.base)
        assert recipe.weights == ("random" if variant.name.endswith("random weights") else "shipped")
        assert recipe.preprocessing.size == recipe.network.trunk.image_size
        patches = math.prod(edge // recipe.network.trunk.stride for edge in recipe.network.trunk.image_size)
        assert recipe.network.selection.frequency_keep == pytest.approx(patches * 3 / 32, abs=0.5)
        recipe.network.build()
    rows = [tuple(row.values()) for row in study.measurements[0].settings]
    assert rows == [(size, patch) for size in SIZES for patch in (8, 16, 32)]


def test_shipped_weights_start_at_every_picture_size() -> None:
    study = study_named("editor-trunk", "laptop")
    shipped = [variant.of(study.base) for variant in study.variants if variant.of(study.base).weights == "shipped"]
    assert [recipe.preprocessing.size for recipe in shipped] == [(128, 64), (256, 128), (64, 32)]
    assert [math.prod(initialized(recipe).network.trunk.grid) for recipe in shipped] == [32, 128, 8]


def test_a_trunk_s_cost_counts_its_patches(monkeypatch: pytest.MonkeyPatch) -> None:
    config = trunk.TransformerConfig
    little = partial(config, image_size=(128, 64), width=16, depth=1, heads=2)
    monkeypatch.setattr(trunk, "TransformerConfig", lambda size, patch: little(patch=patch))
    costs = trunk.cost("small", 8)
    assert costs["patches"] == 128
    assert costs["seconds"] > 0
    assert costs["parameters"] > trunk.cost("small", 16)["parameters"] - 1


@pytest.mark.parametrize("scale", SCALES)
def test_the_sweep_of_keeping_can_be_drawn(scale: Scale) -> None:
    study = study_named("editor-keep", scale)
    random = np.random.default_rng(0)

    def record(variant: object) -> Record:
        numbers = {name: float(random.uniform(10, 90)) for name in study.columns}
        return Record(numbers=numbers, average_precision=random.random(9), machine={})

    rows = rows_of(study, {variant.name: [record(variant)] for variant in study.variants})
    findings = Findings(
        study=study.name, question=study.question, columns=study.columns, scale=scale, seeds=(1,), base={}, rows=rows,
        measurements={}, about={}, machines=[],
    )  # fmt: skip
    drawn = io.BytesIO()
    keep.plot(findings).savefig(drawn, format="png", dpi=40)
    assert Image.open(drawn).size[0] > 300


def test_where_data_differ_queries_are_not_paired(tmp_path: Path) -> None:
    study = study_named("editor-transfer", "quick")
    random = np.random.default_rng(0)
    records = {
        variant.name: [
            Record(numbers={"people": 50.0 + number}, average_precision=random.random(9), machine={})
            for number in range(2)
        ]
        for variant in study.variants
    }
    first, second, *_ = rows_of(study, records)
    assert second.over_queries is None
    assert second.difference["people"].mean == 0
    assert first.difference == {}


def test_what_keeps_no_patches_has_no_kept_tokens(outcome: Outcome) -> None:
    concatenated = study_named("editor", "quick").variants[0].of(outcome.recipe)
    assert kept_tokens(replace(outcome, recipe=concatenated)) == {}
