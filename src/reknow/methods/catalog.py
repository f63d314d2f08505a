"""Catalog: every method by name, and the recipes that each of them exports.

A method's recipes are the names in ``__all__`` of its recipe module: functions without parameters, each of which
returns a :class:`Recipe` that knows its own name. ``cluster_contrast/market1501`` is the function ``market1501`` of
:mod:`reknow.methods.cluster_contrast.recipes`; the bare method's name means its function ``own_data``.

Another package adds a method by an entry point (:mod:`reknow.packages`) whose module keeps the same contract. It is
checked here, since no test of this package covers it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

from reknow.errors import RecipeError, ReknowError, nearest
from reknow.methods.cluster_contrast import recipes as cluster_contrast
from reknow.methods.editor import recipes as editor
from reknow.methods.firm import recipes as firm
from reknow.methods.recipe import Recipe
from reknow.methods.rib import recipes as rib
from reknow.methods.supervised import recipes as supervised
from reknow.methods.tcmm import recipes as tcmm
from reknow.packages import Contribution, contributions
from reknow.values import from_plain, to_plain

METHODS: dict[str, ModuleType] = {
    "cluster_contrast": cluster_contrast,
    "editor": editor,
    "firm": firm,
    "rib": rib,
    "supervised": supervised,
    "tcmm": tcmm,
}
"""Each method's recipe module. A new method is a line here."""

DEFAULT = "own_data"
"""The function that a bare method name means."""


@dataclass(frozen=True)
class Listed:
    """A recipe as a listing shows it.

    Attributes:
        recipe: the recipe.
        about: one line that says what it is for.
        package: the package that it comes from, ``reknow`` or another.
    """

    recipe: Recipe
    about: str
    package: str


@dataclass(frozen=True)
class Listing:
    """The recipes that can be trained here.

    Attributes:
        recipes: of this package and of others, by name.
        refused: the errors of those recipes of other packages that are left out.
    """

    recipes: tuple[Listed, ...]
    refused: tuple[ReknowError, ...]


def recipes() -> dict[str, Callable[[], Recipe]]:
    """Every recipe of this package: name to function."""
    return {
        _full(method, export): getattr(module, export)
        for method, module in METHODS.items()
        for export in module.__all__
    }


def recipe_named(name: str) -> Recipe:
    """The recipe of a name, of this package or another.

    Raises:
        RecipeError: no such recipe, the message names the nearest; or it is of another package that cannot be
            imported, takes a name that is in use or breaks the contract, the message names that package.
    """
    own = recipes()
    if name in own:
        return own[name]()
    method = name.partition("/")[0]
    if method not in METHODS:
        others = contributions("reknow.methods", METHODS)
        if method in others.refused:
            raise others.refused[method]
        if method in others.accepted:
            exports = _exports(others.accepted[method])
            if name in exports:
                return _made(others.accepted[method], name, exports[name])
    available = listing()
    remedy = nearest(name, [listed.recipe.name for listed in available.recipes])
    if available.refused:
        remedy += f". Left out ('reknow recipes' says why): {'; '.join(error.where for error in available.refused)}"
    raise RecipeError(f"recipe '{name}'", found="no such recipe", remedy=remedy)


def listing() -> Listing:
    """Every recipe that can be trained here; imports the packages that bring methods."""
    listed = [Listed(make(), _first_line(make), "reknow") for make in recipes().values()]
    others = contributions("reknow.methods", METHODS)
    refused = list(others.refused.values())
    for brought in others.accepted.values():
        try:
            exports = _exports(brought)
        except ReknowError as error:
            refused.append(error)
            continue
        for name, function in exports.items():
            try:
                listed.append(Listed(_made(brought, name, function), _first_line(function), brought.package))
            except ReknowError as error:
                refused.append(error)
    return Listing(tuple(sorted(listed, key=lambda listed: listed.recipe.name)), tuple(refused))


def _full(method: str, export: str) -> str:
    return method if export == DEFAULT else f"{method}/{export}"


def _first_line(function: object) -> str:
    return (inspect.getdoc(function) or "").partition("\n")[0]


def _exports(brought: Contribution) -> dict[str, object]:
    """What another package's recipe module exports, under the names of recipes.

    Raises:
        RecipeError: it cannot be imported, or has no list of exports.
    """
    module = brought.load()
    names = getattr(module, "__all__", None)
    if not isinstance(module, ModuleType) or not names or not all(isinstance(name, str) for name in names):
        raise brought.refused(
            f"'{brought.entry.value}' has no list __all__ of names",
            "a module whose __all__ names its recipes",
        )
    return {_full(brought.name, name): getattr(module, name, None) for name in names}


def _made(brought: Contribution, name: str, function: object) -> Recipe:
    """What an exported function of another package returns, if it keeps the contract.

    Raises:
        RecipeError: it is no function, needs arguments, fails, returns something else than a recipe of this name, or
            one that a run's folder cannot keep.
    """

    def refused(problem: str, expected: str) -> ReknowError:
        return brought.refused(problem, expected, part=f"recipe '{name}'")

    contract = "a function without parameters that returns a Recipe, for each name in __all__"
    if not inspect.isfunction(function):
        raise refused("missing" if function is None else f"not a function but {function!r}", contract)
    needed = [
        parameter.name
        for parameter in inspect.signature(function).parameters.values()
        if parameter.default is parameter.empty and parameter.kind.name not in ("VAR_POSITIONAL", "VAR_KEYWORD")
    ]
    if needed:
        raise refused(f"a function that needs {', '.join(needed)}", contract)
    try:
        recipe = function()
    except Exception as error:
        raise refused(f"its function raises {type(error).__name__}: {error}", contract) from error
    if not isinstance(recipe, Recipe):
        raise refused(f"its function returns a value of type {type(recipe).__name__}", contract)
    if recipe.name != name:
        raise refused(f"returns a recipe with the name '{recipe.name}'", f"the name '{name}', which its runs will bear")
    kept = "frozen dataclasses of the package, of numbers, texts and tuples, since a run keeps its recipe as a file"
    try:
        back = from_plain(to_plain(recipe), "recipe.yaml")
    except Exception as error:
        raise refused(f"cannot be written to a file and read back ({error})", kept) from error
    if back != recipe:
        raise refused("comes back from a file as another one", kept)
    return recipe
