"""A study's folder. Every file is written beside and renamed; finished runs are not repeated.

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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from reknow.errors import RunError
from reknow.machine import machine
from reknow.methods.recipe import Recipe
from reknow.studies.study import fields_of
from reknow.training.run import Run
from reknow.training.train import Outcome
from reknow.writing import write_file

RECORD = "record.json"


@dataclass(frozen=True, kw_only=True)
class Record:
    """What a study keeps of one finished run, beside the run's own files: its numbers.

    The process's peak memory is left out, though the summary has it: it is the largest of all runs so far.

    Attributes:
        numbers: of the summary, before training (``start_mAP``), and of the last epoch's clustering (``clusters``).
        average_precision: (Q,) fractions, NaN where a query has no match; empty where the data have no identities.
        machine: that it ran on.
    """

    numbers: Mapping[str, float]
    average_precision: Float[np.ndarray, "queries"]
    machine: Mapping[str, str]

    @classmethod
    def of(cls, outcome: Outcome, further: Mapping[str, float] | None = None) -> Record:
        """The record of a run that has just ended, with the study's further numbers of it."""
        epochs, summary = outcome.run.metrics().epochs, outcome.summary.as_json()
        start = {f"start_{name}": value for name, value in summary["start"].items()}
        values = {**(epochs[-1].diagnostics if epochs else {}), **start, **summary, **(further or {})}
        numbers = {name: float(value) for name, value in values.items() if isinstance(value, int | float)}
        for name in ("epoch", "seed", "peak_memory_gb"):
            numbers.pop(name, None)
        precision = np.zeros(0) if outcome.after is None else outcome.after.scores.average_precision
        return cls(numbers=numbers, average_precision=precision.astype(np.float64), machine=machine())

    def as_json(self) -> str:
        """NaN becomes null."""
        precision = [None if np.isnan(value) else value for value in self.average_precision.tolist()]
        return json.dumps({"numbers": self.numbers, "machine": self.machine, "average_precision": precision}) + "\n"

    @classmethod
    def read(cls, path: Path) -> Record:
        """The record in this file.

        Raises:
            RunError: it is not one.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            precision = np.array(content["average_precision"], dtype=np.float64)  # null becomes NaN
            return cls(numbers=content["numbers"], average_precision=precision, machine=content["machine"])
        except (ValueError, KeyError, TypeError) as error:
            raise RunError(
                path, found=f"damaged ({error})", remedy="Delete the file; the run's checkpoint makes it again."
            ) from error


class StudyFolder:
    """The folder of a study.

    Args:
        path: of the folder; use :meth:`claim`.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)

    @classmethod
    def claim(cls, path: Path, study: str) -> StudyFolder:
        """A new folder for this study, or its existing one.

        Raises:
            RunError: the folder holds another study, or files that are no study.
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
        """The folder of this variant's run with this seed."""
        return RunFolder(self.path / "runs" / f"{slug(variant)}-seed-{seed}")

    def measured(self, name: str) -> list[dict[str, Any]]:
        """The rows of a measurement that were written before."""
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
        """Whether it has a record."""
        return (self.path / RECORD).is_file()

    @property
    def resumable(self) -> bool:
        """Whether it has a checkpoint; a run that ended without leaving its record has one too."""
        return (self.path / "checkpoints" / "last.pt").is_file()

    def record(self) -> Record:
        """The record of the finished run."""
        return Record.read(self.path / RECORD)

    def keep(self, record: Record) -> None:
        """Mark the run as finished."""
        write_file(self.path / RECORD, record.as_json())

    def check(self, recipe: Recipe) -> None:
        """Check that the folder is new or holds a run of this recipe.

        Raises:
            RunError: it holds a run of another recipe; the message names the fields.
        """
        if not (self.path / "recipe.yaml").is_file():
            return
        held = Run.open(self.path).recipe()
        if held == recipe:
            return
        before, now = fields_of(held), fields_of(recipe)
        changed = [name for name in {**now, **before} if before.get(name) != now.get(name)]
        fields = ", ".join(f"{name} {before.get(name)!r} instead of {now.get(name)!r}" for name in changed)
        raise RunError(
            self.path,
            found=f"a run of another recipe: {fields}",
            expected="the run that this study would make",
            remedy="Name another folder with --out; a study of another size or version needs its own.",
        )

    def clear(self) -> None:
        """Remove the files of a run that was stopped before its first checkpoint, and nothing else."""
        if not self.path.is_dir() or self.resumable:
            return
        files = {file.name for file in self.path.rglob("*")}
        if all(name in {"recipe.yaml", "metrics.jsonl", "checkpoints"} or name.endswith(".part") for name in files):
            shutil.rmtree(self.path)


def slug(name: str) -> str:
    """A variant's name as a folder's.

    Example:
        >>> slug("+ token constraint"), slug("eps 0.6, min 4"), slug("N/4")
        ('token-constraint', 'eps-0.6-min-4', 'n-4')
    """
    return re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-.")
