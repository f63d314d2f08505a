"""One contract for every trunk: what embedder, methods and studies may rely on, whichever trunk they get."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from reknow.models.channel_search import SupernetConfig, Unit
from reknow.models.inverted_residuals import FBNetV2Config, InvertedResiduals, MobileNetV2Config
from reknow.models.osnet import OSNet, OSNetConfig
from reknow.models.resnet import ResNet50, ResNetConfig
from reknow.models.tokens import Tokens
from reknow.models.transformer import TransformerConfig, VisionTransformer

SIZE = (32, 16)
Trunk = VisionTransformer | ResNet50 | OSNet | InvertedResiduals


def transformer(**changes: object) -> TransformerConfig:
    return TransformerConfig(
        **{"image_size": SIZE, "width": 16, "depth": 2, "heads": 2, "patch_size": 8, "stride": 8, **changes}
    )


SPACE = SupernetConfig(
    first=8,
    last=24,
    units=tuple(Unit(blocks=2, most=most, options=3, step=4, expansion=2) for most in (12, 16, 20)),
)
CONFIGS = {
    "patches": transformer(),
    "overlapping": transformer(stride=5),
    "convolutions": transformer(stem="convolution", convolutions=((4, 3, 2), (6, 3, 2))),
    "extra": transformer(extra_tokens=3),
    "cameras": transformer(cameras=4),
    "everything": transformer(stem="convolution", convolutions=((5, 7, 2),), extra_tokens=2, cameras=3, stride=4),
    "resnet": ResNetConfig(),
    "osnet": OSNetConfig(width=0.25),
    "mobilenet": MobileNetV2Config(),
    "fbnet": FBNetV2Config(),
    "supernet": SPACE,
    "found": SPACE.with_channels((8, 16, 12)),
}
CONVOLUTIONAL = ("resnet", "osnet", "mobilenet", "fbnet", "supernet", "found")
GRIDS = {"overlapping": (5, 2), "everything": (8, 4)} | dict.fromkeys(CONVOLUTIONAL, (2, 1))


@pytest.fixture(params=CONFIGS, scope="module")
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def trunk(name: str) -> Trunk:
    torch.manual_seed(0)
    return CONFIGS[name].build().eval()


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.randn(4, 3, *SIZE, generator=torch.Generator().manual_seed(1))


def together(tokens: Tokens) -> Tensor:
    return torch.cat([tokens.cls[:, None], tokens.extra, tokens.patches], dim=1)


def test_shapes(name: str, trunk: Trunk, images: Tensor) -> None:
    tokens = trunk(images)
    rows, columns = GRIDS.get(name, (4, 2))
    assert tokens.grid == (rows, columns)
    assert tokens.cls.shape == (4, trunk.dim)
    assert tokens.extra.shape == (4, {"extra": 3, "everything": 2}.get(name, 0), trunk.dim)
    assert tokens.patches.shape == (4, rows * columns, trunk.dim)


def test_camera_is_optional_and_minus_one_means_unknown(trunk: Trunk, images: Tensor) -> None:
    nowhere = torch.full((4,), -1)
    torch.testing.assert_close(together(trunk(images, nowhere)), together(trunk(images)))


def test_gradient_reaches_every_parameter(name: str, images: Tensor) -> None:
    torch.manual_seed(0)
    trunk = CONFIGS[name].build().train()
    tokens = trunk(images, torch.tensor([0, 1, 2, -1]))
    outputs = [together(tokens)] + ([trunk.project(tokens.cls)] if isinstance(trunk, OSNet) else [])
    sum((output * torch.randn_like(output)).sum() for output in outputs).backward()
    unreached = [key for key, value in trunk.named_parameters() if value.grad is None or not value.grad.abs().max() > 0]
    assert unreached == []
    assert all(torch.isfinite(value.grad).all() for value in trunk.parameters() if value.grad is not None)


def test_the_same_twice(trunk: Trunk, images: Tensor) -> None:
    with torch.inference_mode():
        assert torch.equal(together(trunk(images)), together(trunk(images)))


def test_a_picture_does_not_depend_on_its_batch(trunk: Trunk, images: Tensor) -> None:
    with torch.inference_mode():
        alone = torch.cat([together(trunk(image[None])) for image in images])
        torch.testing.assert_close(alone, together(trunk(images)), rtol=1e-4, atol=5e-5)


def test_pictures_are_told_apart(trunk: Trunk, images: Tensor) -> None:
    with torch.inference_mode():
        cls = trunk(images).cls
    assert torch.pdist(cls).min() > 1e-4


def test_state_dict_makes_the_same_trunk(name: str, trunk: Trunk, images: Tensor) -> None:
    torch.manual_seed(2)
    other = CONFIGS[name].build().eval()
    other.load_state_dict(trunk.state_dict())
    with torch.inference_mode():
        assert torch.equal(together(other(images)), together(trunk(images)))


def test_double_precision(name: str, trunk: Trunk, images: Tensor) -> None:
    double = CONFIGS[name].build().double().eval()
    double.load_state_dict(trunk.state_dict())
    with torch.inference_mode():
        tokens = together(double(images.double()))
        assert tokens.dtype == torch.float64
        largest = max(1.0, float(tokens.abs().max()))  # which grows with the number of blocks that add to their input
        torch.testing.assert_close(tokens, together(trunk(images)).double(), rtol=1e-3, atol=1e-4 * largest)


@pytest.mark.cuda
def test_graphics_card(name: str, trunk: Trunk, images: Tensor) -> None:
    moved = CONFIGS[name].build().to("cuda").eval()
    moved.load_state_dict(trunk.state_dict())
    camera = torch.tensor([0, 1, 2, -1])
    with torch.inference_mode():
        tokens = together(moved(images.cuda(), camera.cuda()))
        assert tokens.device.type == "cuda"
        torch.testing.assert_close(tokens.cpu(), together(trunk(images, camera)), rtol=1e-2, atol=1e-2)
