"""The recipes of published networks against the numbers that their authors released or wrote."""

from __future__ import annotations

import pytest
import torch

from reknow.methods.sampling import ExhaustiveSampling
from reknow.methods.supervised.method import SupervisedConfig
from reknow.methods.supervised.recipes import (
    fbnetv2_market1501,
    market1501,
    mgn_market1501,
    mobilenetv2_market1501,
    transreid_dukemtmc,
    transreid_market1501,
    transreid_msmt17,
    transreid_occluded_duke,
)
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


@pytest.mark.parametrize(
    ("recipe", "cameras"),
    [
        (transreid_market1501(), 6),
        (transreid_msmt17(), 15),
        (transreid_dukemtmc(), 8),
        (transreid_occluded_duke(), 8),
    ],
)
def test_transreid_is_the_released_configuration(recipe, cameras):
    trunk = recipe.network.trunk
    assert (trunk.width, trunk.depth, trunk.heads, trunk.stride, trunk.drop_path) == (768, 12, 12, 12, 0.1)
    assert (trunk.cameras, trunk.camera_weight) == (cameras, 3.0)
    assert (recipe.network.groups, recipe.network.shift, recipe.network.compared) == (4, 4, "before")
    assert (recipe.method.smoothing, recipe.method.margin, recipe.method.center_weight) == (0.0, None, 0.0)
    assert recipe.sampling == ExhaustiveSampling(batch_size=64, instances=4)
    assert (recipe.optimizer.kind, recipe.optimizer.weight_decay, recipe.optimizer.momentum) == ("sgd", 1e-4, 0.9)
    with torch.device("meta"):
        network = recipe.network.build()
    assert network.trunk.grid == (21, 10) and network.dim == 3840


@pytest.mark.parametrize(
    ("recipe", "dim", "grid"), [(mobilenetv2_market1501(), 1280, (16, 8)), (fbnetv2_market1501(), 1984, (16, 8))]
)
def test_small_trunks_have_the_settings_that_were_released_for_them(recipe, dim, grid):
    assert recipe.method == SupervisedConfig(smoothing=0.1, margin=0.3, center_weight=5e-4, center_lr=0.5)
    assert recipe.sampling == ExhaustiveSampling(batch_size=64, instances=4)
    lr, schedule = recipe.optimizer.lr, recipe.schedule
    assert (recipe.optimizer.kind, lr, recipe.optimizer.momentum) == ("sgd", 0.035, 0.9)
    assert (recipe.optimizer.weight_decay, recipe.epochs) == (5e-4, 1400)
    for epoch, share in ((0, 0.1), (10, 1), (799, 1), (800, 0.1), (1000, 0.01), (1200, 1e-3), (1300, 1e-4)):
        assert learning_rate(lr, lr, schedule, epoch, 1400) == pytest.approx(share * 0.035, rel=1e-6), epoch
    with torch.device("meta"):
        network = recipe.network.build().eval()
        tokens = network.trunk(torch.zeros(1, 3, *recipe.preprocessing.size))
    assert network.dim == dim and tokens.grid == grid


def test_mgn_is_the_papers():
    recipe = mgn_market1501()
    assert recipe.preprocessing.size == (384, 128)
    assert (recipe.method.smoothing, recipe.method.margin, recipe.method.center_weight) == (0.0, 1.2, 0.0)
    assert (recipe.augmentation.flip, recipe.augmentation.pad, recipe.augmentation.erase) == (0.5, 0, 0)
    lr, schedule = recipe.optimizer.lr, recipe.schedule
    assert (recipe.optimizer.kind, lr, recipe.optimizer.momentum) == ("sgd", 1e-2, 0.9)
    assert (recipe.optimizer.weight_decay, recipe.epochs) == (5e-4, 80)
    for epoch, share in ((0, 1), (39, 1), (40, 0.1), (59, 0.1), (60, 0.01), (79, 0.01)):
        assert learning_rate(lr, lr, schedule, epoch, 80) == pytest.approx(share * lr), epoch
    with torch.device("meta"):
        network = recipe.network.build()
    assert network.dims == (256,) * 8 and network.dim == 2048
