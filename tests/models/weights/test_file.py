"""Reading a file: what checkpoints wrap around weights comes off, nothing is executed, and errors name the file."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from reknow.errors import WeightsError
from reknow.models.weights.file import ENTRIES, PREFIXES, read

ONE = torch.arange(3.0)


def test_safetensors_and_pth_hold_the_same(tmp_path, save):
    save_file({"a": ONE}, tmp_path / "w.safetensors")
    for path in (tmp_path / "w.safetensors", save({"a": ONE})):
        content = read(path)
        assert (content.entry, content.prefixes, list(content.state)) == ("", (), ["a"])
        assert torch.equal(content.state["a"], ONE)


@pytest.mark.parametrize(
    ("wrapped", "entry", "prefixes"),
    [
        ({"state_dict": {"module.a": ONE}, "epoch": 3, "best_mAP": np.float64(0.5)}, "state_dict", ("module.",)),
        ({"model": {"a": ONE}, "args": Namespace(lr=0.1)}, "model", ()),
        (
            {"student": {"module.backbone.b": ONE}, "teacher": {"backbone.a": ONE}},
            "teacher",
            ("backbone.",),
        ),
        ({"state_dict": {"module.base.a": ONE}}, "state_dict", ("module.", "base.")),
        ({"trunk.a": ONE}, "", ("trunk.",)),
        ({"a": ONE, "epoch": 3, "args": Namespace(out=Path("x"))}, "", ()),
        ({"model": {"module": {"a": ONE}, "decay": 0.9}}, "module", ()),
        ({"weights_of_friday": {"a": ONE}, "rng": torch.get_rng_state()}, "weights_of_friday", ()),
        ({"model": {"name": "vit"}, "net": {"a": ONE}, "optimizer": {"state": {0: {"step": ONE}}}}, "net", ()),
        *[({name: {"a": ONE}, "epoch": 3}, name, ()) for name in ENTRIES],
        *[({f"{prefix}a": ONE}, "", (prefix,)) for prefix in PREFIXES],
        ({"_orig_mod.module.model.a": ONE}, "", ("module.", "_orig_mod.", "model.")),
        ({"model.backbone._orig_mod.a": ONE}, "", ("_orig_mod.", "model.", "backbone.")),
    ],
)
def test_wrapping_comes_off(save, wrapped, entry, prefixes):
    content = read(save(wrapped))
    assert (content.entry, sorted(content.prefixes), list(content.state)) == (entry, sorted(prefixes), ["a"])
    assert torch.equal(content.state["a"], ONE)


def test_of_several_entries_the_average_is_taken_and_the_others_are_named(save):
    content = read(save({"model": {"a": ONE}, "model_ema": {"a": ONE + 1}}))
    assert torch.equal(content.state["a"], ONE + 1)
    assert content.notes == ("read from the entry 'model_ema'; the file also holds 'model'",)


def test_an_entry_of_another_name_is_said(save):
    assert read(save({"mine": {"a": ONE}, "epoch": 1})).notes == (
        "read from the entry 'mine', the only one that holds tensors",
    )


def test_what_is_no_tensor_is_said(save):
    assert read(save({"a": ONE, "epoch": 3})).notes == ("not read, since they are no tensors: epoch",)


def test_a_short_name_that_is_taken_stays_long(save):
    state = read(save({"base.norm.weight": ONE, "norm.weight": ONE + 1, "base.cls": ONE})).state
    assert set(state) == {"base.norm.weight", "norm.weight", "cls"}
    assert torch.equal(state["norm.weight"], ONE + 1)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ({}, "but nothing"),
        ({"epoch": 3}, r"but the entries 'epoch' \(int\)"),
        ({"state_dict": {"a": "text"}}, r"'state_dict' \(dict\)"),
        ({"first": {"a": ONE}, "second": {"b": ONE}}, r"'first' \(dict\), 'second' \(dict\)"),
        ({"model": nn.Linear(2, 2)}, r"'model' \(a whole network, pickled: torch\.nn\.modules\.linear\.Linear\)"),
    ],
)
def test_what_holds_no_state_dict_is_told_what_it_holds(save, content, found):
    with pytest.raises(WeightsError, match=f"no state dict, .*{found}"):
        read(save(content))


def test_a_whole_network_is_refused_by_its_class(tmp_path):
    torch.save(nn.Linear(2, 2), tmp_path / "w.pth")
    with pytest.raises(
        WeightsError, match=r"an object of the class torch\.nn\.modules\.linear\.Linear.*state_dict\(\)"
    ):
        read(tmp_path / "w.pth")


def test_what_stands_where_a_tensor_should_is_refused_by_name(save):
    with pytest.raises(WeightsError, match=r"tensor 'b': a sparse tensor"):
        read(save({"a": ONE, "b": torch.eye(3).to_sparse()}))
    with pytest.raises(WeightsError, match=r"tensor 'b': a numpy array"):
        read(save({"state_dict": {"a": ONE, "b": np.zeros(3)}}))
    with pytest.raises(WeightsError, match=r"tensor 'a': a numpy array"):
        read(save({"a": np.zeros(3)}))


def test_a_missing_file_tells_of_the_folder(tmp_path):
    with pytest.raises(WeightsError, match=r"absent\.pth: no such file.*REKNOW_WEIGHTS"):
        read(tmp_path / "absent.pth")
