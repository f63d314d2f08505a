"""RIB's studies: what their rows differ in, that the first is TransReID, other data, and hidden queries."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from reknow.errors import RecipeError
from reknow.methods.catalog import recipe_named
from reknow.methods.supervised.recipes import transreid_world
from reknow.models.attention import SoftmaxAttention
from reknow.models.channel_selection import ChannelSelection
from reknow.models.found_network import network_as_text
from reknow.progress import Display
from reknow.recognizer import load
from reknow.recognizer.occlusion import occlusion_scores
from reknow.studies.catalog import STUDIES, study_named
from reknow.studies.findings import Findings, Row
from reknow.studies.rib.bound import by_epoch, left_of
from reknow.studies.rib.bound import plot as curves_of_epochs
from reknow.studies.rib.components import HIDDEN, with_hidden_queries
from reknow.studies.rib.searched import operations_of
from reknow.studies.rib.temperature import gradients_of_block, noise_of
from reknow.studies.study import changed, on_data, seeded
from reknow.training.run import Run
from reknow.training.train import Outcome, train


def findings_of(name, rows):
    study = study_named(name, "laptop")
    return Findings(
        study=name,
        question=study.question,
        columns=study.columns,
        scale="laptop",
        seeds=(1,),
        base={},
        rows=rows,
        measurements={},
        about={},
        machines=(),
    )


@pytest.mark.parametrize("name", ["rib", "rib-hard", "rib-occlusion"])
def test_the_first_row_is_transreid_and_the_others_add_the_parts(name):
    study = study_named(name, "laptop")
    base, selection, bound, both = (variant.of(study.base) for variant in study.variants)
    transreid = transreid_world()
    assert base.network == transreid.network
    for field in ("optimizer", "schedule", "augmentation", "preprocessing", "weights"):
        assert getattr(base, field) == getattr(transreid, field)
    for field in ("smoothing", "margin", "triplet_weight", "center_weight"):
        assert getattr(base.method, field) == getattr(transreid.method, field)
    assert (base.method.eta, base.network.trunk.attention) == (0.0, SoftmaxAttention())
    assert (selection.method.eta, selection.network.trunk.attention) == (0.0, ChannelSelection())
    assert (bound.method.eta, bound.network.trunk.attention) == (1.0, SoftmaxAttention())
    assert both == replace(bound, network=selection.network)
    assert ("occlusion=0.5" in base.data) == (name != "rib-occlusion")
    assert ("difficulty=hard" in base.data) == (name == "rib-hard")


@pytest.mark.parametrize(("name", "recipe"), [("rib-tcmm", "tcmm/world"), ("rib-editor", "editor/world")])
def test_inside_other_methods_each_row_has_one_part_more(name, recipe):
    study = study_named(name, "laptop")
    base, selection, bound = (variant.of(study.base) for variant in study.variants)
    usual = recipe_named(recipe)
    assert (base.method, base.network) == (usual.method, usual.network)
    assert selection.network.trunk == replace(base.network.trunk, attention=ChannelSelection())
    assert selection.method == base.method
    assert bound == replace(base, method=replace(base.method, bottleneck_weight=1.0))


def test_on_other_data_the_table_has_the_cameras_of_its_training_rows(crops):
    labelled = rf"folder:{crops}?identity_pattern=(person\d+)&camera=_c(\d)_"
    study = on_data(study_named("rib", "laptop"), labelled)
    assert study.base.data == labelled and study.base.network.trunk.cameras == 2
    assert on_data(study, f"folder:{crops}").base.network.trunk.cameras == 0
    assert seeded(study.base, 3).data == labelled
    assert [variant.of(study.base).data for variant in study.variants] == [labelled] * 4


@pytest.mark.parametrize("name", sorted(STUDIES))
def test_studies_that_take_other_data_name_none_in_their_rows(name, crops):
    study = study_named(name, "laptop")
    if study.any_data:
        assert not any(field.startswith("data") for variant in study.variants for field in variant.change)
        assert not study.measurements
    else:
        with pytest.raises(RecipeError, match=f"study '{name}', option --data"):
            on_data(study, f"folder:{crops}")


def test_curves_of_the_four_rows_over_the_share_that_is_hidden():
    study = study_named("rib-occlusion", "laptop")
    rows = tuple(
        Row(
            variant=variant.name,
            change=variant.change,
            differs={},
            numbers={name: np.array([90.0 - 20 * place - number]) for place, name in enumerate(("mAP", *HIDDEN))},
        )
        for number, variant in enumerate(study.variants)
    )
    findings = findings_of(study.name, rows)
    left, right = study.plot(findings).axes
    curves = {line.get_label(): line.get_ydata() for line in left.get_lines()}
    assert list(curves) == [variant.name for variant in study.variants]
    np.testing.assert_allclose(curves["+ bound"], [88, 68, 48, 28, 8])
    assert left.get_lines()[0].get_xdata().tolist() == [0, 0.2, 0.4, 0.6, 0.8]
    np.testing.assert_allclose(right.get_lines()[0].get_ydata(), [-1] * 5)


def test_a_run_is_scored_with_each_share_of_its_queries_hidden(tiny, tmp_path):
    data = "world:target?train_identities=4&test_identities=6&cameras=3"
    outcome = train(replace(tiny, data=data, epochs=1), tmp_path / "run", display=Display(quiet=True))
    hidden = with_hidden_queries(outcome)
    assert list(hidden) == ["20% hidden", "40% hidden", "60% hidden", "80% hidden"]
    expected = occlusion_scores(load(outcome.run.folder), data, (0.4,), display=Display(quiet=True))
    assert hidden["40% hidden"] == pytest.approx(expected[0].mAP)
    assert hidden["80% hidden"] != hidden["40% hidden"]


def test_noise_is_the_share_of_the_variance_in_the_mean_squared_norm():
    draws = [torch.tensor([3.0, 0.0]), torch.tensor([-3.0, 0.0]), torch.tensor([3.0, 0.0]), torch.tensor([-3.0, 0.0])]
    assert noise_of(draws) == {"norm": 0.0, "noise": 1.0}
    assert noise_of([torch.zeros(2)] * 2) == {"norm": 0.0, "noise": 0.0}
    shifted = noise_of([draw + torch.tensor([0.0, 4.0]) for draw in draws])
    assert shifted["norm"] == pytest.approx(4.0) and shifted["noise"] == pytest.approx(9 / 25)


def test_a_larger_temperature_has_smaller_and_quieter_gradients():
    small, large = (gradients_of_block(temperature, 3, 3) for temperature in (0.25, 5.0))
    assert small["norm"] > large["norm"] > 0 and small["noise"] > large["noise"] > 0
    assert gradients_of_block(5.0, 3, 3) == large


def test_every_epoch_s_information_and_its_bound_are_kept_and_the_inequality_holds(tmp_path):
    base = study_named("rib-bound", "quick").variants[3].of(study_named("rib-bound", "quick").base)
    data = "world:target?train_identities=6&test_identities=4&cameras=3"
    outcome = train(replace(base, data=data, epochs=2), tmp_path / "run", display=Display(quiet=True))
    numbers = by_epoch(outcome)
    epochs = outcome.run.metrics().epochs
    assert numbers["held_out/bound, epoch 2"] == epochs[1].diagnostics["held_out/bound"]
    assert numbers["bottleneck, epoch 1"] == epochs[0].diagnostics["bottleneck"]
    left = [left_of(line.diagnostics, prefix) for line in epochs for prefix in ("", "held_out/")]
    assert numbers["left, smallest"] == min(left)
    assert numbers["left, smallest"] >= -1e-6
    kept = {name: np.array([value]) for name, value in numbers.items()}
    row = Row(variant="bound", change={}, differs={}, numbers=kept)
    figure = curves_of_epochs(findings_of("rib-bound", (row,) * 4))
    drawn = figure.axes[1].get_lines()[0].get_ydata()
    np.testing.assert_allclose(drawn, [line.diagnostics["held_out/bottleneck"] for line in epochs])


def test_between_domains_no_row_knows_cameras_and_each_pair_has_the_four_rows():
    study = study_named("rib-cross-domain", "laptop")
    recipes = [variant.of(study.base) for variant in study.variants]
    assert {recipe.network.trunk.cameras for recipe in recipes} == {0}
    assert ["difficulty=hard" in recipe.evaluation_data for recipe in recipes] == [True] * 4 + [False] * 4
    assert all("kind=vehicles" in recipe.evaluation_data for recipe in recipes[4:])
    assert [recipe.method for recipe in recipes[:4]] == [recipe.method for recipe in recipes[4:]]
    assert seeded(recipes[0], 2).evaluation_data.endswith("seed=2")


def test_the_found_network_is_compared_with_others_of_as_many_operations(tmp_path):
    study = study_named("rib-searched", "laptop")
    assert [variant.name for variant in study.variants] == ["found", *(f"random {n}" for n in range(1, 6)), "search"]
    search = study.variants[-1].of(study.base)
    space, size = search.network.trunk, search.preprocessing.size
    assert search.method.budget * 1e6 < space.range_of_operations(size)[1]
    assert seeded(search, 3).data == seeded(study.base, 3).data
    network = space.with_channels((12, 24, 40, 72))
    run = Run.create(tmp_path / "search", search)
    run.write("network.yaml", network_as_text(network, size))
    trunks = []
    for variant in study.variants[:-1]:
        assert variant.change == {} and variant.decided.row == "search"
        recipe = changed(study.base, variant.decided.change(run.folder, 3))
        assert variant.decided.change(run.folder, 3) == {"network.trunk": recipe.network.trunk}
        trunks.append(recipe.network.trunk)
        assert recipe.method == recipe_named("rib/dcs_dnb_retrain_world").method
    assert trunks[0] == network and len({trunk.channels for trunk in trunks}) == 6
    cost = network.operations(network.channels, size)
    assert [trunk.operations(trunk.channels, size) for trunk in trunks] == pytest.approx([cost] * 6, rel=0.02)
    other = changed(study.base, study.variants[1].decided.change(run.folder, 4)).network.trunk
    assert other.channels != trunks[1].channels
    for recipe in (replace(study.base, network=replace(study.base.network, trunk=network)), search):
        outcome = object.__new__(Outcome)
        vars(outcome).update(recipe=recipe, run=run)
        assert operations_of(outcome) == {"operations": cost / 1e6}
