"""Studies are found by where they live, and their variants depart from the base in what they declare and no more."""

from __future__ import annotations

import inspect
import pkgutil
from dataclasses import replace
from importlib import import_module
from typing import get_args

import pytest

import reknow.studies
from reknow.errors import RecipeError
from reknow.methods.catalog import recipe_named
from reknow.models.channel_selection import ChannelSelection
from reknow.studies.catalog import STUDIES, study_named
from reknow.studies.sizes import PICTURES_OF_A_PERSON, Scale, Size
from reknow.studies.study import Variant, differences, replaced, seeded
from reknow.studies.tcmm.base import PAPER
from reknow.values import from_plain, to_plain

EVERY = [(name, scale) for name in sorted(STUDIES) for scale in get_args(Scale)]


@pytest.mark.parametrize(("name", "scale"), EVERY)
def test_variants_differ_from_the_base_only_in_what_they_declare(name, scale):
    study = STUDIES[name](scale)
    for variant in study.variants:
        for path in differences(study.base, variant.of(study.base)):
            assert any(path == field or path.startswith(f"{field}.") for field in variant.change), path


@pytest.mark.parametrize(("name", "scale"), EVERY)
def test_a_study_knows_its_name_and_asks_something_and_no_two_runs_are_alike(name, scale):
    study = STUDIES[name](scale)
    assert study.name == name
    assert study.question.endswith("?")
    recipes = [variant.of(study.base) for variant in study.variants if variant.decided is None]
    assert all(recipe not in recipes[:number] for number, recipe in enumerate(recipes))


@pytest.mark.parametrize(("name", "scale"), EVERY)
def test_every_recipe_of_a_study_can_be_written_and_read(name, scale):
    study = STUDIES[name](scale)
    for variant in study.variants:
        recipe = seeded(variant.of(study.base), 2)
        assert from_plain(to_plain(recipe), "recipe.yaml") == recipe


def test_all_rows_of_the_component_table_have_the_same_budget():
    study = study_named("tcmm", "laptop")
    recipes = [variant.of(study.base) for variant in study.variants if "twice as long" not in variant.name]
    assert len(recipes) == len(study.variants) - 2
    assert len({(one.epochs, one.iterations, one.sampling, one.data, one.weights, one.network) for one in recipes}) == 1
    assert [recipe.method for recipe in recipes[-2:]] == [
        recipe_named(name).method for name in ("cluster_contrast", "tcmm")
    ]


def test_the_paper_s_settings_are_the_whole_of_tcmm():
    study = study_named("tcmm-hard", "laptop")
    assert study.variants[3].of(study.base).method == PAPER
    assert study.base.data == "world:target?train_identities=160&test_identities=100&difficulty=hard"


def test_a_misspelt_study_is_refused_with_the_nearest():
    with pytest.raises(RecipeError, match="Did you mean 'tcmm-noise-rate'"):
        study_named("tcmm-noise", "quick")


def test_a_field_may_lie_deep_and_the_rest_stays():
    base = recipe_named("tcmm")
    changed = replaced(base, "method.clustering.eps", 0.5)
    assert changed.method.clustering.eps == 0.5
    assert replaced(changed, "method.clustering.eps", base.method.clustering.eps) == base


def test_a_misspelt_field_is_refused_with_the_nearest():
    with pytest.raises(RecipeError, match=r"'alpa': not a field of TCMMConfig.*Did you mean 'alpha'"):
        Variant("x", {"method.alpa": 0.5}).of(recipe_named("tcmm"))


def test_another_method_is_told_by_its_class_and_its_own_values():
    base = recipe_named("tcmm/market1501")
    other = replace(base, method=recipe_named("cluster_contrast/market1501").method)
    assert differences(base, other) == {
        "method.type": "reknow.methods.cluster_contrast.method.ClusterContrastConfig",
        "method.momentum": 0.1,
        "method.update": "plain",
    }


def test_the_seed_is_the_run_s_and_the_world_s():
    recipe = Size(train_identities=5, test_identities=4, epochs=1).on_world(recipe_named("tcmm/world"))
    assert seeded(recipe, 7).seed == 7
    assert seeded(recipe, 7).data == "world:target?train_identities=5&test_identities=4&seed=7"
    assert seeded(replace(recipe, data="folder:crops"), 7).data == "folder:crops"


def test_a_person_has_as_many_pictures_as_the_sizes_say():
    from reknow.data.formats.world import read as world_manifest

    rows = len(world_manifest("target", seed=1, train_identities=300, test_identities=0))
    assert rows / 300 == pytest.approx(PICTURES_OF_A_PERSON, rel=0.05)


def test_every_module_with_a_study_is_in_the_table():
    found = {}
    for module in pkgutil.walk_packages(reknow.studies.__path__, "reknow.studies."):
        function = getattr(import_module(module.name), "study", None)
        if inspect.isfunction(function):
            found[module.name.removeprefix("reknow.studies.").removesuffix(".components")] = function
    assert {name.replace(".", "-").replace("_", "-"): function for name, function in found.items()} == STUDIES


def test_fields_that_only_a_variant_has_are_differences_where_they_leave_their_defaults():
    base = recipe_named("cluster_contrast")
    plain, colder = (
        replaced(base, "network.trunk.attention", attention)
        for attention in (ChannelSelection(), ChannelSelection(temperature=0.5, blocks=(1,)))
    )
    kind = {"network.trunk.attention.type": differences(base, plain)["network.trunk.attention.type"]}
    assert differences(base, plain) == kind and "ChannelSelection" in str(kind)
    assert differences(base, colder) == {
        **kind,
        "network.trunk.attention.temperature": 0.5,
        "network.trunk.attention.blocks": [1],
    }
