"""Reading a file: what checkpoints wrap around weights comes off, nothing is executed, and errors name the file."""

from __future__ import annotations

import pickle
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from reknow.errors import WeightsError
from reknow.models.weights import resolve
from reknow.models.weights.file import read

ONE = torch.arange(3.0)


def test_safetensors_and_pth_hold_the_same(tmp_path, save):
    save_file({"a": ONE}, tmp_path / "w.safetensors")
    for path in (tmp_path / "w.safetensors", save({"a": ONE})):
        content = read(path)
        assert (content.entry, content.prefix, list(content.state)) == ("", "", ["a"])
        assert torch.equal(content.state["a"], ONE)


@pytest.mark.parametrize(
    ("wrapped", "entry", "prefix"),
    [
        ({"state_dict": {"module.a": ONE}, "epoch": 3, "best_mAP": np.float64(0.5)}, "state_dict", ""),
        ({"model": {"a": ONE}, "args": Namespace(lr=0.1)}, "model", ""),
        ({"student": {"module.backbone.b": ONE}, "teacher": {"backbone.a": ONE}}, "teacher", "backbone."),
        ({"state_dict": {"module.base.a": ONE}}, "state_dict", "base."),
        ({"trunk.a": ONE}, "", "trunk."),
    ],
    ids=["training", "options", "dino", "base", "recognizer"],
)
def test_wrapping_comes_off(save, wrapped, entry, prefix):
    content = read(save(wrapped))
    assert (content.entry, content.prefix, list(content.state)) == (entry, prefix, ["a"])


def test_a_short_name_that_is_taken_stays_long(save):
    state = read(save({"base.norm.weight": ONE, "norm.weight": ONE + 1, "base.cls": ONE})).state
    assert set(state) == {"base.norm.weight", "norm.weight", "cls"}
    assert torch.equal(state["norm.weight"], ONE + 1)


class Executing:
    """What a malicious checkpoint would hold."""

    def __init__(self, evidence: Path) -> None:
        self.evidence = evidence

    def __reduce__(self):
        return Path.touch, (self.evidence,)


def test_nothing_is_executed(tmp_path, save):
    path = save({"a": ONE, "b": Executing(tmp_path / "executed")})
    with pytest.raises(WeightsError, match=r"weights\.pth: not a file of plain weights"):
        read(path)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("content", [b"text", pickle.dumps(print), b""])
@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
def test_what_is_no_checkpoint_is_refused(tmp_path, content, name):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError, match=name):
        read(tmp_path / name)


@pytest.mark.parametrize("content", [{}, {"epoch": 3}, {"state_dict": {"a": "text"}}])
def test_what_holds_no_state_dict_is_refused(save, content):
    with pytest.raises(WeightsError, match="no state dict"):
        read(save(content))


def test_a_missing_file_tells_of_the_folder(tmp_path):
    with pytest.raises(WeightsError, match=r"absent\.pth: no such file.*REKNOW_WEIGHTS"):
        read(tmp_path / "absent.pth")


def test_resolve_takes_the_path_then_the_folder(tmp_path, monkeypatch):
    folder, here = tmp_path / "folder", tmp_path / "here"
    for place in (folder, here):
        place.mkdir()
        (place / "both.pth").touch()
    (folder / "one.pth").touch()
    monkeypatch.chdir(here)
    monkeypatch.delenv("REKNOW_WEIGHTS", raising=False)
    assert resolve("one.pth") is None
    monkeypatch.setenv("REKNOW_WEIGHTS", str(folder))
    assert resolve("one.pth") == folder / "one.pth"
    assert resolve("both.pth") == Path("both.pth")
    assert resolve(str(folder / "one.pth")) == folder / "one.pth"
    assert resolve("absent.pth") is None
    assert resolve("") is None
    assert resolve(".") is None  # a folder is no file
