"""ResNet-50, OSNet and MobileNetV2 of other origins."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.models import mobilenet_v2, resnet50

from reknow.errors import WeightsError
from reknow.models.inverted_residuals import MobileNetV2Config
from reknow.models.osnet import WIDTHS, OSNetConfig
from reknow.models.resnet import ResNetConfig
from reknow.models.weights import fill, read_weights
from reknow.models.weights.pretrained import IMAGENET

ORDER = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4")


@pytest.fixture(scope="module")
def whole() -> nn.Module:
    torch.manual_seed(0)
    return resnet50(weights=None).eval()


def test_torchvision_s_resnet_fits_and_its_classifier_is_ignored(load_trunk, save, whole):
    trunk = ResNetConfig().build()
    loaded = load_trunk(trunk, save({"state_dict": {f"module.{name}": t for name, t in whole.state_dict().items()}}))
    assert loaded.origin == "torchvision ResNet-50"
    assert loaded.notes == ("last stage of stride 2, as its authors have it",)
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
    pretrained = read_weights(save(numbered(whole, pooling)))
    assert pretrained.origin == "cluster-contrast ResNet-50"
    assert pretrained.ignored == ()
    assert len(pretrained.neck) == 5
    trunk = ResNetConfig(last_stride=2).build().eval()
    assert fill(trunk, pretrained).left == ()
    images = torch.randn(1, 3, 64, 32)
    with torch.inference_mode():
        maps = nn.Sequential(*(whole.get_submodule(name) for name in ORDER))(images).clamp(min=1e-6)
        power = power or 1
        pooled = maps.pow(power).mean(dim=(2, 3)).pow(1 / power)
        torch.testing.assert_close(trunk(images).cls, pooled, rtol=1e-5, atol=1e-6)


NECK = nn.BatchNorm1d(2048).state_dict()
CLASSIFIER = {"classifier.weight": torch.ones(3, 2048)}
BIAS = {"classifier.bias": torch.ones(3)}


def inside(module: str, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {f"{module}{name}": tensor for name, tensor in state.items()}


@pytest.fixture(scope="module")
def stages(whole) -> dict[str, torch.Tensor]:
    return {name: tensor for name, tensor in whole.state_dict().items() if not name.startswith("fc.")}


BAG_OF_TRICKS = inside("bottleneck.", NECK) | CLASSIFIER
FAST_REID = inside("heads.bottleneck.0.", NECK) | {"heads.weight": torch.ones(3, 2048)}
OLDER = inside("heads.bnneck.", NECK) | {"heads.classifier.weight": torch.ones(3, 2048)}
EXPONENT = {"heads.pool_layer.p": torch.tensor([2.5])}
REDUCED = {"heads.bottleneck.0.weight": torch.ones(9, 2048, 1, 1)}


@pytest.mark.parametrize(
    ("module", "behind", "origin", "last_stride", "power", "compared"),
    [
        ("base.", BAG_OF_TRICKS, "bag of tricks ResNet-50", 1, 1, "behind"),
        ("base.", CLASSIFIER | BIAS, "bag of tricks ResNet-50 without a neck", 1, 1, "before"),
        ("backbone.", FAST_REID, "fast-reid ResNet-50", 1, 1, "behind"),
        ("backbone.", FAST_REID | EXPONENT, "fast-reid ResNet-50", 1, 2.5, "behind"),
        ("backbone.", OLDER | EXPONENT, "fast-reid ResNet-50", 1, 2.5, "behind"),
        ("backbone.", {"heads.weight": torch.ones(3, 2048)}, "fast-reid ResNet-50", 1, 1, "before"),
        ("", CLASSIFIER | BIAS, "torchreid ResNet-50", 2, None, "before"),
        ("", {"fc.weight": torch.ones(9, 2048), "fc.bias": torch.ones(9)}, "torchvision ResNet-50", 2, None, "before"),
        ("encoder_q.", {"queue": torch.ones(2, 2)}, "MoCo ResNet-50", 2, None, "before"),
        ("trunk.", inside("neck.", NECK) | {"trunk.pool.p": torch.tensor([3.5])}, "reknow ResNet-50", 1, 3.5, "behind"),
    ],
)
def test_layers_behind_tell_whose_resnet_it_is(save, stages, module, behind, origin, last_stride, power, compared):
    pretrained = read_weights(save(inside(f"module.{module}", stages) | inside("module.", behind)))
    assert (pretrained.origin, pretrained.trunk) == (origin, ResNetConfig(last_stride=last_stride))
    assert pretrained.compared == compared
    assert len(pretrained.neck) == (5 if compared == "behind" else 0)
    assert (pretrained.state["pool.p"].item() if "pool.p" in pretrained.state else None) == power
    assert (pretrained.mean, pretrained.std) == (IMAGENET.mean, IMAGENET.std)
    assert not [name for name in pretrained.ignored if "pool_layer" in name]


@pytest.mark.parametrize(
    ("module", "behind", "named"),
    [
        ("", {"fc.0.weight": torch.ones(512, 2048), "fc.1.weight": torch.ones(512)} | CLASSIFIER, "fc.0.weight"),
        ("backbone.", inside("heads.bottleneck.1.", NECK) | REDUCED, "heads.bottleneck"),
        ("backbone.", REDUCED | {"heads.weight": torch.ones(3, 9)}, "heads.bottleneck.0.weight"),
        ("base.", BAG_OF_TRICKS | {"fcneck.weight": torch.ones(9, 2048)}, "fcneck.weight"),
        ("", {"embedding.weight": torch.ones(128, 2048)}, "embedding.weight"),
        ("backbone.", {"b1.0.weight": torch.ones(3)} | FAST_REID, "b1.0.weight"),
    ],
    ids=["fc512", "reduced and neck", "reduced", "fcneck", "embedding", "branches"],
)
def test_other_layers_behind_are_refused_by_name(save, stages, module, behind, named):
    with pytest.raises(WeightsError, match=rf"a ResNet-50 with layers of its own behind, such as '{named}"):
        read_weights(save(inside(module, stages) | behind))


@pytest.mark.parametrize(
    "other",
    ["layer1.0.bn1.IN.weight", "NL_1.0.g.weight", "layer1.0.se.fc.0.weight", "layer4.3.conv1.weight"],
)
def test_other_layers_inside_are_refused_by_name(save, stages, other):
    state = inside("backbone.", stages | {other: torch.ones(1)}) | FAST_REID
    with pytest.raises(WeightsError, match=rf"a ResNet with other layers inside, such as '{other}"):
        read_weights(save(state))


def test_fast_reid_s_own_normalization_is_kept(save, stages):
    pixels = {"pixel_mean": torch.full((1, 3, 1, 1), 127.5), "pixel_std": torch.full((1, 3, 1, 1), 51.0)}
    pretrained = read_weights(save(inside("backbone.", stages) | FAST_REID | pixels))
    assert (pretrained.mean, pretrained.std) == ((0.5,) * 3, (0.2,) * 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("?stride=12", "option 'stride': 12; expected 16 or 32"),
        ("?heads=12", "option 'heads': not one of this network's"),
        ("?cameras=a,b", "option 'cameras': not one of this network's"),
        ("?neck=behind", "option 'neck': no batch-norm neck"),
    ],
)
def test_what_a_resnet_does_not_have_cannot_be_told(save, whole, options, message):
    with pytest.raises(WeightsError, match=message):
        read_weights(f"{save(whole.state_dict())}{options}")


def test_what_is_told_of_a_resnet(save, stages):
    path = save(inside("base.", stages) | BAG_OF_TRICKS)
    pretrained = read_weights(f"{path}?stride=32&neck=before&size=384x128&normalization=halves")
    assert pretrained.trunk == ResNetConfig(last_stride=2)
    assert (pretrained.compared, pretrained.size, pretrained.mean) == ("before", (384, 128), (0.5, 0.5, 0.5))
    assert len(pretrained.neck) == 5  # training may take it along


def test_cluster_contrast_with_a_reduced_feature_is_refused(save, whole):
    state = numbered(whole, {"module.feat.weight": torch.ones(9, 2048)})
    with pytest.raises(WeightsError, match=r"a reduced feature \('feat\.weight'\)"):
        read_weights(save(state))


@pytest.mark.parametrize("width", WIDTHS)
def test_width_of_an_osnet_is_found_from_its_channels(save, width):
    torch.manual_seed(0)
    source = OSNetConfig(width=width).build().eval()
    classifier = {"classifier.weight": torch.ones(10, 512), "classifier.bias": torch.ones(10)}
    pretrained = read_weights(save(source.state_dict() | classifier))
    assert pretrained.origin == f"torchreid OSNet x{width}"
    assert pretrained.trunk == OSNetConfig(width=width)
    assert (pretrained.feature, pretrained.mean, pretrained.std) == ("projected", IMAGENET.mean, IMAGENET.std)
    target = pretrained.trunk.build().eval()
    loaded = fill(target, pretrained)
    assert loaded.ignored == tuple(classifier)
    assert (loaded.resized, loaded.left) == ((), ())
    images = torch.randn(1, 3, 32, 16)
    with torch.inference_mode():
        found, expected = (trunk.project(trunk(images).cls) for trunk in (target, source))
    assert torch.equal(found, expected)


def test_osnet_with_instance_norm_is_refused(save):
    state = OSNetConfig().build().state_dict() | {"conv2.0.IN.weight": torch.ones(64)}
    with pytest.raises(WeightsError, match=r"resembles torchreid OSNet x0\.25, but has 1 tensors more, such as 'conv2"):
        read_weights(save(state))


def test_published_file(load_trunk, shared):
    loaded = load_trunk(OSNetConfig().build(), shared / "data/osnet/osnet_x0_25_msmt17.pth")
    assert loaded.sentences() == [
        "weights: torchreid OSNet x0.25 from osnet_x0_25_msmt17.pth, 565 of the trunk's 565 tensors",
        "ignored: classifier (2 tensors)",
    ]


def test_torchvision_s_mobilenet_computes_what_it_computed(save):
    torch.manual_seed(0)
    whole = mobilenet_v2(weights=None).eval()
    pretrained = read_weights(save(whole.state_dict()))
    assert pretrained.origin == "torchvision MobileNetV2" and pretrained.mean == IMAGENET.mean
    assert pretrained.trunk == MobileNetV2Config(last_stride=2)
    trunk = pretrained.trunk.build().eval()
    loaded = fill(trunk, pretrained)
    assert loaded.left == () and loaded.ignored == ("classifier.1.weight", "classifier.1.bias")
    assert loaded.notes == ("last stage of stride 2, as its authors have it",)
    whole.classifier = nn.Identity()
    images = torch.randn(2, 3, 64, 32)
    with torch.inference_mode():
        torch.testing.assert_close(trunk(images).cls, whole(images), rtol=1e-5, atol=1e-6)


def test_a_mobilenet_of_another_width_is_refused(save):
    with pytest.raises(WeightsError, match=r"resembles torchvision MobileNetV2"):
        read_weights(save(mobilenet_v2(weights=None, width_mult=0.5).state_dict()))
