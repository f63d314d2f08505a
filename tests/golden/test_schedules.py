"""Golden case ``schedules``: TransReID's and EDITOR's warm-up cosine, TCMM's steps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from safetensors import safe_open

from reknow.methods.cluster_contrast import recipes as cluster_contrast
from reknow.methods.editor import recipes as editor
from reknow.methods.recipe import Schedule
from reknow.methods.supervised import recipes as supervised
from reknow.methods.tcmm import recipes as tcmm
from reknow.training.optimization import learning_rate

with safe_open(Path(__file__).parent / "data" / "schedules.safetensors", "pt") as case:
    HEADER = case.metadata()
    EXPECTED = {name: case.get_tensor(name) for name in case.keys()}  # noqa: SIM118 (not a dict)


@pytest.mark.parametrize("name", ["transreid_market", "editor_70"])
def test_warm_up_cosine(name):
    given = json.loads(HEADER[name])
    lr, epochs = given["base_lr"], given["epochs"]
    schedule = Schedule(
        kind="cosine", warmup=given["warmup"], floor=given["lr_min"] / lr, warmup_start=given["warmup_lr_init"] / lr
    )
    weights = [learning_rate(lr, lr, schedule, epoch, epochs) for epoch in range(epochs)]
    biases = [learning_rate(lr * given["bias_lr_factor"], lr, schedule, epoch, epochs) for epoch in range(epochs)]
    assert weights == pytest.approx(EXPECTED[f"expected/{name}/lr_weight"].tolist(), rel=1e-6)
    assert biases == pytest.approx(EXPECTED[f"expected/{name}/lr_bias"].tolist(), rel=1e-6)


def test_steps():
    given = json.loads(HEADER["tcmm"])
    schedule = Schedule(kind="step", every=given["step_size"], gamma=given["gamma"])
    rates = [
        learning_rate(given["base_lr"], given["base_lr"], schedule, epoch, given["epochs"])
        for epoch in range(given["epochs"])
    ]
    assert rates == pytest.approx(EXPECTED["expected/tcmm/lr"].tolist(), rel=1e-6)


@pytest.mark.parametrize(
    ("name", "recipe"),
    [
        ("editor_70", editor.rgbnt201()),
        ("editor_70", editor.market1501_mm()),
        ("transreid_market", supervised.transreid_market1501()),
    ],
)
def test_published_recipes_with_a_cosine(name, recipe):
    lr = recipe.optimizer.lr
    peaks = {"lr_weight": lr, "lr_bias": lr * recipe.optimizer.bias_lr_factor}
    for tensor, peak in peaks.items():
        rates = [learning_rate(peak, lr, recipe.schedule, epoch, recipe.epochs) for epoch in range(recipe.epochs)]
        assert rates == pytest.approx(EXPECTED[f"expected/{name}/{tensor}"].tolist(), rel=1e-6)


@pytest.mark.parametrize("recipe", [tcmm.market1501(), tcmm.msmt17(), cluster_contrast.market1501()])
def test_published_recipes_with_steps(recipe):
    expected = EXPECTED["expected/tcmm/lr"].tolist()[: recipe.epochs]  # cluster contrast's 50 epochs: the same rates
    lr = recipe.optimizer.lr
    rates = [learning_rate(lr, lr, recipe.schedule, epoch, recipe.epochs) for epoch in range(recipe.epochs)]
    assert rates == pytest.approx(expected, rel=1e-6)
