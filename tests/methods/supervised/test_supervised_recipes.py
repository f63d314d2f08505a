"""supervised/market1501 against the numbers of the strong baseline's released code."""

from __future__ import annotations

import pytest

from reknow.methods.sampling import ExhaustiveSampling
from reknow.methods.supervised.recipes import market1501
from reknow.training.optimization import learning_rate


def released_rate(epoch: int) -> float:
    """WarmupMultiStepLR of the released code: steps 40 and 70, factor 0.01 over 10 epochs; epochs count from 1."""
    drops = sum(step <= epoch for step in (40, 70))
    warm = 0.01 * (1 - epoch / 10) + epoch / 10 if epoch < 10 else 1.0
    return 3.5e-4 * warm * 0.1**drops


def test_rates_are_those_of_the_released_schedule():
    recipe = market1501()
    lr, schedule = recipe.optimizer.lr, recipe.schedule
    assert recipe.epochs == 120
    for epoch in range(120):
        rate = learning_rate(lr, lr, schedule, epoch, 120)
        assert rate == pytest.approx(released_rate(epoch + 1), rel=1e-9), epoch


def test_settings_are_those_of_the_released_configuration():
    recipe = market1501()
    assert recipe.sampling == ExhaustiveSampling(batch_size=64, instances=4)
    assert recipe.network.trunk.pooling == "mean" and recipe.network.trunk.last_stride == 1
    assert (recipe.method.smoothing, recipe.method.margin) == (0.1, 0.3)
    assert (recipe.method.center_weight, recipe.method.center_lr) == (5e-4, 0.5)
    assert recipe.precision == "32"
