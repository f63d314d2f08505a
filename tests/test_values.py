"""Recipes and network shapes survive the way to YAML and back, and wrong files say what is wrong."""

from __future__ import annotations

import json
import sys

import pytest
import yaml

from reknow.errors import RecipeError
from reknow.methods.catalog import recipes
from reknow.values import from_plain, to_plain


@pytest.mark.parametrize("name", sorted(recipes()))
def test_every_recipe_comes_back_equal(name):
    recipe = recipes()[name]()
    text = yaml.safe_dump(to_plain(recipe))
    assert from_plain(yaml.safe_load(text), "recipe.yaml") == recipe
    assert from_plain(json.loads(json.dumps(to_plain(recipe))), "recipe.json") == recipe


def plain_recipe() -> dict:
    return to_plain(recipes()["cluster_contrast"]())


def test_a_misspelt_field_names_the_nearest():
    plain = plain_recipe()
    plain["optimizer"]["learnig_rate"] = 1.0
    with pytest.raises(RecipeError, match=r"r\.yaml, field 'learnig_rate': not a field of Optimizer"):
        from_plain(plain, "r.yaml")
    plain = plain_recipe()
    plain["epoch"] = 3
    with pytest.raises(RecipeError, match="Did you mean 'epochs'"):
        from_plain(plain, "r.yaml")


@pytest.mark.parametrize(("field", "value"), [("epochs", "many"), ("epochs", 1.5), ("precision", "64"), ("seed", True)])
def test_a_value_of_the_wrong_type_is_refused(field, value):
    plain = plain_recipe() | {field: value}
    with pytest.raises(RecipeError, match=f"field '{field}'"):
        from_plain(plain, "r.yaml")


def test_whole_numbers_are_floats_where_floats_are_wanted():
    plain = plain_recipe()
    plain["optimizer"]["lr"] = 1
    assert isinstance(from_plain(plain, "r.yaml").optimizer.lr, float)


@pytest.mark.parametrize("path", ["os.system", "subprocess.Popen", "reknow.nothing.There", "reknow.errors.nearest"])
def test_only_dataclasses_of_this_package_are_built(path):
    with pytest.raises(RecipeError, match="field 'type'"):
        from_plain({"type": path}, "r.yaml")


OUTSIDE = "from dataclasses import dataclass\n@dataclass(frozen=True)\nclass Size:\n    height: int = 1\n"


def test_classes_of_packages_that_bring_methods_or_formats_are_built(install):
    install("reknow-one", {"outside_one.sizes": OUTSIDE, "outside_one.read": ""}, formats={"one": "outside_one.read"})
    size = from_plain({"type": "outside_one.sizes.Size", "height": 3}, "r.yaml")
    assert size.height == 3 and to_plain(size) == {"type": "outside_one.sizes.Size", "height": 3}
    with pytest.raises(RecipeError, match=r"no class 'outside_one\.sizes\.Sizes'.*Install the version of the package"):
        from_plain({"type": "outside_one.sizes.Sizes"}, "r.yaml")


def test_a_package_that_brings_nothing_is_never_imported(install):
    install("outside-two", {"outside_two": f"{OUTSIDE}\nprint('imported')"})
    with pytest.raises(RecipeError, match=r"'outside_two\.Size', a class of the package 'outside_two'; expected"):
        from_plain({"type": "outside_two.Size"}, "r.yaml")
    assert "outside_two" not in sys.modules
