"""A study's folder. All of it is written beside and renamed; what is finished is never done again.

::

    study.json         which study this is
    runs/              one run each, such as base-seed-1, with its record.json
    measurements/      one file each
    results.json       the findings with every run's numbers
    table.md
    plot.png
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reknow.errors import RunError
from reknow.methods.recipe import Recipe
from reknow.studies.record import NAME, Record
from reknow.studies.study import fields_of
from reknow.training.run import Run
from reknow.writing import write_file


class StudyFolder:
    """Where a study lies.

    Args:
        path: the folder; use :meth:`claim`.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)

    @classmethod
    def claim(cls, path: Path, study: str) -> StudyFolder:
        """A new folder for this study, or the one that it has.

        Raises:
            RunError: the folder holds another study, or something that is no study.
        """
        folder = cls(path)
        mark = folder.path / "study.json"
        if mark.is_file():
            try:
                held = json.loads(mark.read_text(encoding="utf-8")).get("study")
            except (OSError, ValueError, AttributeError) as error:
                raise RunError(mark, found=f"damaged ({error})", remedy="Name another folder with --out.") from error
            if held != study:
                raise RunError(
                    path, found=f"holds the study '{held}'", expected=f"'{study}'", remedy="Name another --out."
                )
        elif folder.path.exists() and (not folder.path.is_dir() or any(folder.path.iterdir())):
            raise RunError(path, found="already exists and holds no study", remedy="Name another folder with --out.")
        else:
            folder.write("study.json", json.dumps({"study": study}) + "\n")
        return folder

    def run(self, variant: str, seed: int) -> RunFolder:
        """Where this variant's run with this seed lies."""
        return RunFolder(self.path / "runs" / f"{slug(variant)}-seed-{seed}")

    def measured(self, name: str) -> list[dict[str, Any]]:
        """The rows of a measurement that are there already."""
        file = self.path / "measurements" / f"{name}.json"
        return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else []

    def keep_measured(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write a measurement's rows."""
        self.write(f"measurements/{name}.json", json.dumps(list(rows), indent=1) + "\n")

    def write(self, name: str, content: str | bytes) -> Path:
        """Write a file beside and rename it."""
        return write_file(self.path / name, content)


class RunFolder:
    """One run of a study: finished, under way, or not begun.

    Args:
        path: the run's folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def finished(self) -> bool:
        """Whether its record is there."""
        return (self.path / NAME).is_file()

    @property
    def resumable(self) -> bool:
        """Whether it has a checkpoint; a run that ended without leaving its record has one too."""
        return (self.path / "checkpoints" / "last.pt").is_file()

    def record(self) -> Record:
        """What is kept of the finished run."""
        return Record.read(self.path / NAME)

    def keep(self, record: Record) -> None:
        """Mark the run as finished."""
        write_file(self.path / NAME, record.as_json())

    def check(self, wanted: Recipe) -> None:
        """Whether what is here is a run of this recipe, or nothing.

        Raises:
            RunError: it is a run of another recipe; the message names the fields.
        """
        if not (self.path / "recipe.yaml").is_file():
            return
        held = Run.open(self.path).recipe()
        if held == wanted:
            return
        theirs, ours = fields_of(held), fields_of(wanted)
        changed = [name for name in {**ours, **theirs} if theirs.get(name) != ours.get(name)]
        fields = ", ".join(f"{name} {theirs.get(name)!r} instead of {ours.get(name)!r}" for name in changed)
        raise RunError(
            self.path,
            found=f"a run of another recipe: {fields}",
            expected="the run that this study would make",
            remedy="Name another folder with --out; a study of another size or version needs its own.",
        )

    def clear(self) -> None:
        """Remove what a run that was stopped before its first checkpoint left, and nothing else."""
        if not self.path.is_dir() or self.resumable:
            return
        left = {file.name for file in self.path.rglob("*")}
        if all(name in {"recipe.yaml", "metrics.jsonl", "checkpoints"} or name.endswith(".part") for name in left):
            shutil.rmtree(self.path)


def slug(name: str) -> str:
    """A variant's name as a folder's.

    Example:
        >>> slug("+ token constraint"), slug("eps 0.6, min 4"), slug("N/4")
        ('token-constraint', 'eps-0.6-min-4', 'n-4')
    """
    return re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-.")
