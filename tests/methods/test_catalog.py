"""Every method is in the table; methods of other packages are listed, trained and read back, or refused by name."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

import reknow
import reknow.methods
from reknow.errors import RecipeError, RecognizerError
from reknow.methods.catalog import METHODS, listing, recipe_named, recipes
from reknow.progress import Display
from reknow.training.run import Run
from reknow.training.train import train

METHOD = """
from __future__ import annotations

from dataclasses import dataclass

from reknow.methods.cluster_contrast.method import ClusterContrastConfig
from reknow.models.embedder import EmbedderConfig


@dataclass(frozen=True, kw_only=True)
class TinyConfig(ClusterContrastConfig):
    update: str = "hard"


@dataclass(frozen=True, kw_only=True)
class TinyNetworkConfig(EmbedderConfig):
    pass
"""
RECIPES = '''
from dataclasses import replace

from outside_tiny.method import TinyConfig, TinyNetworkConfig
from reknow.methods.catalog import recipe_named
from reknow.methods.cluster_contrast.method import Clustering
from reknow.models.transformer import TransformerConfig

__all__ = ["crops", "own_data"]

TRUNK = TransformerConfig(image_size=(32, 16), width=16, depth=2, heads=2, patch_size=8, stride=8)


def own_data():
    """Tiny pictures, in milliseconds."""
    base = recipe_named("cluster_contrast")
    return replace(
        base,
        name="tiny",
        method=TinyConfig(clustering=Clustering(eps=0.6, min_samples=2, k1=8, k2=2)),
        network=TinyNetworkConfig(trunk=TRUNK),
        weights="random",
        preprocessing=replace(base.preprocessing, size=(32, 16)),
        sampling=replace(base.sampling, batch_size=8, instances=2),
        epochs=1,
    )


def crops():
    return replace(own_data(), name="tiny/crops", data="folder:crops")


def helper():
    """Not exported, so no recipe."""
    raise AssertionError
'''
MODULES = {"outside_tiny.__init__": "", "outside_tiny.method": METHOD, "outside_tiny.recipes": RECIPES}


@pytest.fixture
def tiny_package(install):
    install("reknow-tiny", MODULES, methods={"tiny": "outside_tiny.recipes"})


def test_every_folder_with_recipes_is_in_the_table():
    rooms = {path.parent.name for path in Path(reknow.methods.__path__[0]).glob("*/recipes.py")}
    assert set(METHODS) == rooms
    assert all(module.__name__ == f"reknow.methods.{name}.recipes" for name, module in METHODS.items())


def test_what_a_module_exports_by_name_is_a_recipe_and_nothing_else(monkeypatch):
    assert "editor/_small" not in recipes()
    monkeypatch.setattr(METHODS["supervised"], "__all__", ["market1501"])
    assert [name for name in recipes() if name.startswith("supervised")] == ["supervised/market1501"]


def test_a_method_of_another_package_is_listed_as_its_own(tiny_package):
    listed = {one.recipe.name: one for one in listing().recipes}
    assert listing().refused == ()
    assert list(listed) == sorted([*recipes(), "tiny", "tiny/crops"])
    assert (listed["tiny"].package, listed["tiny"].about) == ("reknow-tiny", "Tiny pictures, in milliseconds.")
    assert listed["tiny/crops"].about == ""
    assert listed["tcmm"].package == "reknow"
    assert recipe_named("tiny/crops").data == "folder:crops"
    with pytest.raises(RecipeError, match=r"recipe 'tiny/crop': no such recipe. Did you mean 'tiny/crops'"):
        recipe_named("tiny/crop")
    with pytest.raises(RecipeError, match="recipe 'tiny/helper': no such recipe"):
        recipe_named("tiny/helper")


def test_a_method_of_another_package_is_trained_and_comes_back(tiny_package, crops, tmp_path, monkeypatch):
    recipe = replace(recipe_named("tiny"), data=f"folder:{crops}")
    outcome = train(recipe, tmp_path / "run", display=Display(quiet=True))
    assert type(outcome.recipe.method).__module__ == "outside_tiny.method"
    assert Run.open(tmp_path / "run").recipe() == recipe
    pictures = sorted(crops.glob("*.png"))[:3]
    assert reknow.load(tmp_path / "run").embed(pictures).shape == (3, 16)

    # On a machine without the package, both files say what is missing.
    monkeypatch.setattr(sys, "path", [place for place in sys.path if "reknow-tiny" not in place])
    with pytest.raises(RecipeError, match=r"class of the package 'outside_tiny'.*Install the package 'outside_tiny'"):
        Run.open(tmp_path / "run").recipe()
    with pytest.raises(RecognizerError, match=r"Install the package 'outside_tiny'"):
        reknow.load(tmp_path / "run")


def module(body: str, names: str = '["own_data"]') -> str:
    return (
        "from dataclasses import dataclass, field, replace\n"
        "from reknow.methods.catalog import recipe_named\n"
        "from reknow.methods.cluster_contrast.method import ClusterContrastConfig\n"
        f"__all__ = {names}\n{body}\n"
    )


BROKEN = {
    "not importable": (
        "import a_module_that_nobody_has",
        "method 'bad' of the package reknow-bad: 'outside_bad' cannot be imported (ModuleNotFoundError: No module "
        "named 'a_module_that_nobody_has'). Reinstall the package, or remove it: pip uninstall reknow-bad",
    ),
    "not Python": ("def (", "'outside_bad' cannot be imported (SyntaxError"),
    "leaves": ("raise SystemExit(3)", "'outside_bad' cannot be imported (SystemExit: 3)"),
    "exports nothing": ("def own_data(): ...", "'outside_bad' has no list __all__ of names; expected a module whose"),
    "exports no names": (module("", "[own]").replace("[own]", "[1]"), "'outside_bad' has no list __all__ of names"),
    "missing": (module(""), "recipe 'bad' of the package reknow-bad: missing; expected a function without parameters"),
    "no function": (
        module("own_data = 3"),
        "recipe 'bad' of the package reknow-bad: not a function but 3; expected a",
    ),
    "needs arguments": (
        module("def own_data(size, *, depth=3, width): ..."),
        "a function that needs size, width; expected a function without parameters that returns a Recipe",
    ),
    "fails": (module("def own_data(): return 1 / 0"), "its function raises ZeroDivisionError: division by zero; exp"),
    "returns something else": (
        module("def own_data(): return {}"),
        "its function returns a value of type dict; expected a function",
    ),
    "has another's name": (
        module("def own_data(): return recipe_named('tcmm')"),
        "returns a recipe with the name 'tcmm'; expected the name 'bad'",
    ),
    "cannot be kept": (
        module(
            "@dataclass(frozen=True, kw_only=True)\nclass Config(ClusterContrastConfig):\n    how: object = print\n"
            "def own_data(): return replace(recipe_named('tcmm'), name='bad', method=Config())"
        ),
        "cannot be written to a file and read back (builtin_function_or_method has no plain form); expected frozen",
    ),
    "comes back changed": (
        module(
            "@dataclass(frozen=True, kw_only=True)\nclass Config(ClusterContrastConfig):\n"
            "    sizes: object = field(default_factory=lambda: [1])\n"
            "def own_data(): return replace(recipe_named('tcmm'), name='bad', method=Config())"
        ),
        "comes back from a file as another one; expected frozen dataclasses of the package",
    ),
}


@pytest.mark.parametrize(("text", "says"), BROKEN.values(), ids=BROKEN)
def test_a_package_that_breaks_the_contract_is_refused_by_name_and_breaks_nothing_else(install, text, says):
    install("reknow-bad", {"outside_bad": text}, methods={"bad": "outside_bad"})
    assert recipe_named("tcmm").name == "tcmm"
    assert "outside_bad" not in sys.modules
    known = listing()
    assert len(known.recipes) == len(recipes())
    (error,) = known.refused
    assert says in str(error) and "reknow-bad" in error.where and "pip uninstall reknow-bad" in error.remedy
    with pytest.raises(RecipeError) as caught:
        recipe_named("bad")
    assert str(caught.value) == str(error)
    with pytest.raises(RecipeError, match=r"no such recipe.*Left out .'reknow recipes' says why.*package reknow-bad"):
        recipe_named("tcm")


def test_one_broken_recipe_leaves_the_package_s_others(install):
    broken = RECIPES.replace('["crops", "own_data"]', '["crops", "own_data", "none"]')
    install("reknow-tiny", {**MODULES, "outside_tiny.recipes": broken}, methods={"tiny": "outside_tiny.recipes"})
    assert {"tiny", "tiny/crops"} <= {one.recipe.name for one in listing().recipes}
    assert [error.where for error in listing().refused] == ["recipe 'tiny/none' of the package reknow-tiny"]


def test_a_name_of_ours_stays_ours(install):
    install("reknow-bad", {"outside_bad": "raise RuntimeError"}, methods={"tcmm": "outside_bad"})
    assert type(recipe_named("tcmm").method).__module__ == "reknow.methods.tcmm.method"
    (error,) = listing().refused
    assert str(error).startswith("method 'tcmm' of the package reknow-bad: takes the name of a method of reknow itself")
    with pytest.raises(RecipeError, match=r"recipe 'tcmm/theirs': no such recipe.*'tcmm' of the package reknow-bad"):
        recipe_named("tcmm/theirs")
    assert "outside_bad" not in sys.modules


def test_two_packages_with_one_name_are_both_named(install):
    for letter in "ab":
        install(f"reknow-{letter}", {f"outside_{letter}": "raise RuntimeError"}, methods={"twice": f"outside_{letter}"})
    with pytest.raises(RecipeError) as caught:
        recipe_named("twice/world")
    assert "method 'twice'" in caught.value.where
    assert all(name in str(caught.value) for name in ("reknow-a", "reknow-b", "brought by another package too"))
    assert [str(error) for error in listing().refused] == [str(caught.value)]


def test_a_name_that_nobody_could_write_is_refused(install):
    install("reknow-odd", {"outside_odd": ""}, methods={"a/b": "outside_odd"})
    (error,) = listing().refused
    assert "has no usable name; expected letters, digits and underscores" in str(error)
