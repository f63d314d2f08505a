"""Optimizers and schedules of a recipe as values, and the groups of parameters that they apply to.

:mod:`reknow.training.optimization` makes torch's optimizers of them.
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
    PositiveShare,
    Share,
    ShareBelowOne,
    check_fields,
)


@dataclass(frozen=True, kw_only=True)
class Optimizer:
    """The optimizer of the weights.

    Attributes:
        kind: sgd is stochastic gradient descent with momentum, adamw is Adam with decoupled weight decay.
        lr: learning rate of weights at the schedule's peak.
        bias_lr_factor: factor on the learning rate of biases (2 in TransReID).
        momentum: momentum of sgd, from 0 to below 1; the other kinds do not use it.
        weight_decay: weight decay of all parameters, biases included, as in the papers.
        clip: largest norm of the whole gradient; a larger gradient is scaled down to it; None does not clip.
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
        kind: constant; step, multiplied by gamma after each interval of every, or at the milestones; cosine, falling to
            the floor.
        counts: unit of warmup, every and milestones: epochs, or steps of the optimizer.
        warmup: epochs or steps in which the rate rises to its peak, from the share warmup_start of it; 0 for no
            warm-up.
        every: epochs or steps between two drops of the kind step; not used where there are milestones.
        milestones: epochs or steps, counted from 0, at which the kind step drops, in ascending order; none means every.
        gamma: factor on the rate at a drop of the kind step, at most 1.
        floor: rate at the end of the kind cosine, as a share of the peak.
        hold: share of the run, warm-up included, after which the kind cosine begins to fall.
        warmup_start: rate at the start of the warm-up, as a share of the peak.
    """

    kind: Literal["constant", "step", "cosine"] = "constant"
    counts: Literal["epochs", "steps"] = "epochs"
    warmup: NonNegativeInt = 0
    every: PositiveInt = 20
    milestones: tuple[PositiveInt, ...] = ()
    gamma: PositiveShare = 0.1
    floor: Share = 0.002
    hold: ShareBelowOne = 0.0
    warmup_start: Share = 0.01

    def __post_init__(self) -> None:
        check_fields(self, "schedule")
        if list(self.milestones) != sorted(set(self.milestones)):
            raise RecipeError(
                "schedule.milestones",
                found=f"{self.milestones}",
                expected="epochs or steps in ascending order, each once",
                remedy=f"Write --schedule.milestones {' '.join(map(str, sorted(set(self.milestones))))}",
            )
        if self.milestones and self.kind != "step":
            raise RecipeError(
                "schedule.milestones",
                found=f"{self.milestones} with the kind '{self.kind}'",
                expected="none, since only the kind 'step' drops",
                remedy="Write --schedule.kind step, or leave the milestones out.",
            )
        if self.hold and self.kind != "cosine":
            raise RecipeError(
                "schedule.hold",
                found=f"{self.hold} with the kind '{self.kind}'",
                expected="0, since only the kind 'cosine' begins to fall",
                remedy="Write --schedule.kind cosine, or --schedule.hold 0.",
            )


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters with the same optimizer, schedule and rate.

    Attributes:
        name: such as ``weights`` or ``architecture``; for messages and checkpoints.
        parameters: that are trained; frozen ones (``requires_grad`` False) belong to no group.
        lr_factor: factor on the optimizer's learning rate (layer-wise decay, biases).
        weight_decay: in place of the optimizer's; None takes the optimizer's.
        optimizer: of the group; None takes the recipe's. Groups whose optimizers are equal share one.
        schedule: of the group; None takes the recipe's.
        phases: the phases (:attr:`EpochPlan.phase`) in which the group is trained; empty for all.
    """

    name: str
    parameters: Sequence[nn.Parameter]
    lr_factor: float = 1.0
    weight_decay: float | None = None
    optimizer: Optimizer | None = None
    schedule: Schedule | None = None
    phases: tuple[str, ...] = ()

    def moves_in(self, phase: str) -> bool:
        """Whether the group is trained in a phase."""
        return not self.phases or phase in self.phases


def weights_and_biases(named: Iterable[tuple[str, nn.Parameter]], bias_lr_factor: float) -> list[ParameterGroup]:
    """Two groups of the trained parameters: biases, by the end of their name, and all others.

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
