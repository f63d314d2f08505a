"""Other packages that provide methods and data formats: Python's entry points, read in one place.

A package states in its ``pyproject.toml`` what it provides, by name and module::

    [project.entry-points."reknow.methods"]
    moco = "reknow_moco.recipes"

    [project.entry-points."reknow.formats"]
    stalls = "reknow_moco.stalls"

:mod:`reknow.methods.catalog` and :mod:`reknow.data.formats` say what a module must contain. Nothing of a package is
imported before its name, or a list of all names, is requested. Names of reknow's own are found without other packages,
so a broken package breaks only itself.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal

from reknow.errors import DataError, RecipeError, ReknowError

Group = Literal["reknow.methods", "reknow.formats"]

_KINDS: dict[Group, tuple[str, type[ReknowError]]] = {
    "reknow.methods": ("method", RecipeError),
    "reknow.formats": ("format", DataError),
}


@dataclass(frozen=True)
class Contribution:
    """One name that an installed package provides.

    Attributes:
        group: whether it is a method or a format.
        entry: the package's entry point.
    """

    group: Group
    entry: EntryPoint

    @property
    def name(self) -> str:
        """The name of the method or format."""
        return self.entry.name

    @property
    def root(self) -> str:
        """The top-level package of its module, as Python imports it."""
        return self.entry.value.partition(":")[0].partition(".")[0].strip()

    @property
    def package(self) -> str:
        """The package's name, as pip knows it."""
        return self.entry.dist.name if self.entry.dist is not None else self.root

    def load(self) -> Any:
        """Import the object that the entry point names.

        Raises:
            ReknowError: the import fails in any way.
        """
        try:
            return self.entry.load()
        except (Exception, SystemExit) as error:
            raise self.refused(
                f"'{self.entry.value}' cannot be imported ({type(error).__name__}: {error})",
                remedy=f"Reinstall the package, or remove it: pip uninstall {self.package}",
            ) from error

    def refused(self, found: str, expected: str = "", remedy: str = "", part: str = "") -> ReknowError:
        """An error that names the package, what it did, and what the contract says.

        Args:
            found: what it did.
            expected: what the contract says.
            remedy: by default, to report it to the package's authors.
            part: which part of the contribution; by default the whole.
        """
        kind, error = _KINDS[self.group]
        return error(
            f"{part or f'{kind} {self.name!r}'} of the package {self.package}",
            found=found,
            expected=expected,
            remedy=remedy or f"Report it to the package's authors, or remove it: pip uninstall {self.package}",
        )


@dataclass(frozen=True)
class Contributions:
    """What installed packages provide, by name.

    Attributes:
        accepted: those whose names are free.
        refused: for each other name, the reason as an error.
    """

    accepted: dict[str, Contribution]
    refused: dict[str, ReknowError]


def contributions(group: Group, own_names: Collection[str]) -> Contributions:
    """What installed packages provide, without importing any of it.

    Args:
        group: methods or formats.
        own_names: names of this package, which no other may use.
    """
    accepted: dict[str, Contribution] = {}
    refused: dict[str, ReknowError] = {}
    by_name: dict[str, list[Contribution]] = {}
    for entry in entry_points(group=group):
        by_name.setdefault(entry.name, []).append(Contribution(group, entry))
    for name, offered in sorted(by_name.items()):
        first, *others = offered
        if name in own_names:
            refused[name] = first.refused(
                f"takes the name of a {_KINDS[group][0]} of reknow itself", "a name of its own"
            )
        elif others:
            also = ", ".join(sorted(other.package for other in others))
            refused[name] = first.refused(
                f"is brought by another package too: {also}",
                "one package for a name",
                f"Remove all but one of them, for example: pip uninstall {first.package}",
            )
        elif not name.isidentifier():
            refused[name] = first.refused("has no usable name", "letters, digits and underscores")
        else:
            accepted[name] = first
    return Contributions(accepted, refused)


def outside_roots() -> frozenset[str]:
    """The top-level packages that provide methods or formats; files may name classes of these and of no others."""
    return frozenset(Contribution(group, entry).root for group in _KINDS for entry in entry_points(group=group))
