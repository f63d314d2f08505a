"""How weights move: the optimizers and schedules of a recipe, and which parameters of a method they move.

Values only; :mod:`reknow.training.optimization` turns them into torch's optimizers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from torch import nn

from reknow.errors import RecipeError
from reknow.fields import (
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Share,
    ShareBelowOne,
    check_fields,
)


@dataclass(frozen=True, kw_only=True)
class Optimizer:
    """How weights move.

    Attributes:
        kind: stochastic gradient descent, Adam, or Adam with decoupled weight decay.
        lr: learning rate of weights at the schedule's peak.
        bias_lr_factor: multiplies the learning rate of biases (TransReID: 2).
        momentum: of stochastic gradient descent.
        weight_decay: on all parameters, as the papers have it.
        clip: largest norm of the whole gradient; None leaves it alone.
    """

    kind: Literal["sgd", "adam", "adamw"] = "adam"
    lr: PositiveFloat = 3.5e-4
    bias_lr_factor: NonNegativeFloat = 1.0
    momentum: ShareBelowOne = 0.9
    weight_decay: NonNegativeFloat = 5e-4
    clip: PositiveFloat | None = None

    def __post_init__(self) -> None:
        check_fields(self, "optimizer")


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """The learning rate over a run.

    Attributes:
        kind: constant; ``step``: times `gamma` every `every` turns, or at `milestones`; ``cosine``: down to `floor` of
            the peak.
        counts: what a turn is: an epoch, or a step of the optimizer.
        warmup: turns from `warmup_start` of the peak up to the peak.
        every: turns between two drops of ``step``, where there are no milestones.
        milestones: turns, counted from 0, at which ``step`` drops; in ascending order.
        gamma: what a drop multiplies by.
        floor: where the cosine ends, as a share of the peak.
        warmup_start: where the warm-up begins, as a share of the peak.
    """

    kind: Literal["constant", "step", "cosine"] = "constant"
    counts: Literal["epochs", "steps"] = "epochs"
    warmup: NonNegativeInt = 0
    every: PositiveInt = 20
    milestones: tuple[PositiveInt, ...] = ()
    gamma: PositiveFloat = 0.1
    floor: Share = 0.002
    warmup_start: Share = 0.01

    def __post_init__(self) -> None:
        check_fields(self, "schedule")
        if list(self.milestones) != sorted(set(self.milestones)):
            raise RecipeError(
                "schedule.milestones",
                found=f"{self.milestones}",
                expected="turns in ascending order, each of them once",
                remedy=f"--schedule.milestones {' '.join(map(str, sorted(set(self.milestones))))}",
            )
        if self.milestones and self.kind != "step":
            raise RecipeError(
                "schedule.milestones",
                found=f"{self.milestones} with the kind '{self.kind}'",
                expected="none, since only the kind 'step' drops",
                remedy="--schedule.kind step, or leave the milestones out.",
            )


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters that move alike.

    Attributes:
        name: such as ``weights`` or ``architecture``; for messages and checkpoints.
        parameters: that learn; those that are frozen (``requires_grad`` False) belong to no group.
        lr_factor: multiplies the optimizer's learning rate (layer-wise decay, biases).
        weight_decay: in place of the optimizer's; None takes that.
        optimizer: of its own; None takes the recipe's. Groups whose optimizers are equal share one.
        schedule: of its own; None takes the recipe's.
        phases: the phases (:attr:`EpochPlan.phase`) in which the group moves; empty: in all.
    """

    name: str
    parameters: Sequence[nn.Parameter]
    lr_factor: float = 1.0
    weight_decay: float | None = None
    optimizer: Optimizer | None = None
    schedule: Schedule | None = None
    phases: tuple[str, ...] = ()

    def moves_in(self, phase: str) -> bool:
        """Whether the group moves in a phase."""
        return not self.phases or phase in self.phases


def weights_and_biases(named: Iterable[tuple[str, nn.Parameter]], bias_lr_factor: float) -> list[ParameterGroup]:
    """Two groups of the parameters that learn: biases, by the end of their name, and all others.

    Example:
        >>> [group.name for group in weights_and_biases(nn.Linear(2, 3).named_parameters(), bias_lr_factor=2.0)]
        ['weights', 'biases']
    """
    learning = [(name, parameter) for name, parameter in named if parameter.requires_grad]
    groups = [
        ParameterGroup("weights", [parameter for name, parameter in learning if not name.endswith("bias")]),
        ParameterGroup("biases", [parameter for name, parameter in learning if name.endswith("bias")], bias_lr_factor),
    ]
    return [group for group in groups if group.parameters]
