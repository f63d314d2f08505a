"""Official checkpoints: there and back, what is ignored, and what is refused. Golden names: ``tests/golden``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from reknow.errors import WeightsError
from reknow.methods.editor.checkpoint import load_official, official_names, to_official
from reknow.methods.editor.method import Editor
from reknow.methods.editor.network import EditorNetworkConfig

Build = Callable[..., Editor]


@pytest.mark.parametrize("variant", ["AL", "BL"])
def test_there_and_back_through_a_file(build: Build, variant: str, tmp_path: Path) -> None:
    source, target = build(variant=variant), build(variant=variant)
    with torch.no_grad():
        for tensor in source.state_dict().values():
            tensor.add_(1)
    torch.save(to_official(source), tmp_path / "EDITOR_70.pth")
    ignored = load_official(target, tmp_path / "EDITOR_70.pth")
    for name, tensor in source.state_dict().items():
        assert torch.equal(target.state_dict()[name], tensor), name
    beginnings = {name.rpartition(".")[0] for name in ignored}
    assert beginnings == {"BACKBONE.base.fc"} | ({"BACKBONE_BN", "BACKBONE_HEAD"} if variant == "AL" else set())


def test_every_name_is_its_own(build: Build) -> None:
    names = official_names(build())
    assert len(set(names.values())) == len(names)
    assert names["network.aggregation.independent.nir.norm2.weight"] == "FUSE_block.normN_.weight"
    assert names["network.aggregation.collaborative.norm2.weight"] == "FUSE_block.norm2.weight"


def test_a_checkpoint_of_another_size_leaves_the_method_alone(build: Build) -> None:
    method = build()
    before = {name: tensor.clone() for name, tensor in method.state_dict().items()}
    state = to_official(build())
    with pytest.raises(WeightsError, match=r"FUSE_HEAD.weight.*size \(9, 48\)"):
        load_official(method, {**state, "FUSE_HEAD.weight": torch.zeros(9, 48)})
    with pytest.raises(WeightsError, match=r"AL_BN.weight': none"):
        load_official(build(variant="AL"), state)
    assert all(torch.equal(method.state_dict()[name], tensor) for name, tensor in before.items())


def test_means_of_descriptors_are_ours_alone(config: EditorNetworkConfig, build: Build) -> None:
    method = Editor(replace(config, center=True).build(), build().labels, build().config)
    assert method.network.means is not None
    method.network.means.mean.fill_(2.0)
    assert set(to_official(method)) == set(to_official(build()))
    load_official(method, to_official(build()))
    assert (method.network.means.mean == 2).all()
