"""Study: a question, a base recipe, and variants that differ from it in fields that they name.

A study is a function ``study(scale)`` in a module of this package; :mod:`.catalog` has their names, and
:mod:`.carry_out` carries one out.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from reknow.data.formats import open_dataset
from reknow.data.manifest import encode
from reknow.errors import RecipeError, nearest
from reknow.methods.recipe import Recipe
from reknow.places import with_option
from reknow.recognizer import known_cameras
from reknow.studies.figures import comparison
from reknow.studies.findings import Findings
from reknow.studies.sizes import Scale
from reknow.training.train import Outcome
from reknow.values import to_plain


@dataclass(frozen=True)
class Decided:
    """Fields of a row that the run of another row decides, of the same seed.

    Attributes:
        row: name of the other row, whose runs come first.
        change: from the folder of its finished run, and the seed, to dotted field and value.
    """

    row: str
    change: Callable[[Path, int], Mapping[str, Any]]


@dataclass(frozen=True)
class Variant:
    """One row of the table: the base with some fields replaced.

    Attributes:
        name: what the table calls it; its runs' folders are named after it.
        change: dotted field to value, such as ``{"method.alpha": 0.25}``.
        decided: further fields, which follow from another row's run; the table does not show them.
    """

    name: str
    change: Mapping[str, Any] = field(default_factory=dict)
    decided: Decided | None = None

    def of(self, base: Recipe) -> Recipe:
        """The base with this variant's fields, as far as no run decides them.

        Raises:
            RecipeError: a field that the base does not have.
        """
        return changed(base, self.change)


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """Something that is measured without a run, at several settings.

    Attributes:
        name: of its file and table.
        about: one sentence for the table's head.
        settings: the keywords of each call, one row of the table each.
        measure: called with the keywords of one row; returns the row's numbers.
    """

    name: str
    about: str
    settings: tuple[Mapping[str, Any], ...]
    measure: Callable[..., Mapping[str, float]]


@dataclass(frozen=True, kw_only=True)
class Study:
    """A question, and the runs and measurements that answer it.

    Attributes:
        name: as the user calls it.
        question: one sentence.
        scale: of its worlds and runs.
        base: what the variants differ from.
        variants: the rows; the first is what the others are compared with, usually the base as it is.
        measurements: what is measured without a run.
        columns: numbers of the table, of a run's summary, of its last epoch or of its split; the first is
            compared over queries too.
        score_run: further numbers of a run that has just ended, by the names of columns.
        plot: draws the findings.
        any_data: whether another data set may take the place of the world; see :func:`on_data`.
    """

    name: str
    question: str
    scale: Scale
    base: Recipe
    variants: tuple[Variant, ...]
    measurements: tuple[Measurement, ...] = ()
    columns: tuple[str, ...] = ("mAP", "rank1")
    score_run: Callable[[Outcome], Mapping[str, float]] | None = None
    plot: Callable[[Findings], Figure] = comparison
    any_data: bool = False


def on_data(study: Study, data: str) -> Study:
    """The study on another data set: the same rows, with a table of its cameras where the network has a table.

    Args:
        study: any.
        data: ``FORMAT:PATH``; with identities where the study learns from them.

    Raises:
        DataError: what is wrong with the data.
        RecipeError: a study whose rows are worlds of their own.
    """
    if not study.any_data:
        raise RecipeError(
            f"study '{study.name}', option --data",
            found=data,
            expected="none, since this study compares worlds or measures them",
            remedy="Leave it out, or choose a study that takes other data (docs: studies).",
        )
    base = replaced(study.base, "data", data)
    if known_cameras(base.network):
        _, cameras = encode(open_dataset(data).training().column("camera"))
        base = replaced(base, "network.trunk.cameras", len(cameras))
    return replace(study, base=base)


def changed(recipe: Recipe, change: Mapping[str, Any]) -> Recipe:
    """A recipe with several fields replaced, dotted field to value.

    Raises:
        RecipeError: no such field.
    """
    for path, value in change.items():
        recipe = replaced(recipe, path, value)
    return recipe


def replaced(value: Any, path: str, new: Any) -> Any:
    """A frozen dataclass with one field, which may lie deeper, replaced.

    Args:
        value: a recipe, or a part of one.
        path: the field, dotted.
        new: its value.

    Raises:
        RecipeError: no such field; the message names the nearest.
    """
    name, _, rest = path.partition(".")
    names = [each.name for each in dataclasses.fields(value)]
    if name not in names:
        raise RecipeError(
            f"study, field '{name}'", found=f"not a field of {type(value).__name__}", remedy=nearest(name, names)
        )
    return replace(value, **{name: replaced(getattr(value, name), rest, new) if rest else new})


def differences(base: Recipe, other: Recipe) -> dict[str, Any]:
    """Where another recipe differs from the base: dotted field to its value.

    Fields that only the base has, since its method is another one, are left out, and so are those that only the other
    has, as far as they are at their defaults.

    Example:
        >>> from reknow.methods.catalog import recipe_named
        >>> base = recipe_named("tcmm")
        >>> differences(base, replaced(base, "optimizer.lr", 1e-4))
        {'optimizer.lr': 0.0001}
    """
    before = fields_of(base)
    return {
        path: value
        for path, value in fields_of(other).items()
        if (before[path] != value if path in before else not _is_default(other, path, value))
    }


def _is_default(recipe: Recipe, path: str, value: Any) -> bool:
    """Whether a field, by its dotted path, has this value where nothing is said."""
    *above, name = path.split(".")
    holder: Any = recipe
    for step in above:
        holder = getattr(holder, step)
    known = {each.name: each for each in dataclasses.fields(holder)}
    if name not in known:  # the kind of a part, which is no field of it
        return False
    default, factory = known[name].default, known[name].default_factory
    if factory is not dataclasses.MISSING:
        default = factory()
    return default is not dataclasses.MISSING and to_plain(default) == value


def fields_of(recipe: Recipe) -> dict[str, Any]:
    """Every field of a recipe that holds a value and not more fields: dotted name to value."""
    return dict(_leaves(to_plain(recipe)))


def _leaves(plain: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if not isinstance(plain, dict):
        yield path, plain
        return
    for name, value in plain.items():
        yield from _leaves(value, f"{path}.{name}" if path else name)


def seeded(recipe: Recipe, seed: int) -> Recipe:
    """The recipe with this seed, which is also that of its worlds: variants are paired over seeds."""
    evaluation_data = seeded_data(recipe.evaluation_data, seed)
    return replace(recipe, seed=seed, data=seeded_data(recipe.data, seed), evaluation_data=evaluation_data)


def seeded_data(data: str, seed: int) -> str:
    """``FORMAT:PATH`` with this seed where it is a world that has none, else as it is.

    Example:
        >>> seeded_data("world:target?light=night", 2), seeded_data("folder:crops", 2)
        ('world:target?light=night&seed=2', 'folder:crops')
    """
    return with_option(data, "seed", seed) if data.startswith("world:") else data
