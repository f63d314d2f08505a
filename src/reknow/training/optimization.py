"""Optimizers and learning rates of the papers, as torch has them (golden case ``schedules``).

Rates are pure functions of where a run stands, so a resumed run needs no scheduler's state.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain
from typing import Any

import torch

from reknow.methods.method import Method, Moment
from reknow.methods.optimization import Optimizer, ParameterGroup, Schedule


class Optimizers:
    """A method's parameter groups, and the torch optimizers that move them.

    Args:
        method: says its groups.
        optimizer: of groups that have none of their own.
        schedule: likewise.

    Attributes:
        settings: one for each different optimizer that the groups name, in the order of the groups.
        all: torch's, in the same order.
    """

    def __init__(self, method: Method, optimizer: Optimizer, schedule: Schedule) -> None:
        groups = list(method.parameter_groups(optimizer.bias_lr_factor))
        sharing: dict[Optimizer, list[ParameterGroup]] = {}
        for group in groups:
            sharing.setdefault(group.optimizer or optimizer, []).append(group)
        self.settings = list(sharing)
        self.all = [build_optimizer(members, settings) for settings, members in sharing.items()]
        self._groups = list(sharing.values())
        self._schedule = schedule

    def set_rates(self, moment: Moment) -> float:
        """Set every group's learning rate for the coming step; returns that of the first group that moves."""
        shown: list[float] = []
        for groups, settings, built in zip(self._groups, self.settings, self.all, strict=True):
            for group, state in zip(groups, built.param_groups, strict=True):  # loading a state makes them anew
                schedule = group.schedule or self._schedule
                peak = settings.lr * group.lr_factor
                state["lr"] = learning_rate(peak, settings.lr, schedule, *turn_of(schedule, moment))
                if group.moves_in(moment.phase):
                    shown.append(float(state["lr"]))
        return shown[0]

    @property
    def groups(self) -> list[ParameterGroup]:
        """All of them, in the order of the optimizers."""
        return list(chain.from_iterable(self._groups))

    def hold_back(self, phase: str) -> None:
        """Drop the gradients of groups that do not move in this phase; optimizers pass over what has none."""
        for group in self.groups:
            if not group.moves_in(phase):
                for parameter in group.parameters:
                    parameter.grad = None

    def state_dict(self) -> list[dict[str, Any]]:
        """Of every optimizer."""
        return [built.state_dict() for built in self.all]

    def load_state_dict(self, states: Sequence[dict[str, Any]]) -> None:
        """What :meth:`state_dict` gave."""
        for built, state in zip(self.all, states, strict=True):
            built.load_state_dict(state)


def build_optimizer(groups: Sequence[ParameterGroup], settings: Optimizer) -> torch.optim.Optimizer:
    """One of torch's optimizers over several groups; rates are those at the schedule's peak."""
    plain = [
        {
            "params": list(group.parameters),
            "lr": settings.lr * group.lr_factor,
            "weight_decay": settings.weight_decay if group.weight_decay is None else group.weight_decay,
            "name": group.name,
        }
        for group in groups
    ]
    if settings.kind == "sgd":
        return torch.optim.SGD(plain, lr=settings.lr, momentum=settings.momentum)
    kind = torch.optim.Adam if settings.kind == "adam" else torch.optim.AdamW
    return kind(plain, lr=settings.lr)


def turn_of(schedule: Schedule, moment: Moment) -> tuple[int, int]:
    """The turn that a schedule is at, and how many there are: epochs, or steps of the optimizer.

    Where every epoch's plan decides how many steps it has, those to come are counted as this epoch's.

    Example:
        >>> moment = Moment(epoch=1, epochs=3, step=4, steps=10, steps_before=12)
        >>> turn_of(Schedule(), moment), turn_of(Schedule(counts="steps"), moment)
        ((1, 3), (16, 32))
    """
    if schedule.counts == "epochs":
        return moment.epoch, moment.epochs
    return moment.steps_done, moment.steps_before + moment.steps * (moment.epochs - moment.epoch)


def learning_rate(peak: float, lr: float, schedule: Schedule, turn: int, turns: int) -> float:
    """The learning rate of one parameter group in one turn.

    Args:
        peak: the group's own rate at the top.
        lr: the optimizer's rate; warm-up start and cosine floor are shares of it, the same for every group: they
            are not doubled for biases (TransReID's code).
        schedule: what to follow.
        turn: from 0. TransReID's cosine counts from 1, so this turn is its turn + 1.
        turns: the run's length; the cosine's half period.

    Source: TransReID's warm-up cosine (its epochs count from 1) and torch's StepLR and MultiStepLR, as in golden
    ``schedules``.
    """
    counted = turn + 1 if schedule.kind == "cosine" else turn
    if counted < schedule.warmup:
        start = schedule.warmup_start * lr
        return start + counted * (peak - start) / schedule.warmup
    if schedule.kind == "step":
        passed = sum(milestone <= turn for milestone in schedule.milestones)
        return peak * schedule.gamma ** (passed if schedule.milestones else turn // schedule.every)
    if schedule.kind == "cosine":
        floor, held = schedule.floor * lr, schedule.hold * turns
        if counted >= turns:
            return floor
        if counted <= held:
            return peak
        return floor + (peak - floor) / 2 * (1 + math.cos(math.pi * (counted - held) / (turns - held)))
    return peak
