"""Record: what a study keeps of one finished run, beside the run's own files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from reknow.errors import RunError
from reknow.machine import machine
from reknow.training.train import Outcome

NAME = "record.json"


@dataclass(frozen=True, kw_only=True)
class Record:
    """One run's numbers.

    The process's peak memory is left out, though the summary has it: it is the largest of all runs so far.

    Attributes:
        numbers: of the summary, before training (``start_mAP``), and of the last epoch's clustering (``clusters``).
        average_precision: (Q,) fractions, NaN where a query has no match; empty where the data name nobody.
        machine: where it took place.
    """

    numbers: Mapping[str, float]
    average_precision: Float[np.ndarray, "queries"]
    machine: Mapping[str, str]

    @classmethod
    def of(cls, outcome: Outcome, examined: Mapping[str, float] | None = None) -> Record:
        """What is kept of a run that has just ended, with what a study examined beside."""
        epochs, summary = outcome.run.metrics().epochs, outcome.summary.as_json()
        start = {f"start_{name}": value for name, value in summary["start"].items()}
        found = {**(epochs[-1].diagnostics if epochs else {}), **start, **summary, **(examined or {})}
        known = {name: float(value) for name, value in found.items() if isinstance(value, int | float)}
        for name in ("epoch", "seed", "peak_memory_gb"):
            known.pop(name, None)
        precision = np.zeros(0) if outcome.after is None else outcome.after.scores.average_precision
        return cls(numbers=known, average_precision=precision.astype(np.float64), machine=machine())

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
