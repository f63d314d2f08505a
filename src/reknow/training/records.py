"""What a run records: the lines of ``metrics.jsonl`` and ``summary.json``, as values that are written and read here.

To log one more number per epoch, a method adds it to the ``diagnostics`` of its plan
(:class:`~reknow.methods.method.EpochPlan`); to log one per line of steps, the loop adds it to the terms that its step
returns. Reports and studies read :class:`Metrics` and
:class:`Summary`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from reknow.errors import RunError
from reknow.recognizer.evaluation import PercentScores

SCORES = ("mAP", "rank1", "rank5", "rank10", "mINP")


@dataclass(frozen=True)
class StepLine:
    """The steps of an epoch since the line before.

    Attributes:
        epoch: from 0.
        step: the last of these steps, from 1.
        terms: means over these steps: ``loss``, the sum, each term of it as ``loss/NAME``, and whatever else
            the loop measures.
        images_per_second: their speed.
        learning_rate: of the last step, of the first parameter group that moves.
    """

    epoch: int
    step: int
    terms: Mapping[str, float]
    images_per_second: float
    learning_rate: float

    def as_json(self) -> dict[str, Any]:
        """One object of ``metrics.jsonl``."""
        speed = {"images_per_second": self.images_per_second, "learning_rate": self.learning_rate}
        return {"kind": "step", "epoch": self.epoch, "step": self.step, **self.terms, **speed}


@dataclass(frozen=True)
class EpochLine:
    """The plan of an epoch, before its first step.

    Attributes:
        epoch: from 0.
        diagnostics: numbers of the method's, such as ``clusters``; and ``purity`` where identities are known.
        notes: sentences of the method's.
    """

    epoch: int
    diagnostics: Mapping[str, int | float]
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """One object of ``metrics.jsonl``."""
        return {"kind": "epoch", "epoch": self.epoch, **self.diagnostics, "notes": list(self.notes)}


@dataclass(frozen=True)
class EvaluationLine:
    """Scores after an epoch.

    Attributes:
        epoch: from 0; -1 before training.
        scores: in percent, and counts of queries.
    """

    epoch: int
    scores: Mapping[str, int | float | None]

    def as_json(self) -> dict[str, Any]:
        """One object of ``metrics.jsonl``."""
        return {"kind": "evaluation", "epoch": self.epoch, **self.scores}


Line = StepLine | EpochLine | EvaluationLine


@dataclass(frozen=True)
class Metrics:
    """All lines of a run, in the order in which they were written."""

    steps: tuple[StepLine, ...] = ()
    epochs: tuple[EpochLine, ...] = ()
    evaluations: tuple[EvaluationLine, ...] = ()

    @classmethod
    def of(cls, lines: Iterable[Line]) -> Metrics:
        """Sorted by kind."""
        kept = list(lines)
        return cls(
            tuple(line for line in kept if isinstance(line, StepLine)),
            tuple(line for line in kept if isinstance(line, EpochLine)),
            tuple(line for line in kept if isinstance(line, EvaluationLine)),
        )

    @classmethod
    def read(cls, text: str, where: str) -> Metrics:
        """What a run wrote.

        Args:
            text: of ``metrics.jsonl``.
            where: its name, for messages.

        Raises:
            RunError: a line that no run writes.
        """
        return cls.of(_line(line, f"{where}, line {number}") for number, line in enumerate(text.splitlines(), 1))


RESTORE = "Restore the file as the run wrote it."


def _line(text: str, where: str) -> Line:
    try:
        values = json.loads(text)
        kind, epoch = values.pop("kind"), values.pop("epoch")
        if kind == "step":
            own = {name: values.pop(name) for name in ("step", "images_per_second", "learning_rate")}
            return StepLine(epoch, terms=values, **own)
        if kind == "epoch":
            notes = tuple(values.pop("notes"))
            return EpochLine(epoch, values, notes)
        if kind == "evaluation":
            return EvaluationLine(epoch, values)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(
            where,
            found=_damage(error),
            expected="what a run writes",
            remedy="Restore the file as the run wrote it, or delete this line.",
        ) from error
    raise RunError(
        where,
        found=f"a line of the kind '{kind}'",
        expected="step, epoch or evaluation",
        remedy="Read it with the version of reknow that wrote it.",
    )


def _damage(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"no field {error}"
    return f"not JSON ({error})" if isinstance(error, json.JSONDecodeError) else "no object with the fields of a run"


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The final numbers of a run.

    Attributes:
        recipe: its name.
        method: such as ``TCMM``.
        dataset: that it was scored on, as the user named it.
        seed: of the run.
        scores: after training; None where the data cannot tell.
        intervals: 95 % of ``mAP`` and ``rank1``, both ends in percent.
        start: scores before training.
        score_precision: in which scores are made.
        score_size: (height, width) of the pictures that they are made from.
        seconds: of training.
        images_per_second: likewise.
        peak_memory_gb: of the process, on the GPU where there is one.
        notes: sentences about data, recipe and scores.
        finished: when, as ``2026-01-31T12:00:00+0000``.
    """

    recipe: str
    method: str
    dataset: str
    seed: int
    scores: PercentScores | None
    intervals: Mapping[str, list[float | None]] = field(default_factory=dict)
    start: PercentScores | None = None
    score_precision: str = "32"
    score_size: tuple[int, int]
    seconds: float
    images_per_second: float
    peak_memory_gb: float
    notes: tuple[str, ...] = ()
    finished: str = ""

    def as_json(self) -> dict[str, Any]:
        """The content of ``summary.json``: scores at the top, null where the data cannot tell."""
        unknown: dict[str, Any] = dict.fromkeys(SCORES)
        return {
            "recipe": self.recipe,
            "method": self.method,
            "dataset": self.dataset,
            "seed": self.seed,
            **(unknown if self.scores is None else self.scores.as_json()),
            "intervals": dict(self.intervals),
            "start": unknown if self.start is None else self.start.as_json(),
            "score_precision": self.score_precision,
            "score_size": list(self.score_size),
            "seconds": self.seconds,
            "images_per_second": self.images_per_second,
            "peak_memory_gb": self.peak_memory_gb,
            "notes": list(self.notes),
            "finished": self.finished,
        }

    @classmethod
    def read(cls, text: str, where: str) -> Summary:
        """What :meth:`as_json` gave, from the text of a file.

        Args:
            text: of ``summary.json``.
            where: its name, for messages.

        Raises:
            RunError: not what a run writes.
        """
        try:
            values = json.loads(text)
            scores, start = PercentScores.read(values), PercentScores.read(values.pop("start"))
            own = {name: value for name, value in values.items() if name not in PercentScores.__dataclass_fields__}
            size, notes = tuple(own.pop("score_size")), tuple(own.pop("notes"))
            if lacking := {"recipe", "method", "dataset", "seed"} - own.keys():
                raise KeyError(min(lacking))
            for name in ("seconds", "images_per_second", "peak_memory_gb"):
                if not isinstance(own[name], int | float):
                    raise RunError(
                        f"{where}, field '{name}'", found=f"{own[name]!r}", expected="a number", remedy=RESTORE
                    )
            return cls(scores=scores, start=start, score_size=size, notes=notes, **own)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise RunError(where, found=_damage(error), expected="what a run writes", remedy=RESTORE) from error
