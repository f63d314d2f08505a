"""CLIP's towers: timm and open_clip are the witnesses, under their own names and under OpenAI's, together or alone."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import timm
import torch
from torch import Tensor, nn

from reknow.errors import WeightsError
from reknow.models.embedder import EmbedderConfig
from reknow.models.text import TextTowerConfig
from reknow.models.tokenization import ClipTokens
from reknow.models.transformer import TransformerConfig
from reknow.models.weights import fill, fill_network, read_weights
from reknow.models.weights.pretrained import CLIP
from reknow.recognizer import load
from tiny_clip import SIZE, tiny_clip

NAMES = (
    ("patch_embed.proj.", "conv1."),
    ("norm_pre.", "ln_pre."),
    (r"\.norm([12])\.", r".ln_\1."),
    (r"^norm\.", "ln_post."),
    (r"^blocks\.", "transformer.resblocks."),
    (r"attn\.qkv\.", "attn.in_proj_"),
    (r"attn\.proj\.", "attn.out_proj."),
    ("fc1", "c_fc"),
    ("fc2", "c_proj"),
)


def witness(**changes: object) -> nn.Module:
    """timm's CLIP image tower with two blocks, or as changed."""
    torch.manual_seed(0)
    name = "vit_base_patch16_clip_quickgelu_224"
    shape = {"depth": 2, "num_classes": 0, "embed_dim": 192, "num_heads": 3}
    network = timm.create_model(name, **{**shape, **changes}).eval()
    with torch.no_grad():  # a norm that does nothing would hide a missing one
        network.norm_pre.weight.uniform_(0.5, 2)
        network.norm_pre.bias.normal_()
    return network


def openai(state: dict[str, Tensor], inside: str = "visual.") -> dict[str, Tensor]:
    """timm's tensors as OpenAI names them."""
    state = dict(state)
    named = {"class_embedding": state.pop("cls_token")[0, 0], "positional_embedding": state.pop("pos_embed")[0]}
    for name, tensor in state.items():
        for ours, theirs in NAMES:
            name = re.sub(ours, theirs, name)
        named[name] = tensor
    named["proj"] = torch.ones(192, 64)
    return {f"{inside}{name}": tensor for name, tensor in named.items()}


def text() -> dict[str, Tensor]:
    """A text tower, whose blocks and positions have the image tower's names."""
    block = {"attn.in_proj_weight": torch.ones(24, 8), "ln_1.weight": torch.ones(8)}
    return {
        "positional_embedding": torch.ones(77, 8),
        "text_projection": torch.ones(8, 64),
        "logit_scale": torch.tensor(1.0),
        "token_embedding.weight": torch.ones(9, 8),
        **{f"transformer.resblocks.{number}.{name}": tensor for number in range(3) for name, tensor in block.items()},
    }


FILES = {
    "timm": lambda state: state,
    "whole": lambda state: openai(state) | text(),
    "whole, parallel": lambda state: {f"module.{name}": t for name, t in (openai(state) | text()).items()},
    "half": lambda state: {name: tensor.half() for name, tensor in (openai(state) | text()).items()},
    "below a prefix": openai,
    "tower": lambda state: openai(state, ""),
}


@pytest.mark.parametrize("kind", FILES)
def test_timm_says_the_same(kind, save):
    network = witness()
    pretrained = read_weights(save(FILES[kind](network.state_dict())))
    assert (pretrained.origin, pretrained.trunk.image_size, pretrained.trunk.heads) == ("CLIP ViT-Ti/16", (224, 224), 3)
    assert (pretrained.mean, pretrained.std, pretrained.feature, pretrained.neck) == (CLIP.mean, CLIP.std, "cls", {})
    trunk = pretrained.trunk.build().eval()
    loaded = fill(trunk, pretrained)
    assert (loaded.left, loaded.resized) == ((), ())
    assert any("quick_gelu" in note and "?activation=gelu" in note for note in loaded.notes)
    images = torch.randn(1, 3, 224, 224)
    rounding = 2e-2 if kind == "half" else 1e-5
    with torch.inference_mode():
        torch.testing.assert_close(trunk(images).cls, network.forward_features(images)[:, 0], rtol=0, atol=rounding)


def test_a_text_tower_that_is_not_whole_is_named_as_ignored(load_trunk, save):
    loaded = load_trunk(
        TransformerConfig(**SHAPE).build(),
        save(openai(witness().state_dict()) | text() | {"visual.more": torch.ones(1)}),
    )
    line = next(line for line in loaded.sentences() if line.startswith("ignored"))
    for named in ("positional_embedding", "transformer (6 tensors)", "token_embedding", "text_projection", "proj"):
        assert named in line


@pytest.mark.parametrize("half", [False, True])
def test_the_text_tower_is_a_part(save, half):
    witness = tiny_clip()
    state = {name: tensor.half() if half else tensor for name, tensor in witness.state_dict().items()}
    pretrained = read_weights(f"{save(state)}?heads=4&size=32x16")
    assert list(pretrained.parts) == ["text tower of a CLIP"]
    tower = pretrained.parts["text tower of a CLIP"]
    assert {tensor.dtype for tensor in tower.values()} == {torch.float32}
    plain = TextTowerConfig(tokens=ClipTokens(), width=24, heads=3, prefix=0).build().state_dict()
    assert {name: tensor.shape for name, tensor in tower.items()} == {
        name: tensor.shape for name, tensor in plain.items() if name != "prefix"
    }
    assert set(pretrained.ignored) == {"text_projection", "logit_scale", "proj"}
    network = EmbedderConfig(trunk=pretrained.trunk).build()
    assert "text tower of a CLIP" in fill_network(network, pretrained).ignored


def test_open_clip_s_image_tower_says_the_same(load_trunk, save):
    witness = tiny_clip()
    shape = {"image_size": SIZE, "width": 32, "depth": 4, "heads": 4, "patch_size": 8, "stride": 8}
    config = TransformerConfig(**shape, norm_pre=True, activation="quick_gelu", layer_norm_eps=1e-5)
    trunk = config.build().eval()
    load_trunk(trunk, save(witness.state_dict()))
    images = torch.randn(2, 3, *SIZE)
    with torch.inference_mode():
        features = trunk(images).cls @ witness.visual.proj
        torch.testing.assert_close(features, witness.encode_image(images), rtol=1e-4, atol=1e-4)


SHAPE = {
    "image_size": (224, 224),
    "width": 192,
    "depth": 2,
    "heads": 3,
    "norm_pre": True,
    "activation": "quick_gelu",
    "layer_norm_eps": 1e-5,
}


def test_the_activation_is_the_one_that_is_told(load_trunk, save):
    network = witness(act_layer="gelu")
    path = save(network.state_dict())
    pretrained = read_weights(f"{path}?activation=gelu")
    trunk = pretrained.trunk.build().eval()
    fill(trunk, pretrained)
    images = torch.randn(1, 3, 224, 224)
    with torch.inference_mode():
        torch.testing.assert_close(trunk(images).cls, network.forward_features(images)[:, 0], rtol=0, atol=1e-5)
    with pytest.raises(WeightsError, match=r"activation: gelu of CLIP ViT-Ti/16; expected quick_gelu"):
        fill(TransformerConfig(**SHAPE).build(), pretrained)
    # A recipe's network says what the file does not.
    network = TransformerConfig(**{**SHAPE, "activation": "gelu"}).build()
    assert any("MLPs with gelu; as the recipe's own" in note for note in load_trunk(network, path).notes)


def test_a_plain_vit_does_not_take_it_nor_it_a_plain_vit_s(load_trunk, save, small):
    path = save(witness().state_dict())
    with pytest.raises(WeightsError, match=r"lacks 1 of the trunk's tensors and has 2 more"):
        load_trunk(TransformerConfig(**{**SHAPE, "norm_pre": False}).build(), path)
    with pytest.raises(WeightsError, match=r"lacks 2 of the trunk's tensors .* such as 'norm_pre\.weight'"):
        load_trunk(replace(small, norm_pre=True).build(), save(small.build().state_dict()))


def test_variants_are_refused(save):
    state = openai(witness().state_dict())
    with pytest.raises(WeightsError, match=r"1 tensors more, such as 'blocks\.0\.mlp\.ln\.weight'"):
        read_weights(save(state | {"visual.transformer.resblocks.0.mlp.ln.weight": torch.ones(768)}))
    with pytest.raises(WeightsError, match="layer scale"):
        read_weights(save(state | {"visual.transformer.resblocks.0.ls_1.gamma": torch.ones(192)}))
    with pytest.raises(WeightsError, match="a pooling of its own"):
        read_weights(save(state | {"visual.attn_pool.query": torch.ones(192)} | text()))


def test_the_shape_of_openai_s_image_tower():
    with torch.device("meta"):
        config = TransformerConfig(
            size="base", image_size=(224, 224), norm_pre=True, activation="quick_gelu", layer_norm_eps=1e-5
        )
        names = {name: tuple(t.shape) for name, t in config.build().state_dict().items()}
        wanted = timm.create_model("vit_base_patch16_clip_quickgelu_224", num_classes=0).state_dict()
    assert names == {name: tuple(tensor.shape) for name, tensor in wanted.items()}


def test_a_file_is_a_recognizer(save):
    recognizer = load(save(openai(witness().state_dict()) | text()), "cpu", "32")
    assert recognizer.config == EmbedderConfig(trunk=TransformerConfig(**SHAPE))
    assert recognizer.preprocessing.mean == CLIP.mean
