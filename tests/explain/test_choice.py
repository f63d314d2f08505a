"""Which methods choose patches, and what explains them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from reknow.data.formats import open_dataset
from reknow.explain.choice import explainer_of
from reknow.explain.constraint import choice_of, joined
from reknow.explain.sample import Looking
from reknow.explain.selection import KeptPatches
from reknow.explain.tokens import ChosenPatches
from reknow.methods.catalog import recipe_named
from reknow.methods.tcmm.method import TCMMConfig
from reknow.methods.tcmm.token_constraint import TokenConstraint
from reknow.models.osnet import OSNetConfig
from reknow.models.resnet import ResNetConfig
from reknow.recognizer import Card, Recognizer

WORLD = "world:target?train_identities=2&test_identities=2&spectra=rgb,nir"


def looking_with(recipe) -> Looking:
    recognizer = Recognizer(recipe.network, recipe.network.build(), recipe.preprocessing, Card(name="made"), "cpu")
    return Looking({"after": recognizer}, open_dataset(WORLD), shown=1)


def test_only_methods_that_choose_have_an_explainer(editor, tiny):
    assert explainer_of(recipe_named("tcmm")) is not None
    assert explainer_of(replace(tiny, method=TCMMConfig(token_weight=0.0))) is None
    assert explainer_of(recipe_named("cluster_contrast")) is None
    assert explainer_of(recipe_named("supervised")) is None
    assert explainer_of(editor) is not None


def test_without_aggregation_editor_chooses_for_its_background_consistency_or_not_at_all(editor):
    alone = replace(editor, network=replace(editor.network, aggregate=False))
    weightless = replace(alone, method=replace(alone.method, background_weight=0.0, center_weight=0.0))
    assert explainer_of(alone) is not None
    assert explainer_of(weightless) is None
    assert explainer_of(replace(weightless, network=editor.network)) is not None


def test_each_method_is_explained_in_its_own_way(editor, tiny):
    for recipe, kind in ((editor, KeptPatches), (replace(tiny, method=TCMMConfig(alpha=0.25)), ChosenPatches)):
        explain = explainer_of(recipe)
        assert explain is not None
        assert isinstance(explain(looking_with(recipe)), kind)


@pytest.mark.parametrize("normalize", ["feature", "as_released"])
def test_the_constraint_is_the_one_that_the_method_trains_with(tiny, normalize):
    recipe = replace(tiny, method=TCMMConfig(alpha=0.5, normalize=normalize))
    explain, looking = explainer_of(recipe), looking_with(recipe)
    assert explain is not None
    found = explain(looking)
    assert isinstance(found, ChosenPatches) and found.counts["negatives"] == 4
    own = partial(choice_of, TokenConstraint(0.5, normalize))
    sample = looking.sample()
    pictures = looking.pictures(sample)
    made = looking.choices(sample, pictures, lambda network, batch: own(network.tokens(batch)))
    assert found.choices["after"].similarity == pytest.approx(joined(made["after"]).similarity)


@pytest.mark.parametrize("trunk", [ResNetConfig(), OSNetConfig()], ids=["resnet", "osnet"])
def test_positions_of_a_convolutional_map_are_patches_too(tiny, trunk):
    recipe = replace(
        tiny,
        method=TCMMConfig(alpha=0.25),
        network=replace(tiny.network, trunk=trunk, feature="cls"),
        preprocessing=replace(tiny.preprocessing, size=(64, 32)),
    )
    explain = explainer_of(recipe)
    assert explain is not None
    counts = explain(looking_with(recipe)).counts
    assert counts["grid"] == [4, 2] and counts["negatives"] == 2
