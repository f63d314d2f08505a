"""Filling a trunk: what fits, what is resized, what may be missing, and clear words for what does not fit."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from reknow.errors import WeightsError
from reknow.models.resnet import ResNetConfig
from reknow.models.transformer import resized_positions
from reknow.models.weights import fill, load_trunk, read_weights, said_by


def test_safetensors_round_trip(tmp_path, small):
    source, target = small.build(), small.build()
    save_file(source.state_dict(), tmp_path / "w.safetensors")
    assert load_trunk(target, tmp_path / "w.safetensors").left == ()
    assert all(torch.equal(a, b) for a, b in zip(source.parameters(), target.parameters(), strict=True))


def test_half_precision_is_read_as_single(save, small):
    pretrained = read_weights(save(small.build().half().state_dict()), said_by(small))
    assert {tensor.dtype for tensor in pretrained.state.values()} == {torch.float32}


def test_positions_are_resized_and_learned_tokens_keep_their_rows(save, small):
    source = replace(small, extra_tokens=2).build()
    target = replace(small, extra_tokens=2, image_size=(64, 32)).build()
    loaded = load_trunk(target, f"{save(source.state_dict())}?size=32x16")
    assert loaded.resized == ("pos_embed from 4 x 2 to 8 x 4 patches",)
    expected = resized_positions(source.pos_embed.detach(), 3, (4, 2), (8, 4))
    assert torch.equal(target.pos_embed, expected)
    assert torch.equal(target.extra_tokens, source.extra_tokens)


def test_as_many_patches_in_another_arrangement_are_believed(save, small):
    source = replace(small, image_size=(8, 64)).build()
    target = replace(small, image_size=(8, 64)).build()
    loaded = load_trunk(target, save(source.state_dict()))
    assert loaded.resized == ()
    assert torch.equal(target.pos_embed, source.pos_embed)


def test_what_no_file_has_for_every_method_stays_as_it_was(save, small):
    source = replace(small, extra_tokens=1).build()
    target = replace(small, extra_tokens=3, registers=1, cameras=4).build()
    before = {name: tensor.clone() for name, tensor in target.state_dict().items()}
    loaded = load_trunk(target, save(source.state_dict()))
    assert loaded.left == ("extra_tokens[1:3]", "pos_embed[2:4]", "register_tokens", "pos_embed[4:5]", "sie_embed")
    for name, rows in (("extra_tokens", slice(1, 3)), ("pos_embed", slice(2, 5)), ("sie_embed", slice(None))):
        assert torch.equal(target.state_dict()[name][:, rows], before[name][:, rows]), name
    assert torch.equal(target.extra_tokens[:, :1], source.extra_tokens)
    assert torch.equal(target.pos_embed[:, :2], source.pos_embed[:, :2])
    assert torch.equal(target.pos_embed[:, 5:], source.pos_embed[:, 2:])


def test_what_the_trunk_has_no_place_for_is_ignored(save, small):
    source = replace(small, extra_tokens=3, registers=1, cameras=4).build()
    target = replace(small, extra_tokens=1, cameras=2).build()
    loaded = load_trunk(target, save(source.state_dict()))
    assert loaded.ignored == ("extra_tokens[1:3]", "register_tokens", "sie_embed")
    assert loaded.left == ("sie_embed",)  # the table of four cameras is not one of two
    assert torch.equal(target.pos_embed[:, 2:], source.pos_embed[:, 5:])


def test_camera_table_of_as_many_cameras_is_taken(save, small):
    source, target = (replace(small, extra_tokens=1, cameras=4).build() for _ in range(2))
    assert load_trunk(target, save(source.state_dict())).left == ()
    assert torch.equal(target.sie_embed, source.sie_embed)


def test_another_network_is_refused(save, small):
    with pytest.raises(WeightsError, match=r"TransReID-SSL ViT-16/8; expected weights of a ResNet50"):
        load_trunk(ResNetConfig().build(), f"{save(small.build().state_dict())}?size=32x16&heads=2")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 8}, r"tensor 'cls_token': size \(1, 1, 16\) of TransReID-SSL ViT-16/8; expected \(1, 1, 8\)"),
        ({"depth": 4}, r"lacks 24 of the trunk's tensors and has 0 more, such as 'blocks\.2\."),
        ({"depth": 1}, r"lacks 0 of the trunk's tensors and has 12 more, such as 'blocks\.1\."),
        ({"patch_size": 4, "stride": 4}, r"tensor 'patch_embed.proj.weight': size \(16, 3, 8, 8\)"),
        ({"stem": "convolution", "convolutions": ((4, 3, 2),)}, r"tensor 'patch_embed.proj.weight'"),
        ({"mlp_ratio": 2.0}, r"tensor 'blocks.0.mlp.fc1.weight': size \(64, 16\)"),
    ],
    ids=["width", "deeper", "shallower", "patch", "stem", "mlp"],
)
def test_another_size_is_refused_and_the_trunk_stays(save, small, changes, message):
    trunk = replace(small, **changes).build()
    before = {name: tensor.clone() for name, tensor in trunk.state_dict().items()}
    with pytest.raises(WeightsError, match=message):
        fill(trunk, read_weights(save(small.build().state_dict()), said_by(small)))
    assert all(torch.equal(tensor, before[name]) for name, tensor in trunk.state_dict().items())


def test_the_report(save, small):
    head = {"head.weight": torch.ones(10, 16), "head.bias": torch.ones(10)}
    target = replace(small, image_size=(64, 32), cameras=2).build()
    path = save(replace(small, image_size=(32, 32)).build().state_dict() | head)
    assert load_trunk(target, f"{path}?size=32x32").sentences() == [
        "weights: ImageNet ViT-16/8 from weights.pth, 30 of the trunk's 31 tensors",
        "position table of 16 patches read as 4 x 4: pictures of 32 x 32, stride 8; as told",
        "resized: pos_embed from 4 x 4 to 8 x 4 patches",
        "ignored: head (2 tensors)",
        "left as they were: sie_embed",
    ]
