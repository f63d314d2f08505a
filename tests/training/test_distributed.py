"""Two processes under torchrun (gloo): they agree, one folder comes of it, and they learn what one process learns."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest
import yaml

from reknow.methods.recipe import Optimizer, Sampling
from reknow.methods.tcmm.method import TCMMConfig
from reknow.models.embedder import EmbedderConfig
from reknow.models.transformer import TransformerConfig
from reknow.progress import Display
from reknow.training.train import train
from reknow.values import to_plain

SCRIPT = """
import sys, yaml
from pathlib import Path
from reknow.progress import Display
from reknow.training.train import train
from reknow.values import from_plain
import torch

for name in sys.argv[1:]:
    recipe = from_plain(yaml.safe_load(Path(name + ".yaml").read_text()), name)
    outcome = train(recipe, Path(name), display=Display(quiet=True))
    rank = torch.distributed.get_rank()
    Path(f"{name}-{rank}.txt").write_text(str(outcome.training.vectors.sum(0).tolist()))
"""


def tcmm(tiny, crops, statistics_over):
    """TCMM whole, with batch norms in stem, token constraint and neck."""
    trunk = TransformerConfig(
        image_size=(32, 16),
        width=16,
        depth=2,
        heads=2,
        stem="convolution",
        stride=8,
        convolutions=((8, 3, 2), (8, 3, 2)),
        extra_tokens=2,
    )
    return replace(
        tiny,
        # At the paper's temperature of 0.05 this network's losses are near 30, where 32 bit end at 2e-6.
        method=TCMMConfig(clustering=tiny.method.clustering, alpha=0.25, normalize="as_released", temperature=1.0),
        network=EmbedderConfig(trunk=trunk, feature="cls+extra"),
        data=f"folder:{crops}?identity_pattern=(person\\d+)",
        # One epoch: the next one's clusters are choices, which the last digit of a survey may turn.
        epochs=1,
        iterations=6,
        sampling=Sampling(batch_size=16, instances=4, statistics_over=statistics_over),
        # Adam's first steps have the size of the rate whatever the gradient, so they would enlarge rounding.
        optimizer=Optimizer(kind="sgd", lr=1e-3),
        precision="32",
    )


@pytest.mark.filterwarnings("default")
def test_two_processes_share_a_run_and_learn_what_one_would(crops, tiny, tmp_path):
    recipes = {"halves": tcmm(tiny, crops, statistics_over=8), "whole": tcmm(tiny, crops, statistics_over=None)}
    for name, recipe in recipes.items():
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(to_plain(recipe)))
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    subprocess.run(
        [*command, "script.py", *recipes],
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        check=True,
        capture_output=True,
        timeout=400,
    )
    for name, recipe in recipes.items():
        # Both processes hold the same embeddings of all rows, so weights, statistics and pseudo-labels agree.
        assert (tmp_path / f"{name}-0.txt").read_text() == (tmp_path / f"{name}-1.txt").read_text()
        assert (tmp_path / name / "recognizer" / "model.safetensors").is_file()
        train(recipe, tmp_path / f"{name}-alone", display=Display(quiet=True))
        together, alone = steps_of(tmp_path / name), steps_of(tmp_path / f"{name}-alone")
        assert len(together) == len(alone) == 6
        for several, one in zip(together, alone, strict=True):
            assert several == pytest.approx(one, abs=1e-5)


def steps_of(folder):
    """What each log line says of the losses."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [
        {name: value for name, value in line.items() if name in ("epoch", "step") or name.startswith("loss")}
        for line in lines
        if line["kind"] == "step"
    ]


HALVES = """
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import yaml

from reknow.methods.method import EpochPlan, Method, MethodConfig
from reknow.methods.sampling import BatchRule
from reknow.progress import Display
from reknow.training.train import train
from reknow.values import from_plain


@dataclass(frozen=True, kw_only=True)
class Sides(BatchRule):
    def draw(self, planned, rng, steps):
        return [np.r_[0:4, 24:28], np.r_[4:8, 28:32]]


class Halves(Method):
    def __init__(self, network):
        super().__init__(network)
        self.sides = torch.nn.ParameterList([torch.ones(network.dim), torch.ones(network.dim)])

    def before_epoch(self, epoch, training_set):
        rows = np.arange(len(training_set))
        return EpochPlan(rows, rows // 24, sampling=Sides(batch_size=8))

    def losses(self, batch, moment):
        vectors = self.embed(batch)
        terms = [vectors[row] @ self.sides[int(side)] for row, side in enumerate(batch.label)]
        return {"side": torch.stack(terms).mean()}


@dataclass(frozen=True, kw_only=True)
class HalvesConfig(MethodConfig):
    def build(self, network, training_set):
        return Halves(network)


recipe = from_plain(yaml.safe_load(Path("tiny.yaml").read_text()), "tiny")
train(replace(recipe, method=HalvesConfig()), Path(sys.argv[1]), display=Display(quiet=True))
"""


@pytest.mark.filterwarnings("default")
def test_a_share_of_a_batch_may_leave_parameters_alone(crops, tiny, tmp_path):
    """As where one process gets the pictures of one spectrum, and the other stem is not used there."""
    network = replace(tiny.network, trunk=replace(tiny.network.trunk, drop_path=0.0))  # it is drawn per process
    recipe = replace(tiny, data=f"folder:{crops}", network=network, epochs=1, precision="32")
    recipe = replace(recipe, optimizer=Optimizer(kind="sgd", lr=1e-2))
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(to_plain(recipe)))
    (tmp_path / "script.py").write_text(HALVES)
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    for command in ([*torchrun, "script.py", "two"], [sys.executable, "script.py", "one"]):
        subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True, timeout=200)
    two, one = steps_of(tmp_path / "two"), steps_of(tmp_path / "one")
    assert len(two) == len(one) == 2
    for several, alone in zip(two, one, strict=True):
        assert several == pytest.approx(alone, abs=1e-5)
