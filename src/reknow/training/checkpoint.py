"""What a checkpoint holds beside weights, optimizers and random numbers, as values and as plain data.

Plain data are numbers, strings, tensors and mappings of these, which torch reads back without executing anything.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from reknow.errors import RunError
from reknow.evaluation.scores import RankingScores
from reknow.methods.method import EpochPlan
from reknow.methods.recipe import Recipe
from reknow.values import from_plain, to_plain


@dataclass(frozen=True)
class RunStart:
    """What a run knew before its first step, and cannot measure again once the weights it started from are gone.

    Every checkpoint carries it, so a resumed run needs neither the file of weights nor the recognizer it started from.

    Attributes:
        data: the fingerprint of all rows; test rows count too, since scores before and after are made on them.
        recipe: as plain values, without the places of the data.
        weights: what was loaded, resized, ignored and left random; kept in the recognizer's card.
        scores: of the test rows before training; None where the data cannot tell.
    """

    data: str
    recipe: dict[str, Any]
    weights: tuple[str, ...] = ()
    scores: RankingScores | None = None

    @classmethod
    def of(cls, recipe: Recipe, data: str, weights: tuple[str, ...]) -> RunStart:
        """Of a new run; the places of its data may change later."""
        return cls(data, _without_places(recipe), weights)

    def check_recipe(self, recipe: Recipe, folder: Path) -> None:
        """A run keeps its recipe, but for the places of its data.

        Args:
            recipe: with which the run would go on.
            folder: of the run.

        Raises:
            RunError: a field of the recipe has changed.
        """
        if changed := _first_change(self.recipe, _without_places(recipe)):
            name, before, after = changed
            raise RunError(
                f"{folder / 'recipe.yaml'}, field '{name}'",
                found=f"{after}",
                expected=f"{before}, as the run began with",
                remedy="Restore it, or start a new run with --init-from to keep the weights.",
            )

    def as_plain(self) -> dict[str, Any]:
        """As a checkpoint holds it."""
        scores = None if self.scores is None else _plain_scores(self.scores)
        return {"data": self.data, "recipe": self.recipe, "weights": self.weights, "scores": scores}

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> RunStart:
        """What :meth:`as_plain` made."""
        scores = None if plain["scores"] is None else _scores_from(plain["scores"])
        return cls(plain["data"], plain["recipe"], plain["weights"], scores)


def _plain_scores(scores: RankingScores) -> dict[str, Any]:
    values = {each.name: getattr(scores, each.name) for each in dataclasses.fields(scores)}
    tensors = {name: torch.from_numpy(value) for name, value in values.items() if isinstance(value, np.ndarray)}
    return values | tensors | {"trials": [_plain_scores(trial) for trial in scores.trials]}


def _scores_from(plain: dict[str, Any]) -> RankingScores:
    """What :func:`_plain_scores` made; checkpoints of earlier versions have no trials."""
    values: dict[str, Any] = {
        name: value.numpy() if isinstance(value, Tensor) else value for name, value in plain.items()
    }
    values["trials"] = tuple(_scores_from(trial) for trial in plain.get("trials", ()))
    return RankingScores(**values)


def _without_places(recipe: Recipe) -> dict[str, Any]:
    return to_plain(dataclasses.replace(recipe, data="", evaluation_data=""))


def _first_change(before: object, after: object, name: str = "") -> tuple[str, object, object] | None:
    """The name of the first value that differs between two plain recipes, and both values."""
    if isinstance(before, dict) and isinstance(after, dict) and before.keys() == after.keys():
        changes = (_first_change(before[key], after[key], f"{name}.{key}".lstrip(".")) for key in before)
        return next((change for change in changes if change), None)
    return None if before == after else (name, before, after)


@dataclass
class Position:
    """How far training is.

    Attributes:
        epoch: the epoch that runs, or comes next.
        step: steps done in it.
        steps_before: steps of the epochs before it.
        plan: its plan; None before it was made.
        seconds: trained so far, over all resumptions.
        pictures: trained on so far, each as often as it was drawn.
        notes: of all plans so far, each once.
    """

    epoch: int = 0
    step: int = 0
    steps_before: int = 0
    plan: EpochPlan | None = None
    seconds: float = 0.0
    pictures: int = 0
    notes: list[str] = field(default_factory=list)

    def next_epoch(self) -> Position:
        """Before the first step of the epoch after this one."""
        return dataclasses.replace(
            self, epoch=self.epoch + 1, step=0, steps_before=self.steps_before + self.step, plan=None
        )

    def as_plain(self) -> dict[str, Any]:
        """As a checkpoint holds it."""
        values = {each.name: getattr(self, each.name) for each in dataclasses.fields(self)}
        plan = None if self.plan is None else _plan_as_plain(self.plan)
        return {**values, "plan": plan, "notes": list(self.notes)}

    @classmethod
    def from_plain(cls, plain: dict[str, Any], where: str) -> Position:
        """What :meth:`as_plain` made; `where` names the run in messages."""
        plan = None if plain["plan"] is None else _plan_from_plain(plain["plan"], where)
        return cls(**{**plain, "plan": plan, "notes": list(plain["notes"])})


def _plan_as_plain(plan: EpochPlan) -> dict[str, Any]:
    """Without what was logged, which is not needed again."""
    return {
        "rows": torch.from_numpy(plan.rows),
        "labels": torch.from_numpy(plan.labels),
        "sampling": None if plan.sampling is None else to_plain(plan.sampling),
        "phase": plan.phase,
    }


def _plan_from_plain(plain: dict[str, Any], where: str) -> EpochPlan:
    sampling = None if plain["sampling"] is None else from_plain(plain["sampling"], where)
    return EpochPlan(plain["rows"].numpy(), plain["labels"].numpy(), sampling=sampling, phase=plain["phase"])
