"""Weights from files: the trunk's own names, nothing executed, and clear words for what does not fit."""

from __future__ import annotations

import pickle

import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import resnet50

from reknow.errors import WeightsError
from reknow.models.resnet import ResNetConfig
from reknow.models.transformer import TransformerConfig
from reknow.models.weights import load_trunk


def small(width=8):
    return TransformerConfig(image_size=(32, 16), width=width, depth=1, heads=2).build()


def test_torchvision_s_resnet_fits_and_its_classifier_is_ignored(tmp_path):
    torch.manual_seed(0)
    whole = resnet50(weights=None)
    torch.save({"state_dict": {f"module.{name}": t for name, t in whole.state_dict().items()}}, tmp_path / "r.pth")
    trunk = ResNetConfig().build()
    loaded = load_trunk(trunk, tmp_path / "r.pth")
    assert loaded.ignored == ("fc.weight", "fc.bias")
    assert loaded.left == ("pool.p",)
    assert torch.equal(trunk.state_dict()["layer3.2.conv2.weight"], whole.state_dict()["layer3.2.conv2.weight"])


def test_safetensors_round_trip(tmp_path):
    source, target = small(), small()
    save_file(source.state_dict(), tmp_path / "w.safetensors")
    assert load_trunk(target, tmp_path / "w.safetensors").left == ()
    assert all(torch.equal(a, b) for a, b in zip(source.parameters(), target.parameters(), strict=True))


def test_another_network_or_size_is_refused(tmp_path):
    torch.save(small().state_dict(), tmp_path / "vit.pth")
    with pytest.raises(WeightsError, match=r"0 of the trunk's .* a ResNet50"):
        load_trunk(ResNetConfig().build(), tmp_path / "vit.pth")
    with pytest.raises(WeightsError, match=r"size .* expected"):
        load_trunk(small(width=16), tmp_path / "vit.pth")


@pytest.mark.parametrize("content", [b"text", pickle.dumps(print), b""])
def test_what_is_no_checkpoint_is_refused_and_nothing_runs(tmp_path, content):
    (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(WeightsError, match=r"w\.pth"):
        load_trunk(small(), tmp_path / "w.pth")
