"""ResNet-50 and OSNet of other origins."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.models import resnet50

from reknow.errors import WeightsError
from reknow.models.osnet import WIDTHS, OSNetConfig
from reknow.models.resnet import ResNetConfig
from reknow.models.weights import fill, load_trunk, read_weights
from reknow.models.weights.foreign import IMAGENET

ORDER = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4")


@pytest.fixture(scope="module")
def whole() -> nn.Module:
    torch.manual_seed(0)
    return resnet50(weights=None).eval()


def test_torchvision_s_resnet_fits_and_its_classifier_is_ignored(save, whole):
    trunk = ResNetConfig().build()
    loaded = load_trunk(trunk, save({"state_dict": {f"module.{name}": t for name, t in whole.state_dict().items()}}))
    assert loaded.origin == "torchvision ResNet-50"
    assert loaded.ignored == ("fc.weight", "fc.bias")
    assert loaded.left == ("pool.p",)
    assert torch.equal(trunk.state_dict()["layer3.2.conv2.weight"], whole.state_dict()["layer3.2.conv2.weight"])


def numbered(whole: nn.Module, pooling: dict[str, torch.Tensor]) -> dict[str, object]:
    """A checkpoint as cluster-contrast writes it: the stages in one sequence, data parallel, a score beside."""
    base = nn.Sequential(*(whole.get_submodule(name) for name in ORDER))
    state = {f"module.base.{name}": tensor for name, tensor in base.state_dict().items()}
    neck = {f"module.feat_bn.{name}": tensor for name, tensor in nn.BatchNorm1d(2048).state_dict().items()}
    return {"state_dict": state | pooling | neck, "epoch": 50, "best_mAP": np.float64(0.8)}


@pytest.mark.parametrize("power", [None, 2.5], ids=["mean", "generalized mean"])
def test_cluster_contrast_gives_its_own_feature(save, whole, power):
    pooling = {} if power is None else {"module.gap.p": torch.tensor([power])}
    foreign = read_weights(save(numbered(whole, pooling)))
    assert foreign.origin == "cluster-contrast ResNet-50"
    assert foreign.ignored == ()
    assert len(foreign.neck) == 5
    trunk = ResNetConfig(last_stride=2).build().eval()
    assert fill(trunk, foreign).left == ()
    images = torch.randn(1, 3, 64, 32)
    with torch.inference_mode():
        maps = nn.Sequential(*(whole.get_submodule(name) for name in ORDER))(images).clamp(min=1e-6)
        power = power or 1
        pooled = maps.pow(power).mean(dim=(2, 3)).pow(1 / power)
        torch.testing.assert_close(trunk(images).cls, pooled, rtol=1e-5, atol=1e-6)


def test_other_resnets_are_refused(save, whole):
    ibn = {"layer1.0.bn1.IN.weight": torch.ones(1), "layer1.0.bn1.IN.bias": torch.ones(1)}
    with pytest.raises(
        WeightsError, match=r"looks like torchvision ResNet-50, but has 2 tensors more, such as 'layer1"
    ):
        read_weights(save(whole.state_dict() | ibn))


@pytest.mark.parametrize("width", WIDTHS)
def test_width_of_an_osnet_is_found_from_its_channels(save, width):
    torch.manual_seed(0)
    source = OSNetConfig(width=width).build().eval()
    classifier = {"classifier.weight": torch.ones(10, 512), "classifier.bias": torch.ones(10)}
    foreign = read_weights(save(source.state_dict() | classifier))
    assert foreign.origin == f"torchreid OSNet x{width}"
    assert foreign.trunk == OSNetConfig(width=width)
    assert (foreign.feature, foreign.mean, foreign.std) == ("projected", IMAGENET.mean, IMAGENET.std)
    target = foreign.trunk.build().eval()
    loaded = fill(target, foreign)
    assert loaded.ignored == tuple(classifier)
    assert (loaded.resized, loaded.left) == ((), ())
    images = torch.randn(1, 3, 32, 16)
    with torch.inference_mode():
        found, expected = (trunk.project(trunk(images).cls) for trunk in (target, source))
    assert torch.equal(found, expected)


def test_osnet_with_instance_norm_is_refused(save):
    state = OSNetConfig().build().state_dict() | {"conv2.0.IN.weight": torch.ones(64)}
    with pytest.raises(
        WeightsError, match=r"looks like torchreid OSNet x0\.25, but has 1 tensors more, such as 'conv2"
    ):
        read_weights(save(state))


def test_published_file(shared):
    loaded = load_trunk(OSNetConfig().build(), shared / "data/osnet/osnet_x0_25_msmt17.pth")
    assert loaded.sentences() == [
        "weights: torchreid OSNet x0.25 from osnet_x0_25_msmt17.pth, 565 of the trunk's 565 tensors",
        "ignored: classifier (2 tensors)",
    ]
