"""Modules inside convolutional trunks: timm's SE and CBAM networks to the number, and what follows named stages."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
import torch
import tyro
from timm.models.resnet import Bottleneck, ResNet
from torch import Tensor, nn

from reknow.errors import RecipeError
from reknow.models.channel_attention import ConvolutionalBlockAttention, SqueezeExcitation
from reknow.models.embedder import EmbedderConfig
from reknow.models.insertion import MapModuleConfig, Nothing
from reknow.models.inverted_residuals import FBNetV2Config, MobileNetV2Config
from reknow.models.osnet import OSNetConfig
from reknow.models.resnet import ResNetConfig
from reknow.values import from_plain, to_plain

IMAGES = torch.randn(2, 3, 64, 32, generator=torch.Generator().manual_seed(0))


@dataclass(frozen=True)
class Scaled(MapModuleConfig):
    """Maps times a learned number per channel."""

    begin: float = 2.0

    def build(self, channels: int) -> nn.Module:
        scale = nn.Conv2d(channels, channels, 1, groups=channels, bias=False)
        nn.init.constant_(scale.weight, self.begin)
        return scale


def maps_of(trunk: nn.Module, stage: str) -> Tensor:
    """What leaves a stage, and what follows it."""
    seen: list[Tensor] = []
    module = trunk.after[stage] if stage in trunk.after else trunk.get_submodule(stage)
    with module.register_forward_hook(lambda _, given, made: seen.append(made)), torch.inference_mode():
        trunk(IMAGES)
    return seen[0]


@pytest.mark.parametrize(("config", "name"), [(SqueezeExcitation(), "se"), (ConvolutionalBlockAttention(), "cbam")])
def test_attention_over_channels_stands_where_timm_has_it(config: MapModuleConfig, name: str) -> None:
    torch.manual_seed(0)
    witness = ResNet(Bottleneck, (3, 4, 6, 3), num_classes=0, global_pool="", block_args={"attn_layer": name}).eval()
    with torch.no_grad():  # timm's last norm of a block begins at 0, behind which nothing would show
        for module in witness.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.uniform_(0.5, 1)
    trunk = ResNetConfig(last_stride=2, within=config).build().eval()
    state = {key.replace(".se.", ".within."): tensor for key, tensor in witness.state_dict().items()}
    assert sum(".within." in key for key in state) >= 16 * 4
    assert trunk.load_state_dict(state, strict=False).missing_keys == ["pool.p"]
    with torch.inference_mode():
        wanted = witness(IMAGES)
        found = trunk(IMAGES).patches.transpose(1, 2).reshape(wanted.shape)
    torch.testing.assert_close(found / wanted.abs().max(), wanted / wanted.abs().max(), rtol=0, atol=1e-6)


def test_a_module_stands_before_the_addition_in_an_osnet() -> None:
    torch.manual_seed(0)
    block = OSNetConfig(within=Scaled()).build().eval().conv2[0]
    maps = torch.randn(2, 16, 8, 4)
    with torch.inference_mode():
        mixed = sum(block.gate(block.get_submodule(f"conv2{stream}")(block.conv1(maps))) for stream in "abcd")
        wanted = (2 * block.conv3(mixed) + block.downsample(maps)).relu()
        torch.testing.assert_close(block(maps), wanted)


@pytest.mark.parametrize(
    ("config", "stage"),
    [
        (ResNetConfig(), "layer2"),
        (ResNetConfig(), "layer4"),
        (OSNetConfig(), "conv3"),
        (MobileNetV2Config(), "stage3"),
    ],
)
def test_a_module_follows_a_named_stage(config: ResNetConfig | OSNetConfig, stage: str) -> None:
    torch.manual_seed(0)
    plain = config.build().eval()
    torch.manual_seed(0)
    trunk = replace(config, after=((stage, Scaled()),)).build().eval()
    # The same seed begins with the same numbers, whatever is put in, and its tensors come under names of their own.
    assert set(trunk.state_dict()) - set(plain.state_dict()) == {f"after.{stage}.weight"}
    assert all(torch.equal(trunk.state_dict()[name], tensor) for name, tensor in plain.state_dict().items())
    torch.testing.assert_close(maps_of(trunk, stage), 2 * maps_of(plain, stage))
    with torch.inference_mode():
        assert not torch.allclose(trunk(IMAGES).cls, plain(IMAGES).cls)


@pytest.mark.parametrize("config", [ResNetConfig(), OSNetConfig()])
def test_gradient_reaches_what_is_put_in(config: ResNetConfig | OSNetConfig) -> None:
    stage = "layer3" if isinstance(config, ResNetConfig) else "conv4"
    trunk = replace(config, within=ConvolutionalBlockAttention(), after=((stage, Scaled()),)).build().train()
    trunk(IMAGES).patches.square().sum().backward()
    put_in = {name: p for name, p in trunk.named_parameters() if ".within." in name or name.startswith("after.")}
    assert len(put_in) > 6 * 4
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in put_in.values())


def test_a_recipe_file_keeps_them() -> None:
    trunk = ResNetConfig(
        within=SqueezeExcitation(reduction=8), after=(("layer3", ConvolutionalBlockAttention(kernel=3)),)
    )
    network = EmbedderConfig(trunk=trunk)
    assert from_plain(to_plain(network), "recipe.yaml") == network
    assert trunk.plain() == ResNetConfig()
    before = {"type": "reknow.models.osnet.OSNetConfig", "width": 0.5}  # as written before anything could be put in
    assert from_plain(before, "recognizer.json") == OSNetConfig(width=0.5, within=Nothing())


@pytest.mark.parametrize(
    ("config", "after", "message"),
    [
        (ResNetConfig(), (("layer5", Nothing()),), r"stage 'layer5'; expected one of layer1, layer2, layer3, layer4"),
        (ResNetConfig(), (("layer1", Nothing()),) * 2, r"stage 'layer1' twice"),
        (OSNetConfig(), (("conv5", Nothing()),), r"stage 'conv5'; expected one of conv2, conv3, conv4"),
        (FBNetV2Config(), (("stage6", Nothing()),), r"stage 'stage6'; expected one of stage1, .+, stage5"),
    ],
)
def test_a_stage_that_the_trunk_has_not_is_refused(config, after, message) -> None:
    with pytest.raises(RecipeError, match=message):
        replace(config, after=after)


def test_the_command_line_sets_their_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    trunk = ResNetConfig(within=SqueezeExcitation(), after=(("layer3", ConvolutionalBlockAttention()),))
    arguments = ["--within.reduction", "8", "--after.0.1.kernel", "3", "--stems", "rgb", "tir"]
    found = tyro.cli(ResNetConfig, args=arguments, default=trunk, config=(tyro.conf.AvoidSubcommands,))
    assert found == ResNetConfig(
        within=SqueezeExcitation(reduction=8),
        after=(("layer3", ConvolutionalBlockAttention(kernel=3)),),
        stems=("rgb", "tir"),
    )
