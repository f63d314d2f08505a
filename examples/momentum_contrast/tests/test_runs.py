"""Whole runs through the entry point: listed, trained, read back, resumed to the bit, the same on two processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
import yaml

import reknow
from reknow import cli
from reknow.progress import Display
from reknow.training import loop
from reknow.training.train import train
from reknow.values import to_plain

QUIET = Display(quiet=True)


def checkpoint(folder):
    """The method's state, flat: tensors by name."""
    state = torch.load(folder / "checkpoints" / "last.pt", weights_only=True)["method"]
    return {**state.pop("_extra_state"), **state}


def steps(folder):
    """What each log line says of the losses."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [
        {name: value for name, value in line.items() if name in ("epoch", "step") or name.startswith("loss")}
        for line in lines
        if line["kind"] == "step"
    ]


def test_the_package_is_listed(site, capsys):
    assert cli.main(["recipes"]) == 0
    ours = [line for line in capsys.readouterr().out.splitlines() if "reknow-momentum-contrast" in line]
    assert [line.split()[0] for line in ours] == ["momentum_contrast", "momentum_contrast/world"]


def test_a_run_is_trained_and_what_it_keeps_is_the_momentum_encoder(tiny, crops, tmp_path):
    train(tiny, tmp_path / "run", display=QUIET)
    state, recognizer = checkpoint(tmp_path / "run"), reknow.load(tmp_path / "run")
    kept = recognizer.network.state_dict()
    assert all(torch.equal(kept[name], state[f"network.{name}"]) for name in kept)
    assert any(not torch.equal(state[f"network.{name}"], state[f"online.{name}"]) for name in kept)
    vectors = recognizer.embed(sorted(crops.glob("*.png"))[:5])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    assert len(state["keys"]) == len(state["key_labels"]) == 20
    assert all(line["loss/queue"] > 0 for line in steps(tmp_path / "run"))


def test_a_resumed_run_equals_the_unbroken_one_to_the_bit(tiny, tmp_path, monkeypatch):
    train(tiny, tmp_path / "whole", display=QUIET)
    step = loop.Trainer._step

    def interrupted(self, *arguments):
        terms = step(self, *arguments)
        self.stopping = (self.position.epoch, self.position.step + 1) == (1, 2)
        return terms

    monkeypatch.setattr(loop.Trainer, "_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(tiny, tmp_path / "broken", display=QUIET)
    monkeypatch.setattr(loop.Trainer, "_step", step)
    train(tiny, tmp_path / "broken", resume=True, display=QUIET)
    whole, resumed = checkpoint(tmp_path / "whole"), checkpoint(tmp_path / "broken")
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert steps(tmp_path / "whole") == steps(tmp_path / "broken")


SCRIPT = """
import sys, yaml
from pathlib import Path
from reknow.progress import Display
from reknow.training.train import train
from reknow.values import from_plain

train(from_plain(yaml.safe_load(Path("recipe.yaml").read_text()), "recipe"), Path("two"), display=Display(quiet=True))
"""


@pytest.mark.filterwarnings("default")
def test_two_processes_learn_what_one_would_and_keep_the_same_queue(tiny, site, tmp_path):
    # One epoch: the next one's clusters are choices, which the last digit may turn. Two parts, one for each process.
    sampling = replace(tiny.sampling, statistics_over=4)
    recipe = replace(tiny, method=replace(tiny.method, temperature=1.0), sampling=sampling, epochs=1, iterations=4)
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(to_plain(recipe)))
    (tmp_path / "script.py").write_text(SCRIPT)
    places = os.pathsep.join([str(site), *(place for place in sys.path if place.endswith("momentum_contrast/src"))])
    environment = {"PYTHONPATH": places, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "script.py"]
    subprocess.run(
        [sys.executable, *launch],
        cwd=tmp_path,
        env=os.environ | environment,
        check=True,
        capture_output=True,
        timeout=400,
    )
    train(recipe, tmp_path / "one", display=QUIET)
    for several, alone in zip(steps(tmp_path / "two"), steps(tmp_path / "one"), strict=True):
        assert several == pytest.approx(alone, abs=1e-5)
    several, alone = checkpoint(tmp_path / "two"), checkpoint(tmp_path / "one")
    assert torch.equal(several["key_labels"], alone["key_labels"])
    torch.testing.assert_close(several["keys"], alone["keys"], atol=1e-5, rtol=0)
