"""Recipes are found by where they live, and a misspelt name says the nearest."""

from __future__ import annotations

import inspect

import pytest

from reknow.errors import RecipeError
from reknow.methods.recipe import recipe_named, recipes


def test_names_follow_the_folders():
    assert {"cluster_contrast", "cluster_contrast/market1501", "supervised", "supervised/world_source"} <= set(
        recipes()
    )


@pytest.mark.parametrize("name", sorted(recipes()))
def test_a_recipe_knows_its_own_name_and_says_what_it_is_for(name):
    function = recipes()[name]
    assert function().name == name
    assert inspect.getdoc(function)


def test_a_misspelt_name_is_refused_with_the_nearest():
    with pytest.raises(RecipeError, match="Did you mean 'cluster_contrast/market1501'"):
        recipe_named("cluster_contrast/market")


def test_the_network_fits_the_pictures():
    for function in recipes().values():
        recipe = function()
        trunk = recipe.network.trunk
        assert getattr(trunk, "image_size", recipe.preprocessing.size) == recipe.preprocessing.size
