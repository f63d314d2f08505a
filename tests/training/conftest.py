"""A method of a few lines, which tests bend: it learns a weight per identity and keeps what it was called with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from reknow.methods.method import EpochPlan, Method, MethodConfig, Moment
from reknow.methods.optimization import ParameterGroup, weights_and_biases
from reknow.methods.training_set import TrainingSet
from reknow.observation import Batch


class Bent(Method):
    """Cosine to a vector per row; everything else is given."""

    def __init__(self, network: Any, training_set: TrainingSet, config: BentConfig) -> None:
        super().__init__(network)
        self.config = config
        self.rows = nn.Parameter(torch.ones(len(training_set), network.dim) / network.dim**0.5)
        self.moments: list[Moment] = []
        self.batches: list[list[int]] = []

    def before_epoch(self, epoch: int, training_set: TrainingSet) -> EpochPlan:
        assert not self.training
        rows = np.arange(len(training_set))
        return self.config.plan(epoch, training_set) if self.config.plan else EpochPlan(rows, rows // 2)

    def losses(self, batch: Batch, moment: Moment) -> dict[str, Tensor]:
        self.moments.append(moment)
        self.batches.append(batch.index.tolist())
        if self.config.look:
            self.config.look(batch.images["rgb"].clone())
        terms = {"near": (1 - (self.embed(batch) * self.rows[batch.index]).sum(1)).mean()}
        return self.config.bend(terms, self) if self.config.bend else terms

    def parameter_groups(self, bias_lr_factor: float) -> list[ParameterGroup]:
        if self.config.groups:
            return self.config.groups(self)
        return weights_and_biases(self.named_parameters(), bias_lr_factor)


@dataclass(frozen=True, kw_only=True)
class BentConfig(MethodConfig):
    """What a test bends; a run's file holds none of it."""

    plan: Callable[[int, TrainingSet], Any] | None = field(default=None)
    bend: Callable[[dict[str, Tensor], Bent], Any] | None = field(default=None)
    groups: Callable[[Bent], list[ParameterGroup]] | None = field(default=None)
    look: Callable[[Tensor], None] | None = field(default=None)
    made: ClassVar[list[Bent]] = []

    def build(self, network: Any, training_set: TrainingSet) -> Bent:
        self.made.append(Bent(network, training_set, self))
        return self.made[-1]


@pytest.fixture
def bent(tiny, crops, tmp_path, monkeypatch):
    """Trains a bent method for an epoch or more; gives the method and the run's folder back."""
    from dataclasses import replace

    from reknow import values
    from reknow.progress import Display
    from reknow.training.train import train

    plain = values.to_plain
    # Functions have no plain form, and no test here reads the recipe back.
    for module in ("run", "checkpoint"):
        monkeypatch.setattr(
            f"reknow.training.{module}.to_plain", lambda recipe: plain(replace(recipe, method=tiny.method))
        )
    monkeypatch.setattr(BentConfig, "made", [])

    def trained(change: dict[str, Any] | None = None, **config: Any) -> tuple[Bent, Any]:
        recipe = replace(tiny, data=f"folder:{crops}", method=BentConfig(**config), precision="32")
        recipe = replace(recipe, **{"epochs": 1, "iterations": 2, **(change or {})})
        outcome = train(recipe, tmp_path / f"run{len(BentConfig.made)}", display=Display(quiet=True))
        return BentConfig.made[-1], outcome.run

    return trained
