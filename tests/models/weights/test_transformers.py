"""Transformers of other origins: TCMM, PASS and TransReID give the golden features, the others the same tokens."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from reknow.errors import WeightsError
from reknow.models.embedder import EmbedderConfig
from reknow.models.transformer import TransformerConfig, resized_positions
from reknow.models.weights import FileOptions, Source, fill, options_of, read_weights
from reknow.models.weights.pretrained import HALVES, IMAGENET
from reknow.observation import Batch
from reknow.recognizer import SHIPPED, load

HEADS = 4  # of the golden cases; a file does not tell


def of_case(path, case, stride=16):
    """What the user of a golden case's file tells of it."""
    return Source(path, FileOptions(size=tuple(case["images"].shape[2:]), stride=stride, heads=HEADS))


def test_tcmm_checkpoint_gives_the_golden_feature(save, pass_case):
    weights, case = pass_case
    path = save({"state_dict": {f"module.{name}": tensor for name, tensor in weights.items()}})
    pretrained = read_weights(of_case(path, case))
    assert pretrained.origin == "TCMM ViT-48/16"
    assert (pretrained.feature, pretrained.ignored) == ("cls+extra", ())
    assert pretrained.trunk.image_size == tuple(case["images"].shape[2:])
    embedder = EmbedderConfig(trunk=pretrained.trunk, feature=pretrained.feature).build().eval()
    loaded = fill(embedder.trunk, pretrained)
    embedder.neck.load_state_dict(pretrained.neck)
    assert (loaded.resized, loaded.ignored, loaded.left) == ((), (), ())
    with torch.inference_mode():
        found = embedder(Batch.of({"rgb": case["images"]}))
    torch.testing.assert_close(found, case["expected/feature_cat"], rtol=0, atol=2e-6)


def test_pass_pretraining_is_a_teacher_without_the_extra_token(save, pass_case):
    weights, case = pass_case
    gone = ("token", "token_pos")
    teacher = {f"backbone.{name}": t for name, t in weights.items() if name not in gone and "bottleneck" not in name}
    head = {"head.mlp.0.weight": torch.ones(2, 2), "head.last_layer.weight_g": torch.ones(2, 1)}
    path = save({"student": {"module.x": torch.ones(1)}, "teacher": teacher | head, "epoch": 99})
    pretrained = read_weights(of_case(path, case))
    assert pretrained.origin == "PASS ViT-48/16"
    assert pretrained.ignored == tuple(head)
    assert pretrained.neck == {}
    trunk = replace(pretrained.trunk, registers=1).build().eval()
    rows = pretrained.state["pos_embed"].shape[1]
    before = trunk.pos_embed.detach().clone()
    assert fill(trunk, pretrained).left == ("register_tokens", "pos_embed[4:5]")
    assert torch.equal(trunk.pos_embed[:, :4], pretrained.state["pos_embed"][:, :4])
    assert torch.equal(trunk.pos_embed[:, 4], torch.zeros(1, 48))  # a register begins at zero, as TCMM's
    assert torch.equal(before[:, 4], trunk.pos_embed[:, 4])
    assert torch.equal(trunk.pos_embed[:, 5:], pretrained.state["pos_embed"][:, 4:])
    assert trunk.pos_embed.shape[1] == rows + 1
    # With TCMM's own two rows put back in, it is TCMM's trunk.
    trunk.register_tokens.data.copy_(weights["token"])
    trunk.pos_embed.data[:, 4:5] = weights["token_pos"]
    with torch.inference_mode():
        tokens = trunk(case["images"])
    torch.testing.assert_close(tokens.cls, case["expected/cls"], rtol=0, atol=2e-5)
    for number in range(3):
        torch.testing.assert_close(tokens.extra[:, number], case[f"expected/part{number + 1}"], rtol=0, atol=2e-5)


def test_pass_with_a_neck_for_another_feature_has_none(save, pass_case):
    weights, case = pass_case
    weights["bottleneck.weight"] = torch.ones(48)  # of PASS's mean fusion
    pretrained = read_weights(of_case(save(weights), case))
    assert (pretrained.neck, pretrained.compared) == ({}, "before")
    assert any("join CLS and parts otherwise" in note for note in pretrained.notes)
    assert "bottleneck.weight" in pretrained.ignored


def test_transreid_checkpoint_gives_the_golden_global_feature(save, transreid_case):
    weights, case = transreid_case
    unused = {"base.fc.weight": torch.ones(10, 48), "base.fc.bias": torch.ones(10)}
    size = tuple(case["images"].shape[2:])
    stride = 16 if (size[0] // 16) * (size[1] // 16) + 1 == weights["base.pos_embed"].shape[1] else 12
    pretrained = read_weights(of_case(save(weights | unused), case, stride))
    assert pretrained.origin == "TransReID ViT-48/16"
    assert pretrained.compared == "before"  # NECK_FEAT of the authors' configurations
    assert pretrained.trunk.depth == 3
    assert pretrained.trunk.cameras == 4
    parts = {name.partition(".")[0] for name in pretrained.ignored}
    assert parts == {"fc", "classifier"} | {f"classifier_{number}" for number in range(1, 5)}
    trunk = pretrained.trunk.build().eval()
    loaded = fill(trunk, pretrained)
    assert (loaded.resized, loaded.left) == ((), ())
    with torch.inference_mode():
        cls = trunk(case["images"], case["cam_ids"]).cls
    torch.testing.assert_close(cls, case["expected/train_feat_0"], rtol=0, atol=2e-5)
    assert torch.equal(pretrained.neck["running_mean"], weights["bottleneck.running_mean"])


def test_jigsaw_branch_replaces_the_last_block_that_never_ran(save, transreid_case):
    weights, case = transreid_case
    whole = weights | {name.replace("b1.0.", "base.blocks.2."): -t for name, t in weights.items() if "b1.0." in name}
    whole |= {name.replace("b1.1.", "base.norm."): -t for name, t in weights.items() if "b1.1." in name}
    size = tuple(case["images"].shape[2:])
    pretrained = read_weights(
        Source(save(whole), FileOptions(size=size, heads=HEADS))
    )  # the stride follows from the size
    assert pretrained.trunk.depth == 3
    assert pretrained.trunk.stride == (16 if weights["base.pos_embed"].shape[1] in (9, 19) else 12)
    assert torch.equal(pretrained.state["blocks.2.mlp.fc1.weight"], weights["b1.0.mlp.fc1.weight"])
    assert torch.equal(pretrained.state["norm.bias"], weights["b1.1.bias"])


def named(trunk: nn.Module, prefix: str = "") -> dict[str, torch.Tensor]:
    return {prefix + name: tensor for name, tensor in trunk.state_dict().items()}


HEAD = {"head.weight": torch.ones(10, 16), "head.bias": torch.ones(10)}
PEOPLE, SQUARE = {}, {"image_size": (32, 32)}
STEM = {"stem": "convolution", "convolutions": ((6, 7, 2), (6, 3, 1)), "image_size": (32, 16)}
NECK = {f"bottleneck.{name}": tensor for name, tensor in nn.BatchNorm1d(16).state_dict().items()}


@pytest.mark.parametrize(
    ("shape", "wrap", "origin", "normalization"),
    [
        (SQUARE, lambda trunk: named(trunk) | HEAD, "ImageNet ViT-16/8", HALVES),
        (SQUARE, lambda trunk: {"model": named(trunk) | HEAD}, "DeiT ViT-16/8", IMAGENET),
        (
            SQUARE,
            lambda trunk: {"teacher": named(trunk, "backbone.")},
            "ImageNet ViT-16/8 without a classifier",
            IMAGENET,
        ),
        (PEOPLE, lambda trunk: {"teacher": named(trunk, "backbone.")}, "TransReID-SSL ViT-16/8", HALVES),
        (PEOPLE, lambda trunk: {"state_dict": named(trunk, "module.") | NECK}, "TransReID-SSL ViT-16/8", HALVES),
        (STEM, lambda trunk: {"teacher": named(trunk, "module.backbone.")}, "TransReID-SSL ViT-16/8", HALVES),
        (PEOPLE, lambda trunk: named(trunk, "base.") | NECK, "TransReID ViT-16/8", HALVES),
        ({"extra_tokens": 2}, named, "reknow ViT-16/8", HALVES),
        ({"registers": 2}, named, "reknow ViT-16/8", HALVES),
        ({"cameras": 3}, lambda trunk: named(trunk, "trunk."), "reknow ViT-16/8", HALVES),
    ],
    ids=["timm", "DeiT", "DINO", "LUPerson", "unsupervised", "stem", "TransReID", "extra", "registers", "recognizer"],
)
def test_every_origin_gives_back_the_same_tokens(save, small, shape, wrap, origin, normalization):
    torch.manual_seed(0)
    source = replace(small, **shape).build().eval()
    pretrained = read_weights(save(wrap(source)), options_of(source.config))
    assert pretrained.origin == origin
    assert (pretrained.mean, pretrained.std) == (normalization.mean, normalization.std)
    assert (len(pretrained.neck) == 5) == (wrap(source).get("state_dict", wrap(source)).keys() >= NECK.keys())
    target = pretrained.trunk.build().eval()
    loaded = fill(target, pretrained)
    assert (loaded.resized, loaded.left) == ((), ())
    images = torch.randn(2, 3, *source.config.image_size)
    with torch.inference_mode():
        torch.testing.assert_close(target(images), source(images), rtol=0, atol=0)


def test_distillation_token_goes_with_its_position(save, small):
    source = small.build()
    state = named(source) | HEAD | {"head_dist.weight": torch.ones(10, 16), "dist_token": torch.ones(1, 1, 16)}
    rows = source.state_dict()["pos_embed"]
    state["pos_embed"] = torch.cat([rows[:, :1], torch.full((1, 1, 16), 9.0), rows[:, 1:]], dim=1)
    pretrained = read_weights(save(state), options_of(small))
    assert torch.equal(pretrained.state["pos_embed"], rows)
    assert set(pretrained.ignored) == {"dist_token", "pos_embed[1:2]", "head.weight", "head.bias", "head_dist.weight"}


def test_timm_says_the_same(save):
    """timm is the witness here: its own module, weights and output."""
    import timm

    torch.manual_seed(0)
    witness = timm.create_model("vit_tiny_patch16_224", depth=2).eval()
    pretrained = read_weights(save(witness.state_dict()))
    assert pretrained.origin == "ImageNet ViT-Ti/16"
    assert pretrained.trunk.image_size == (224, 224)
    assert pretrained.trunk.heads == 3
    trunk = pretrained.trunk.build().eval()
    fill(trunk, pretrained)
    images = torch.randn(1, 3, 224, 224)
    with torch.inference_mode():
        torch.testing.assert_close(trunk(images).cls, witness.forward_features(images)[:, 0], rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"blocks.0.ls1.gamma": torch.ones(16)}, r"layer scale .*: 'blocks\.0\.ls1\.gamma'"),
        ({"blocks.0.mlp.w12.weight": torch.ones(16)}, r"a gated MLP \(SwiGLU\): 'blocks\.0\.mlp\.w12\.weight'"),
        ({"blocks.0.attn.q_norm.weight": torch.ones(16)}, r"another attention .*: 'blocks\.0\.attn\.q_norm\.weight'"),
        (
            {"norm_pre.weight": torch.ones(16)},
            r"resembles CLIP.* has 1 tensors more, .*'patch_embed\.proj\.bias'",
        ),
        ({"blocks.0.mlp.more": torch.ones(16)}, r"resembles .* has 1 tensors more, such as 'blocks\.0\.mlp\.more"),
        ({"norm.bias": None}, r"1 tensors are missing, such as 'norm\.bias'"),
        ({"norm.bias": torch.ones(3)}, r"tensor 'norm\.bias': size \(3,\); expected \(16,\)"),
        ({"pos_embed": torch.ones(1, 1, 16)}, "tensor 'pos_embed': size"),
        ({"pos_embed": torch.ones(9, 16)}, "tensor 'pos_embed': size"),
        ({"blocks.0.mlp.fc1.weight": torch.ones(5)}, r"'blocks\.0\.mlp\.fc1\.weight': size \(5,\); expected 2 dim"),
        ({"patch_embed.proj.weight": torch.ones(16, 192)}, "'patch_embed.proj.weight': size .*; expected 4 dimensions"),
        (dict.fromkeys(("part_token1", "part1_pos", "cls_pos"), torch.ones(1, 1, 16)), "PASS, but has no 'part2_pos'"),
    ],
    ids=[
        "layer scale",
        "SwiGLU",
        "attention",
        "norm before",
        "more",
        "missing",
        "size",
        "no patches",
        "flat",
        "vector",
        "linear",
        "half of PASS",
    ],
)
def test_a_variant_that_our_trunk_is_not_is_refused(load_trunk, save, small, change, message):
    state = named(small.build()) | change
    with pytest.raises(WeightsError, match=message):
        load_trunk(small.build(), save({name: tensor for name, tensor in state.items() if tensor is not None}))


@pytest.mark.parametrize(
    "changes",
    [
        {"registers": 1},
        {"stem": "convolution"},
        {"stem": "convolution", "stride": 8, "patch_size": 8, "convolutions": ((8, 3, 2), (16, 3, 2))},
    ],
    ids=["TCMM", "TransReID-SSL's stem", "our stem"],
)
def test_shape_comes_with_the_weights(save, changes):
    trunk = TransformerConfig(image_size=(256, 128), width=384, depth=1, heads=6, extra_tokens=3)
    trunk = replace(trunk, **changes)
    assert read_weights(save(named(trunk.build()))).trunk == trunk


def test_shape_of_the_shipped_network():
    recognizer = load()
    pretrained = read_weights(SHIPPED / "model.safetensors")
    assert EmbedderConfig(trunk=pretrained.trunk, feature=pretrained.feature) == recognizer.config
    assert (pretrained.mean, pretrained.std) == (recognizer.preprocessing.mean, recognizer.preprocessing.std)
    assert len(pretrained.neck) == 5


def test_positions_on_the_patches_alone_are_timm_s(save):
    """timm is the witness here, too: with `no_embed_class` its table has no row for CLS."""
    import timm

    torch.manual_seed(0)
    witness = timm.create_model("vit_tiny_patch16_224", depth=2, no_embed_class=True).eval()
    pretrained = read_weights(save(witness.state_dict()))
    assert pretrained.trunk.image_size == (224, 224)
    assert any("196 patches and none for CLS read as 14 x 14" in note for note in pretrained.notes)
    trunk = pretrained.trunk.build().eval()
    fill(trunk, pretrained)
    images = torch.randn(1, 3, 224, 224)
    with torch.inference_mode():
        torch.testing.assert_close(trunk(images).cls, witness.forward_features(images)[:, 0], rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("width", "hidden", "heads"),
    [(192, 768, 3), (384, 1536, 6), (768, 3072, 12), (1024, 4096, 16), (1280, 5120, 16), (1408, 6144, 16)],
)
def test_heads_are_those_of_the_published_width(save, width, hidden, heads):
    shape = TransformerConfig(
        image_size=(256, 128), width=width, depth=1, heads=heads, stride=12, mlp_ratio=hidden / width
    )
    pretrained = read_weights(save(named(shape.build(), "base.")))
    assert pretrained.trunk == shape
    with pytest.raises(WeightsError, match=r"heads: .* of TransReID.*; expected 32, the trunk's"):
        fill(replace(shape, heads=32).build(), pretrained)


@pytest.mark.parametrize("changes", [{"width": 72, "heads": 3}, {"width": 768, "heads": 8, "mlp_ratio": 3.0}])
def test_heads_of_another_width_are_asked_for(save, changes):
    """The second is TransReID's own ViT-S: width 768, and heads and scale of its own."""
    shape = TransformerConfig(**{"image_size": (256, 128), "depth": 1, **changes})
    path = save(named(shape.build(), "base."))
    with pytest.raises(WeightsError, match=r"which no published network has.*Name it: weights\.pth\?heads=NUMBER"):
        read_weights(path)
    assert read_weights(f"{path}?heads={shape.heads}").trunk == shape
    with pytest.raises(WeightsError, match=r"option 'heads': 7; expected a divisor"):
        read_weights(f"{path}?heads=7")


def test_overlapping_positions_are_resized_from_their_own_grid(load_trunk, save):
    """31 x 10 patches at stride 12, where height over stride is 32."""
    source = TransformerConfig(image_size=(384, 128), width=384, depth=1, heads=6, stride=12).build()
    target = TransformerConfig(image_size=(256, 128), width=384, depth=1, heads=6).build()
    assert load_trunk(target, save(named(source, "base."))).resized == ("pos_embed from 31 x 10 to 16 x 8 patches",)
    assert torch.equal(target.pos_embed, resized_positions(source.pos_embed.detach(), 1, (31, 10), (16, 8)))


def test_a_parallel_wrapper_does_not_hide_the_authors(save, small):
    state = {f"_orig_mod.module.{name}": tensor for name, tensor in (named(small.build(), "base.") | NECK).items()}
    pretrained = read_weights(save({"model_state_dict": state}), options_of(small))
    assert (pretrained.origin, pretrained.compared, len(pretrained.neck)) == ("TransReID ViT-16/8", "before", 5)


@pytest.mark.parametrize(
    ("module", "told", "compared"),
    [("base.", "", "before"), ("", "", "behind"), ("base.", "&neck=behind", "behind"), ("", "&neck=before", "before")],
)
def test_which_side_of_the_neck_is_compared(save, pass_case, module, told, compared):
    """PASS with labels lies in `base` and is compared before its neck; without labels, behind it."""
    weights, case = pass_case
    state = {name if name.startswith("bottleneck") else f"{module}{name}": tensor for name, tensor in weights.items()}
    height, width = case["images"].shape[2:]
    pretrained = read_weights(f"{save(state)}?size={height}x{width}&heads=4{told}")
    assert pretrained.compared == compared
    assert pretrained.notes[0].startswith("position table of")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("c1,c2", "option 'cameras': 2 names; expected 6, one for each row.*2 cameras times 3 viewpoints"),
        ("a,b,c,d", "4"),
    ],
)
def test_names_of_cameras_are_those_of_the_table(save, small, names, message):
    path = save(named(replace(small, cameras=6).build(), "base."))
    with pytest.raises(WeightsError, match=message):
        read_weights(f"{path}?cameras={names}", options_of(small))
    assert read_weights(f"{path}?cameras=a,b,c,d,e,f", options_of(small)).cameras == tuple("abcdef")
    path = save(named(small.build(), "base."))
    with pytest.raises(WeightsError, match="none, since it has no camera table"):
        read_weights(f"{path}?cameras=a", options_of(small))


def test_transreid_with_a_reduced_feature_is_refused(save, small):
    with pytest.raises(WeightsError, match="'fcneck"):
        read_weights(save(named(small.build(), "base.") | {"fcneck.weight": torch.ones(8, 16)}), options_of(small))
