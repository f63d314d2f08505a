"""Where a run starts: what a file of weights brings along, what a recipe keeps, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from reknow.data.transforms import Preprocessing
from reknow.errors import RecipeError, WeightsError
from reknow.methods.catalog import recipe_named
from reknow.models.channel_attention import SqueezeExcitation
from reknow.models.embedder import EmbedderConfig
from reknow.models.inverted_residuals import MobileNetV2Config
from reknow.models.osnet import OSNetConfig
from reknow.models.resnet import ResNetConfig
from reknow.models.transformer import TransformerConfig
from reknow.progress import Display
from reknow.recognizer import SHIPPED, load
from reknow.training.initialization import initialized
from reknow.training.train import train

SMALL = TransformerConfig(image_size=(32, 16), width=64, depth=1, heads=1, patch_size=8, stride=8)


def osnet_file(folder, name="mine.pth"):
    torch.manual_seed(0)
    trunk = OSNetConfig(width=0.25).build()
    # torchreid's own files carry the classifier, too.
    torch.save({**trunk.state_dict(), "classifier.weight": torch.zeros(3, 512)}, folder / name)
    return trunk


def test_a_file_brings_its_network_and_the_recipe_keeps_its_picture_size(tmp_path):
    trunk = osnet_file(tmp_path)
    start = initialized(replace(recipe_named("tcmm"), weights=str(tmp_path / "mine.pth")))
    assert start.recipe.network == EmbedderConfig(trunk=OSNetConfig(width=0.25), feature="projected")
    assert start.recipe.preprocessing == Preprocessing(
        size=(128, 64), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)
    )
    assert torch.equal(start.network.trunk.state_dict()["conv1.conv.weight"], trunk.state_dict()["conv1.conv.weight"])
    assert any("OSNet" in line for line in start.report)
    assert any("classifier" in line for line in start.report)


def test_a_bare_name_is_looked_for_in_the_folder_of_weights(tmp_path, monkeypatch):
    osnet_file(tmp_path)
    monkeypatch.setenv("REKNOW_WEIGHTS", str(tmp_path))
    assert initialized(replace(recipe_named("tcmm"), weights="mine.pth")).network.dim == 512


def test_a_recipe_that_does_not_follow_refuses_another_network_and_says_how_to_follow(tmp_path):
    osnet_file(tmp_path)
    with pytest.raises(WeightsError, match=r"OSNet.*--follow-weights"):
        initialized(replace(recipe_named("tcmm/market1501"), weights=str(tmp_path / "mine.pth")))


def test_positions_are_resized_to_the_recipe_s_pictures(tmp_path, tiny):
    torch.save(SMALL.build().state_dict(), tmp_path / "vit.pth")
    named = f"{tmp_path / 'vit.pth'}?size=32x16&heads=1"
    recipe = replace(tiny, weights=named, preprocessing=Preprocessing(size=(48, 24)))
    start = initialized(replace(recipe, follow_weights=True))
    assert start.network.trunk.config == replace(SMALL, image_size=(48, 24))
    assert any("pos_embed" in line for line in start.report)


@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [("", RecipeError, "--weights"), ("nowhere.pth", WeightsError, "no such file.*REKNOW_WEIGHTS")],
)
def test_no_weights_and_no_file_are_told_apart(weights, error, message, tiny):
    with pytest.raises(error, match=message):
        initialized(replace(tiny, weights=weights))


def test_the_card_keeps_the_report(crops, tiny, tmp_path):
    torch.save(SMALL.build().state_dict(), tmp_path / "vit.pth")
    named = f"{tmp_path / 'vit.pth'}?heads=1"  # the recipe's pictures explain the rest
    recipe = replace(tiny, weights=named, follow_weights=True, epochs=1, data=f"folder:{crops}")
    outcome = train(recipe, tmp_path / "run", display=Display(quiet=True))
    # The run is repeatable from its own recipe, which has the network that the file brought.
    assert outcome.run.recipe().network.trunk == SMALL
    card = (outcome.run.folder / "recognizer" / "recognizer.json").read_text()
    assert "vit.pth" in card


def test_pictures_of_another_size_than_the_network_takes_are_refused_before_anything_is_written(crops, tiny, tmp_path):
    recipe = replace(tiny, data=f"folder:{crops}", preprocessing=Preprocessing(size=(48, 24)))
    with pytest.raises(
        RecipeError, match=r"preprocessing.size: \(48, 24\).*takes pictures of \(32, 16\).*--network.trunk"
    ):
        train(recipe, tmp_path / "run", display=Display(quiet=True))
    assert not (tmp_path / "run").exists()


def test_a_recipe_s_network_says_what_the_file_does_not(tmp_path, tiny):
    torch.save(SMALL.build().state_dict(), tmp_path / "vit.pth")
    recipe = replace(tiny, weights=str(tmp_path / "vit.pth"), network=EmbedderConfig(trunk=SMALL), follow_weights=False)
    report = initialized(recipe).report
    assert any("read as 4 x 2: pictures of 32 x 16, stride 8; as the recipe's own" in line for line in report)
    larger = EmbedderConfig(trunk=replace(SMALL, image_size=(48, 24)))
    recipe = replace(recipe, network=larger, preprocessing=Preprocessing(size=(48, 24)))
    with pytest.raises(WeightsError, match=r"no published network has.*vit\.pth\?size="):
        initialized(recipe)
    report = initialized(replace(recipe, weights=f"{tmp_path / 'vit.pth'}?size=32x16")).report
    assert "resized: pos_embed from 4 x 2 to 6 x 3 patches" in report


def test_another_stride_than_the_file_s_is_said(tmp_path, tiny):
    shape = TransformerConfig(image_size=(256, 128), width=192, depth=1, heads=3)
    torch.save(replace(shape, stride=12).build().state_dict(), tmp_path / "vit.pth")
    recipe = replace(tiny, weights=str(tmp_path / "vit.pth"), network=EmbedderConfig(trunk=shape), follow_weights=False)
    recipe = replace(recipe, preprocessing=Preprocessing(size=(256, 128)))
    report = initialized(recipe).report
    assert "resized: pos_embed from 21 x 10 to 16 x 8 patches" in report
    assert "the file is of stride 12, the run's network of stride 16" in report


def test_training_takes_a_neck_along_that_its_authors_compare_before(tmp_path, tiny):
    neck = torch.nn.BatchNorm1d(64)
    neck.running_mean.fill_(3)
    state = {f"base.{name}": tensor for name, tensor in SMALL.build().state_dict().items()}
    torch.save(state | {f"bottleneck.{k}": t for k, t in neck.state_dict().items()}, tmp_path / "vit.pth")
    recipe = replace(tiny, weights=str(tmp_path / "vit.pth"), network=EmbedderConfig(trunk=SMALL), follow_weights=False)
    start = initialized(recipe)
    assert start.network.neck.running_mean.tolist() == [3] * 64
    assert "the batch-norm neck of 'cls' came with them" in start.report
    assert not any("left as they were" in line for line in start.report)


@pytest.mark.parametrize(
    ("whole", "trunk"), [("resnet50", ResNetConfig(last_stride=1)), ("mobilenet_v2", MobileNetV2Config(last_stride=1))]
)
def test_following_weights_of_imagenet_trains_at_the_finer_stride_and_says_so(tmp_path, whole, trunk):
    import torchvision

    torch.save(getattr(torchvision.models, whole)(weights=None).state_dict(), tmp_path / "imagenet.pth")
    recipe = replace(recipe_named("cluster_contrast"), weights=str(tmp_path / "imagenet.pth"))
    assert recipe.follow_weights
    start = initialized(recipe)
    assert start.recipe.network.trunk == trunk
    assert any("stride 1, as re-identification trains it" in line for line in start.report)
    if isinstance(trunk, ResNetConfig):
        assert start.network.trunk.pool.p.item() == 3


def test_weights_with_nan_start_no_run(tmp_path, tiny):
    state = SMALL.build().state_dict()
    state["norm.weight"][0] = torch.nan
    torch.save(state, tmp_path / "vit.pth")
    recipe = replace(tiny, weights=str(tmp_path / "vit.pth"), network=EmbedderConfig(trunk=SMALL), follow_weights=False)
    with pytest.raises(WeightsError, match=r"tensor 'norm\.weight': 1 of 64 values are not finite"):
        initialized(recipe)


def test_what_a_recipe_puts_into_its_trunk_is_kept_on_the_network_of_a_file(tmp_path):
    osnet_file(tmp_path)
    own = EmbedderConfig(trunk=OSNetConfig(width=0.5, within=SqueezeExcitation(reduction=4)))
    start = initialized(replace(recipe_named("tcmm"), network=own, weights=str(tmp_path / "mine.pth")))
    assert start.network.trunk.config == OSNetConfig(width=0.25, within=SqueezeExcitation(reduction=4))
    assert any("left as they were: conv2.*.within.fc1 (4 tensors)" in line for line in start.report)


def test_what_a_recipe_puts_into_a_trunk_of_another_kind_is_refused(tmp_path, tiny):
    osnet_file(tmp_path)
    own = EmbedderConfig(trunk=replace(SMALL, stems=("rgb",)))
    recipe = replace(tiny, network=own, weights=str(tmp_path / "mine.pth"), follow_weights=True)
    with pytest.raises(RecipeError, match=r"network\.trunk\.stems.*torchreid OSNet.*weights of a Transformer"):
        initialized(recipe)


def test_a_recognizer_of_another_kind_gives_its_trunk_and_the_report_names_the_rest():
    recipe = recipe_named("editor")
    start = initialized(recipe)
    shape = start.network.state_dict()
    beside = sum(name.startswith("aggregation.") for name in shape)
    assert recipe.weights == "shipped"
    assert f"aggregation ({beside} tensors)" in next(line for line in start.report if "left as they were" in line)
    assert "ignored: batch-norm neck of 'cls+extra'" in start.report


def test_a_recognizer_fills_its_own_network_around_what_a_recipe_puts_in():
    shipped = load(SHIPPED, "cpu")
    own = replace(shipped.config, trunk=replace(shipped.config.trunk, stems=("rgb", "tir")))
    recipe = replace(recipe_named("cluster_contrast"), network=own, weights="shipped")
    start = initialized(recipe)
    for spectrum in ("rgb", "tir"):
        stem = start.network.trunk.patch_embed[spectrum].proj.weight
        assert torch.equal(stem, shipped.network.trunk.patch_embed.proj.weight)
    assert torch.equal(start.network.neck.running_var, shipped.network.neck.running_var)
    assert not any("left as they were" in line for line in start.report)
    with pytest.raises(RecipeError, match="a network of another shape"):
        initialized(replace(recipe, network=replace(own, feature="cls")))
