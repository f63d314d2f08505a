"""Whatever lies beside the weights, they are read; whatever a file would run is not run."""

from __future__ import annotations

import argparse
import builtins
import collections
import ctypes
import datetime
import importlib
import os
import pathlib
import random
import subprocess
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.f2py
import pytest
import torch
from torch import nn

from reknow.models.weights.file import read
from reknow.models.weights.unpickling import Placeholder, read_checkpoint

BESIDE = {
    "score": np.float64(0.5),
    "epoch": np.int32(3),
    "flag": np.bool_(True),
    "half": np.zeros(3, np.float16),
    "text": np.array(["a", "b"]),
    "objects": np.array([1, "a"], dtype=object),
    "record": np.zeros(2, dtype=[("a", "f4"), ("b", "i8")]),
    "options": argparse.Namespace(out=pathlib.Path("x"), names=["a"], nested=argparse.Namespace(lr=0.1)),
    "windows": pathlib.PureWindowsPath("C:/x"),
    "counts": collections.defaultdict(list, {"a": [1]}),
    "counter": collections.Counter("aab"),
    "queue": collections.deque([1, 2]),
    "when": datetime.datetime(2024, 1, 1),
    "random": random.getstate(),
    "numpy": np.random.default_rng(0).bit_generator.state,
    "generator": np.random.default_rng(0),
    "torch": torch.get_rng_state(),
    "bytes": b"\x00\xff",
    "set": {1, 2},
    "slice": slice(1, 2),
    "complex": 1j,
    "device": torch.device("cpu"),
    "dtype": torch.float16,
    "optimizer": torch.optim.AdamW(nn.Linear(2, 2).parameters()).state_dict(),
    "network": nn.Linear(2, 2),
}


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("name", BESIDE)
def test_anything_may_lie_beside_the_weights(tmp_path, name, legacy):
    weights = collections.OrderedDict(a=nn.Parameter(torch.arange(3.0)), b=torch.ones(2, dtype=torch.bfloat16))
    path = tmp_path / "w.pth"
    torch.save({"state_dict": weights, name: BESIDE[name]}, path, _use_new_zipfile_serialization=not legacy)
    state = read(path).state
    assert type(state["a"]) is torch.Tensor
    assert torch.equal(state["a"], torch.arange(3.0))
    assert torch.equal(state["b"], torch.ones(2, dtype=torch.bfloat16))


def test_views_share_and_keep_their_place(tmp_path):
    whole = torch.arange(12.0).view(3, 4)
    torch.save({"whole": whole, "column": whole[:, 1], "turned": whole.T}, tmp_path / "w.pth")
    state = read_checkpoint(tmp_path / "w.pth")
    assert torch.equal(state["column"], whole[:, 1])
    assert torch.equal(state["turned"], whole.T)
    state["whole"][0, 1] = 99
    assert state["column"][0] == 99


class Attack:
    """An object that a pickle would build by calling something."""

    def __init__(self, call: Callable[..., Any], *values: Any) -> None:
        self.call, self.values = call, values

    def __reduce__(self) -> Any:
        return self.call, self.values


def attacks(evidence: pathlib.Path) -> dict[str, Any]:
    """Each would leave the file `evidence`, or load code, if it were called."""
    touch, text = f"touch {evidence}", f"open({str(evidence)!r}, 'w')"
    inner = evidence.with_name("inner.pth")
    torch.save(Attack(os.system, touch), inner)
    return {
        "system": Attack(os.system, touch),
        "popen": Attack(subprocess.Popen, touch.split()),
        "eval": Attack(eval, text),
        "exec": Attack(exec, text),
        "open": Attack(open, str(evidence), "w"),
        "getattr": Attack(builtins.getattr, Attack, "x"),
        "import": Attack(importlib.import_module, "this"),
        "mkdir": Attack(os.mkdir, str(evidence)),
        "path": Attack(pathlib.Path.touch, evidence),
        "torch.load": Attack(torch.storage._load_from_bytes, inner.read_bytes()),
        "torch.load file": Attack(torch.load, str(inner)),
        "hub": Attack(torch.hub.load, "a/b", "c"),
        "jit": Attack(torch.jit.load, str(inner)),
        "numpy.load": Attack(np.load, str(inner), None, True),
        "f2py": Attack(numpy.f2py.run_main, ["-c", str(evidence)]),
        "library": Attack(ctypes.CDLL, "libc.so.6"),
        "in a tensor's place": Attack(torch._utils._rebuild_parameter, Attack(os.system, touch), False, None),
        "by a tensor's class": Attack(torch._tensor._rebuild_from_type_v2, os.system, torch.Tensor, (touch,), None),
    }


ATTACKS = (
    *("system", "popen", "eval", "exec", "open", "getattr", "import", "mkdir", "path", "torch.load", "torch.load file"),
    *("hub", "jit", "numpy.load", "f2py", "library", "in a tensor's place", "by a tensor's class"),
)


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("name", ATTACKS)
def test_nothing_is_called(tmp_path, monkeypatch, name, legacy):
    evidence = tmp_path / "evidence"
    path = tmp_path / "w.pth"
    attack = attacks(evidence)[name]
    torch.save({"state_dict": {"a": torch.ones(1)}, "beside": attack}, path, _use_new_zipfile_serialization=not legacy)
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    content = read_checkpoint(path)
    assert isinstance(content["beside"], Placeholder)
    assert torch.equal(content["state_dict"]["a"], torch.ones(1))
    assert sorted(tmp_path.iterdir()) == before
    assert not evidence.exists()


def test_the_attacks_are_real(tmp_path):
    """What the reader is kept from would have happened."""
    evidence = tmp_path / "evidence"
    torch.save(attacks(evidence)["system"], tmp_path / "w.pth")
    torch.load(tmp_path / "w.pth", weights_only=False)
    assert evidence.exists()
