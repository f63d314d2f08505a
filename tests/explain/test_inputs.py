"""Networks and data: which observations are used, and what a method must select in them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from reknow.data.cache import Pictures
from reknow.data.formats import open_dataset
from reknow.data.loading import evaluation_batches
from reknow.data.manifest import Manifest
from reknow.errors import DataError, RunError
from reknow.explain import run, sample
from reknow.explain.panels import legend_of, panels_of
from reknow.explain.patches import covered, person_mask
from reknow.explain.run import Inputs, explain
from reknow.methods.method import Method, MethodConfig
from reknow.methods.recipe import Recipe
from reknow.methods.selected import PatchScores, PatchSet, SelectedPatches
from reknow.methods.tcmm.method import TCMMConfig
from reknow.methods.training_set import TrainingSet
from reknow.observation import Batch
from reknow.recognizer import Card, Recognizer

WORLD = "world:target?train_identities=2&test_identities=2"


@pytest.fixture
def inputs(tiny):
    def made(manifest: Manifest, *, recipe=tiny, shown: int = 1, **settings) -> Inputs:
        recognizer = Recognizer(recipe.network, recipe.network.build(), recipe.preprocessing, Card(name="made"), "cpu")
        return Inputs({"after": recognizer}, manifest, shown, **settings)

    return made


def test_test_rows_are_used_and_training_rows_where_there_are_none(inputs):
    manifest = open_dataset(WORLD)
    train = manifest.select(manifest.rows_of("train"))
    tested = {*manifest.split("query").column("observation"), *manifest.split("gallery").column("observation")}
    assert set(inputs(manifest).sample().column("observation")) == tested
    assert set(inputs(train).sample().column("observation")) == set(train.column("observation"))


def test_the_sample_is_bounded_and_always_the_same(inputs, monkeypatch):
    monkeypatch.setattr(sample, "MEASURED_AT_MOST", 5)
    names = [inputs(open_dataset(WORLD), shown=2).sample().column("observation") for _ in range(2)]
    assert len(names[0]) == 5 and names[0] == names[1]
    assert len(inputs(open_dataset(WORLD), shown=7).sample()) == 7


def test_one_of_the_networks_spectra_is_enough(inputs, editor, tmp_path):
    pictures = open_dataset(WORLD).column("rgb")[:3]
    rows = {"rgb": [pictures[0], None, pictures[1]], "tir": [None, pictures[2], None]}
    manifest = Manifest.from_columns(rows, root=tmp_path, name="made")
    assert len(inputs(manifest, recipe=editor).sample()) == 3
    assert len(inputs(manifest).sample()) == 2


def test_data_without_pictures_for_the_network_are_an_error(inputs, editor):
    manifest = open_dataset(f"{WORLD}&spectra=nir")
    with pytest.raises(DataError, match="column 'rgb'"):
        inputs(manifest).sample()
    with pytest.raises(DataError, match="1 or more"):
        inputs(open_dataset(WORLD), shown=0).sample()


def test_what_cannot_be_measured_is_one_batch(inputs, monkeypatch):
    monkeypatch.setattr(run, "EVALUATION_BATCH_SIZE", 4)
    manifest = open_dataset(WORLD)
    assert len(inputs(manifest).one_batch(manifest)) == 4
    assert len(inputs(manifest, shown=6).one_batch(manifest)) == 6


@dataclass(frozen=True)
class Made(MethodConfig):
    """A method unknown to the package: it selects given patches, the same in every picture.

    Attributes:
        sets: per set, per spectrum, the chosen ones of 8 patches.
        expected: per set, where it ought to lie.
        batches: (rows, cameras) of every batch.
    """

    sets: dict[str, dict[str, list[int]]] = field(default_factory=lambda: {"kept": {"rgb": [0]}})
    expected: dict[str, Any] = field(default_factory=dict)
    drops: bool = False
    scored: bool = True
    batches: list[tuple[list[int], list[int]]] = field(default_factory=list)

    def build(self, network: Any, training_set: TrainingSet) -> Method:
        raise NotImplementedError

    def selects_patches(self, network: Any) -> bool:
        return True

    def selected_patches(self, network: Any, batch: Batch) -> SelectedPatches:
        self.batches.append((batch.index.tolist(), batch.camera.tolist()))

        def mask(chosen: list[int]) -> np.ndarray:
            return np.tile(np.isin(np.arange(8), chosen), (len(batch), 1))

        sets = tuple(
            PatchSet(
                name=name,
                meaning=f"that are {name}",
                patches={spectrum: mask(chosen) for spectrum, chosen in by_spectrum.items()},
                expected=self.expected.get(name, "object"),
            )
            for name, by_spectrum in self.sets.items()
        )
        values = {spectrum: np.tile(np.arange(8.0), (len(batch), 1)) for spectrum in next(iter(self.sets.values()))}
        scores = PatchScores(name="order", meaning="the place in the grid", values=values) if self.scored else None
        return SelectedPatches(grid=(4, 2), sets=sets, scores=scores, drops=self.drops)


def test_every_network_gets_every_picture_in_order(inputs):
    calls, method = [], Made()
    rows = open_dataset(WORLD).select(np.arange(5))
    made = inputs(rows, progress=lambda done, total: calls.append((done, total)))
    selected = made.selected(rows, made.recognizers["after"].pictures_of(rows), method)
    assert list(selected) == ["after"] and len(selected["after"]) == 5
    assert method.batches == [([0, 1, 2, 3, 4], [-1] * 5)]
    assert calls == [(5, 5)]


def test_three_sets_of_an_unknown_method_are_drawn_and_measured(inputs):
    sets = {"head": {"rgb": [0, 1]}, "torso": {"rgb": [2]}, "rim": {"rgb": [6, 7]}}
    found = explain(Made(sets=sets, expected={"rim": "background"}), inputs(open_dataset(WORLD)))
    assert [mark.form for mark, _ in legend_of(found)] == ["whole green frame", "disc", "broken red frame"]
    assert [meaning for _, meaning in legend_of(found)][2] == "that are rim, broken red frame"
    (line,) = panels_of(found, 0).values()
    assert list(line) == ["picture", "after training"]
    assert (found.counts["head"], found.counts["torso"], found.counts["rim"]) == (2.0, 1.0, 2.0)
    names = {share.name for share in found.shares}
    assert {"precision", "recall", "precision_torso", "recall_rim", "precision_rim_small", "recall_large"} <= names
    on_object = found.object_share["rgb"] >= 0.5
    numbers = found.numbers()
    assert numbers["precision"] == pytest.approx(100 * on_object[:, :2].mean())
    assert numbers["precision_rim"] == pytest.approx(100 * (~on_object[:, 6:]).mean())
    assert "Precision of rim patches, against background" in {share.title for share in found.shares}
    assert "Torso: patches that are torso." in found.about and "of background in the object's place" in found.basis


def test_an_unknown_method_may_select_other_patches_in_each_spectrum(inputs, editor):
    sets = {"kept": {"rgb": [0, 1], "tir": [4]}, "warm": {"rgb": [], "tir": [4, 5]}, "same": {"rgb": [3], "tir": [3]}}
    data = open_dataset(f"{WORLD}&spectra=rgb,nir,tir")
    found = explain(Made(sets=sets, drops=True, scored=False), inputs(data, recipe=editor))
    lines = panels_of(found, 0)
    assert list(lines) == ["rgb", "tir"]
    assert list(lines["tir"]) == ["picture", "warm", "same", "kept", "dropped"]
    assert [mark.form for mark, _ in legend_of(found)] == ["disc", "zigzag"]
    assert found.counts["kept"] == 1.5
    on_object = found.object_share["tir"] >= 0.5
    numbers = found.numbers()
    assert numbers["precision_tir"] == pytest.approx(100 * on_object[:, 4].mean())
    assert numbers["precision_warm_tir"] == pytest.approx(100 * on_object[:, 4:6].mean())
    # What is the same in all spectra is not asked in each.
    assert not [name for name in numbers if name.startswith("precision_same_") and name.endswith(("rgb", "tir"))]


def test_a_method_that_does_not_select_as_it_says_is_an_error_that_names_it(inputs):
    class Silent(Made):
        def selected_patches(self, network: Any, batch: Batch) -> SelectedPatches | None:
            return None

    class Short(Made):
        def selected_patches(self, network: Any, batch: Batch) -> SelectedPatches:
            return super().selected_patches(network, batch[:1])

    for method, found in ((Silent(), "nothing"), (Short(), "patches of 1 observations")):
        with pytest.raises(RunError, match=rf"{type(method).__name__}\.selected_patches: {found}"):
            explain(method, inputs(open_dataset(WORLD)))


# --- TCMM -------------------------------------------------------------------------------------------------------------

TCMM = TCMMConfig(alpha=0.25)


@pytest.fixture
def twice(inputs):
    """The same network before and after."""

    def made(manifest: Manifest, recipe: Recipe, **settings) -> Inputs:
        once = inputs(manifest, recipe=recipe, **settings)
        return replace(once, recognizers={"before": once.recognizers["after"], **once.recognizers})

    return made


def test_on_the_world_the_choice_is_measured(twice, tiny):
    manifest = open_dataset(WORLD)
    networks = twice(manifest, tiny, shown=2)
    found = explain(TCMM, networks)
    reference = dict(zip(manifest.column("observation"), manifest.column("rgb"), strict=True))
    mask = person_mask(reference[found.names[3]])
    assert found.object_share is not None and mask is not None
    assert found.object_share["rgb"][3].tolist() == covered(mask, (4, 2)).tolist()
    # One network twice: nothing can have changed, and the picture beside each choice is its own.
    assert [share.change and share.change.mean for share in found.shares] == [0.0, 0.0]
    recognizer = networks.recognizers["after"]
    stored = Pictures.from_arrays({"rgb": found.pictures["rgb"][3:4]})
    (batch,) = evaluation_batches(stored, np.arange(1), np.array([-1]), recognizer.preprocessing, "cpu")
    again = TCMM.selected_patches(recognizer.network, batch)
    assert again is not None
    expected = found.after["positives"].patches["rgb"][3:4]
    assert again["positives"].patches["rgb"].tolist() == expected.tolist()


def test_numbers_are_percent_under_their_own_names(twice, tiny):
    found = explain(TCMM, twice(open_dataset(WORLD), tiny))
    facts, numbers = found.facts(), found.numbers()
    assert set(facts["shares"]) == {"negatives_on_background", "positives_on_person"}
    share = facts["shares"]["negatives_on_background"]
    assert facts["patches"] == 8 and facts["negatives"] == 2 and facts["grid"] == [4, 2]
    assert 1 < share["chance"]["after"] <= 100
    assert share["after"]["low"] <= share["after"]["mean"] <= share["after"]["high"] <= 100
    assert numbers["negatives_on_background"] == numbers["start_negatives_on_background"] == share["after"]["mean"]
    assert numbers["negatives_on_background_by_chance"] == share["chance"]["after"]


def test_own_pictures_have_a_sheet_and_no_shares(inputs, crops, monkeypatch):
    monkeypatch.setattr(run, "EVALUATION_BATCH_SIZE", 4)
    manifest = open_dataset(f"folder:{crops}")
    found = explain(TCMM, inputs(manifest, shown=6))
    assert len(found.names) == 6 and set(found.names) <= set(manifest.column("observation"))
    assert found.object_share is None and found.shares == () and found.facts()["shares"] == {}
    assert found.numbers() == {} and "outline" not in found.about


def test_a_crop_of_the_world_is_not_measured_by_the_whole_mask(inputs, tmp_path):
    rows = {"rgb": open_dataset(WORLD).column("rgb")[:3], "crop": ["0 0 32 64"] * 3}
    manifest = Manifest.from_columns(rows, root=tmp_path, name="cropped")
    assert explain(TCMM, inputs(manifest)).object_share is None


# --- EDITOR -----------------------------------------------------------------------------------------------------------

SPECTRAL = f"{WORLD}&spectra=rgb,nir,tir"


def test_on_the_world_precision_and_recall_are_measured(twice, editor):
    found = explain(editor.method, twice(open_dataset(SPECTRAL), editor))
    numbers = found.numbers()
    for name in ("precision", "recall", "precision_small", "recall_high_clutter", "precision_spatial_nir"):
        assert 0 <= numbers[name] <= 100 and numbers[name] == numbers[f"start_{name}"]
        assert f"{name}_by_chance" in numbers
    assert {share.change.mean for share in found.shares if share.change and share.known} == {0.0}
    assert found.facts()["shares"]["precision"]["after"]["mean"] == numbers["precision"]
    assert found.counts["frequency"] == 2 and found.counts["spatial"] <= 2
    assert found.counts["patches"] == 8 and found.counts["spectra"] == ["rgb", "nir", "tir"]
    leading = {share.name for share in found.leading}
    assert leading >= {"precision", "recall_spatial_tir", "recall_frequency"} and "recall_frequency_tir" not in leading


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({"rule": "everything"}, 8),
        ({"head_keep": 0}, 2),
        ({"masks": "per_spectrum", "head_keep": 0}, 2),
        ({"rule": "random", "head_keep": 0}, 2),
    ],
    ids=["everything", "pixels alone", "per spectrum", "random"],
)
def test_every_rule_is_explained(inputs, editor, changes, kept):
    network = replace(editor.network, selection=replace(editor.network.selection, **changes))
    found = explain(editor.method, inputs(open_dataset(SPECTRAL), recipe=replace(editor, network=network)))
    assert found.counts["kept"] == kept
    assert list(panels_of(found, 0)) == ["rgb", "nir", "tir"]
    assert not any(name.startswith("precision_spatial") for name in found.numbers())
    assert all(share.known for share in found.leading) and found.numbers()["precision"] >= 0


def test_missing_spectra_and_other_data_are_no_obstacle(inputs, editor, crops, tmp_path):
    whole = open_dataset(SPECTRAL)
    rows = {"rgb": [whole.column("rgb")[0], None], "tir": [None, whole.column("tir")[1]]}
    manifest = Manifest.from_columns(rows, root=tmp_path, name="made")
    found = explain(editor.method, inputs(manifest, recipe=editor, shown=2))
    present = {name: there[np.argsort(found.names)].tolist() for name, there in found.present.items()}
    assert present == {"rgb": [True, False], "nir": [False, False], "tir": [False, True]}
    assert found.object_share is not None and not found.object_share["nir"].any()
    assert "precision" in found.numbers() and "precision_nir" not in found.numbers()
    own = explain(editor.method, inputs(open_dataset(f"folder:{crops}"), recipe=editor))
    assert own.object_share is None and own.numbers() == {} and len(panels_of(own, 0)) == 3
    assert "outline" not in own.about


def test_one_spectrum_alone_is_measured_without_repeating_itself(inputs, editor):
    recipe = replace(editor, network=replace(editor.network, spectra=("tir",)))
    found = explain(editor.method, inputs(open_dataset(SPECTRAL), recipe=recipe))
    assert list(panels_of(found, 0)) == [""]
    assert not any("tir" in share.name for share in found.shares)
