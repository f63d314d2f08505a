"""Optimizers and learning-rate schedules of the papers (golden case ``schedules``).

Schedules are pure functions of the epoch, so a resumed run needs no scheduler state.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from reknow.methods.recipe import Optimizer, Schedule


def build_optimizer(module: nn.Module, settings: Optimizer) -> torch.optim.Optimizer:
    """The optimizer over all parameters that learn; biases in a group of their own.

    Each group carries ``peak``, its learning rate at the schedule's top.
    """
    learning = [(name, parameter) for name, parameter in module.named_parameters() if parameter.requires_grad]
    biases = [parameter for name, parameter in learning if name.endswith("bias")]
    weights = [parameter for name, parameter in learning if not name.endswith("bias")]
    groups = [
        {"params": weights, "lr": settings.lr, "peak": settings.lr},
        {"params": biases, "lr": settings.lr * settings.bias_lr_factor, "peak": settings.lr * settings.bias_lr_factor},
    ]
    groups = [group for group in groups if group["params"]]
    if settings.kind == "sgd":
        return torch.optim.SGD(groups, momentum=settings.momentum, weight_decay=settings.weight_decay)
    kind = torch.optim.Adam if settings.kind == "adam" else torch.optim.AdamW
    return kind(groups, weight_decay=settings.weight_decay)


def learning_rate(peak: float, lr: float, schedule: Schedule, epoch: int, epochs: int) -> float:
    """The learning rate of one parameter group in one epoch.

    Args:
        peak: the group's own rate at the top.
        lr: the recipe's rate; warm-up start and cosine floor are shares of it, the same for every group (spec: they
            are not doubled for biases).
        schedule: what to follow.
        epoch: from 0. TransReID's cosine counts from 1, so this epoch is its epoch + 1.
        epochs: the run's length; the cosine's half period.

    Source: TransReID's warm-up cosine (its epochs count from 1) and torch's StepLR, as in golden ``schedules``.
    """
    turn = epoch + 1 if schedule.kind == "cosine" else epoch
    if turn < schedule.warmup:
        start = schedule.warmup_start * lr
        return start + turn * (peak - start) / schedule.warmup
    if schedule.kind == "step":
        return peak * schedule.gamma ** (epoch // schedule.every)
    if schedule.kind == "cosine":
        floor = schedule.floor * lr
        if turn >= epochs:
            return floor
        return floor + (peak - floor) / 2 * (1 + math.cos(math.pi * turn / epochs))
    return peak


def set_learning_rate(
    optimizer: torch.optim.Optimizer, lr: float, schedule: Schedule, epoch: int, epochs: int
) -> float:
    """Set every group's rate for this epoch; returns the first group's."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate(group["peak"], lr, schedule, epoch, epochs)
    return float(optimizer.param_groups[0]["lr"])
