"""Attention of one run or two: which pictures, which numbers, and what cannot be explained."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from reknow.data.formats import open_dataset
from reknow.data.manifest import Manifest
from reknow.errors import DataError, RunError
from reknow.explain import sample
from reknow.explain.attention import attention_in, explain_attention
from reknow.explain.patches import covered
from reknow.methods.recipe import Recipe
from reknow.models.embedder import EmbedderConfig
from reknow.models.osnet import OSNetConfig
from reknow.recognizer import Card, Recognizer
from reknow.training.run import Run
from reknow.world import rendering_of

WORLD = "world:target?train_identities=2&test_identities=2"
OCCLUDED = f"{WORLD}&occlusion=0.5"


def recognizer_of(recipe: Recipe, seed: int = 0) -> Recognizer:
    torch.manual_seed(seed)
    return Recognizer(recipe.network, recipe.network.build(), recipe.preprocessing, Card(name="made"), "cpu")


@pytest.fixture
def convolutional(tiny):
    return replace(tiny, network=EmbedderConfig(trunk=OSNetConfig()))


@pytest.fixture
def finished(tiny, tmp_path):
    """A finished run, without the training."""

    def made(name: str, data: str = OCCLUDED, recipe: Recipe = tiny, seed: int = 0) -> Run:
        run = Run.create(tmp_path / name, replace(recipe, data=data))
        recognizer_of(recipe, seed).save(run.folder / "recognizer")
        return run

    return made


# --- Numbers ----------------------------------------------------------------------------------------------------------


def test_the_share_is_that_of_the_maps_on_the_true_masks(finished):
    made = explain_attention([finished("baseline")])
    maps, manifest = made.networks["baseline"], open_dataset(OCCLUDED)
    references = dict(zip(manifest.column("observation"), manifest.column("rgb"), strict=True))
    shares, uniform = [], []
    for row, name in enumerate(made.names):
        inside = covered(rendering_of(references[name]).person, maps.grid)
        shares.append(maps.values["rgb"][row] @ inside)
        uniform.append(inside.mean())
    assert made.share is not None and made.share.change is None and made.notes == ()
    assert made.share.value["baseline"].mean == pytest.approx(np.mean(shares), rel=1e-5)
    assert made.share.chance["baseline"] == pytest.approx(np.mean(uniform))
    (facts,) = made.facts()["runs"]
    assert facts["on_object"]["mean"] == pytest.approx(100 * np.mean(shares), rel=1e-5)
    assert facts["uniform"] == pytest.approx(100 * np.mean(uniform))
    assert (facts["map"], facts["layer"], facts["grid"]) == ("rollout", None, [4, 2])
    json.dumps(made.facts(), allow_nan=False)


def test_two_runs_are_compared_picture_by_picture(finished, convolutional):
    runs = [finished("baseline"), finished("rib", seed=5), finished("osnet", recipe=convolutional)]
    alone = [explain_attention([run]) for run in runs]
    for first, second in ((0, 1), (0, 2), (2, 1)):
        both = explain_attention([runs[first], runs[second]])
        names = [runs[first].folder.name, runs[second].folder.name]
        assert list(both.networks) == names and both.names == alone[0].names
        means = [alone[number].share.value[runs[number].folder.name].mean for number in (first, second)]
        assert [both.share.value[name].mean for name in names] == means
        assert both.share.change.mean == pytest.approx(means[1] - means[0], abs=1e-6)
        assert f"{names[1]} minus {names[0]}, picture by picture" in both.lines[-1]
    layers = [run["layer"] for run in both.facts()["runs"]]
    assert layers == ["conv4", None] and "osnet: class activation of stage 'conv4'" in both.about


def test_only_occluded_pictures_where_these_are_asked_for(finished):
    run, manifest = finished("baseline"), open_dataset(OCCLUDED)
    references = dict(zip(manifest.column("observation"), manifest.column("rgb"), strict=True))
    everything, hidden = explain_attention([run]), explain_attention([run], occluded=True)

    def occluded(name: str) -> bool:
        return rendering_of(references[name]).attributes["occlusion"] != "none"

    assert hidden.names == tuple(filter(occluded, everything.names)) and 0 < len(hidden.names) < len(everything.names)
    assert everything.facts()["occluded"] == hidden.facts()["occluded"] == len(hidden.names)
    for name, mask in zip(hidden.names, hidden.masks.visible["rgb"], strict=True):
        assert np.array_equal(mask, rendering_of(references[name]).person)


def test_a_stage_is_chosen_for_the_networks_that_have_stages(finished, convolutional):
    runs = [finished("vit"), finished("osnet", recipe=convolutional)]
    made = explain_attention(runs, layer="conv2")
    assert made.networks["osnet"].layer == "conv2" and made.networks["osnet"].grid == (4, 2)
    assert made.networks["vit"].layer == ""
    with pytest.raises(RunError, match=r"layer 'conv2': no convolutional network.*Leave out --layer"):
        explain_attention(runs[:1], layer="conv2")
    with pytest.raises(RunError, match=r"osnet, layer 'layer4'.*Known: conv2, conv3, conv4"):
        explain_attention(runs, layer="layer4")


def test_a_map_that_is_zero_everywhere_has_no_share_and_is_valid_json(convolutional):
    recognizer = recognizer_of(convolutional)
    with torch.no_grad():
        recognizer.network.trunk.conv5.bn.weight.zero_()
        recognizer.network.trunk.conv5.bn.bias.zero_()
    made = attention_in({"dead": recognizer}, open_dataset(WORLD))
    assert not made.networks["dead"].known and "no map in any picture" in made.lines[-1]
    facts = json.loads(json.dumps(made.facts(), allow_nan=False))
    assert facts["runs"][0]["on_object"]["mean"] is None and facts["runs"][0]["uniform"] is None


# --- Pictures ---------------------------------------------------------------------------------------------------------


def test_own_pictures_have_maps_and_a_sentence_on_why_there_is_no_share(finished, crops):
    made = explain_attention(
        [finished("own", f"folder:{crops}"), finished("other", f"folder:{crops}", seed=1)], shown=3
    )
    assert len(made.names) == 3 and made.share is None and made.masks is None
    assert "known of whole pictures of the synthetic world alone" in made.notes[0]
    assert all(run["on_object"] is None for run in made.facts()["runs"])
    np.testing.assert_allclose(made.networks["own"].values["rgb"].sum(axis=1), 1, rtol=1e-5)
    assert not any("object" in line for line in made.lines)


def test_pictures_without_a_mask_are_refused_where_one_is_needed(finished, crops, tmp_path):
    run = finished("own", f"folder:{crops}")
    with pytest.raises(DataError, match=r"pictures without a mask.*Leave out --occluded"):
        explain_attention([run], occluded=True)
    cropped = {"rgb": open_dataset(WORLD).column("rgb")[:3], "crop": ["0 0 32 64"] * 3}
    manifest = Manifest.from_columns(cropped, root=tmp_path, name="cropped")
    with pytest.raises(DataError, match="cropped: pictures without a mask"):
        attention_in({"own": recognizer_of(run.recipe())}, manifest, occluded=True)
    with pytest.raises(DataError, match=r"no occluded picture among the \d+.*occlusion=1"):
        explain_attention([run], f"{WORLD}&occlusion=0", occluded=True)


def test_the_sample_is_bounded(finished, monkeypatch):
    monkeypatch.setattr(sample, "MEASURED_AT_MOST", 4)
    run = finished("baseline")
    assert len(explain_attention([run], shown=2).names) == 4 and len(explain_attention([run], shown=6).names) == 6
    with pytest.raises(DataError, match="1 or more"):
        explain_attention([run], shown=0)


def test_several_spectra_are_those_that_both_runs_read(finished, tiny, editor):
    data = f"{WORLD}&spectra=rgb,nir,tir"
    runs = [finished("editor", data, editor), finished("rgb", data), finished("tir", data, _reading(tiny, "tir"))]
    assert explain_attention(runs[:1]).spectra == ("rgb", "nir", "tir")
    both = explain_attention([runs[0], runs[2]])
    assert both.spectra == ("tir",) and list(both.networks["editor"].values) == ["tir"]
    with pytest.raises(RunError, match="rgb and tir: rgb reads rgb; tir reads tir; expected a spectrum that both read"):
        explain_attention(runs[1:])


def _reading(recipe: Recipe, spectrum: str) -> Recipe:
    return replace(recipe, network=replace(recipe.network, spectrum=spectrum))


def test_observations_that_lack_a_spectrum_are_measured_in_the_others(editor, tmp_path):
    whole = open_dataset(f"{WORLD}&spectra=rgb,tir")
    rows = {"rgb": [whole.column("rgb")[0], None], "tir": [None, whole.column("tir")[1]]}
    manifest = Manifest.from_columns(rows, root=tmp_path, name="made")
    made = attention_in({"editor": recognizer_of(editor)}, manifest)
    there = {name: present[np.argsort(made.names)].tolist() for name, present in made.present.items()}
    assert there == {"rgb": [True, False], "nir": [False, False], "tir": [False, True]}
    assert made.share.known and not made.networks["editor"].values["nir"].any()


# --- Runs -------------------------------------------------------------------------------------------------------------


def test_two_runs_on_different_data_are_refused_unless_the_pictures_are_named(finished, tmp_path):
    runs = [finished("plain", WORLD), finished("occluded", OCCLUDED)]
    with pytest.raises(RunError, match=r"a run on .*occlusion=0.5, while .*plain is one on .*with --data"):
        explain_attention(runs)
    assert explain_attention(runs, WORLD).names == explain_attention(runs[:1]).names


def test_other_training_pictures_are_no_obstacle(finished):
    runs = [finished("few"), finished("many", OCCLUDED.replace("train_identities=2", "train_identities=5"))]
    assert explain_attention(runs).names == explain_attention(runs[:1]).names


def test_one_or_two_different_runs(finished, tmp_path):
    run, other = finished("a/run"), finished("b/run", seed=1)
    assert list(explain_attention([run, other]).networks) == [str(run.folder), str(other.folder)]
    with pytest.raises(RunError, match="the same run twice"):
        explain_attention([run, Run(Path(f"{run.folder.parent}/../a/run"))])
    with pytest.raises(RunError, match="3; expected one, or two to compare"):
        explain_attention([run] * 3)


def test_every_network_reports_its_progress(finished):
    calls = []
    explain_attention([finished("a"), finished("b", seed=1)], shown=1, progress=lambda *done: calls.append(done))
    assert len(calls) == 2 and all(done == total for done, total in calls)
