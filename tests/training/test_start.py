"""Where a run starts: what a file of weights brings along, what a recipe keeps, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from reknow.data.transforms import Preprocessing
from reknow.errors import RecipeError, WeightsError
from reknow.methods.recipe import recipe_named
from reknow.models.embedder import EmbedderConfig
from reknow.models.osnet import OSNetConfig
from reknow.models.transformer import TransformerConfig
from reknow.training.progress import Display
from reknow.training.start import start_of
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
    start = start_of(replace(recipe_named("tcmm"), weights=str(tmp_path / "mine.pth")))
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
    assert start_of(replace(recipe_named("tcmm"), weights="mine.pth")).network.dim == 512


def test_a_recipe_that_does_not_follow_refuses_another_network_and_says_how_to_follow(tmp_path):
    osnet_file(tmp_path)
    with pytest.raises(WeightsError, match=r"OSNet.*--follow-weights"):
        start_of(replace(recipe_named("tcmm/market1501"), weights=str(tmp_path / "mine.pth")))


def test_positions_are_resized_to_the_recipe_s_pictures(tmp_path, tiny):
    torch.save(SMALL.build().state_dict(), tmp_path / "vit.pth")
    named = f"{tmp_path / 'vit.pth'}?size=32x16&heads=1"
    recipe = replace(tiny, weights=named, preprocessing=Preprocessing(size=(48, 24)))
    start = start_of(replace(recipe, follow_weights=True))
    assert start.network.trunk.config == replace(SMALL, image_size=(48, 24))
    assert any("pos_embed" in line for line in start.report)


@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [("", RecipeError, "--weights"), ("nowhere.pth", WeightsError, "no such file.*REKNOW_WEIGHTS")],
)
def test_no_weights_and_no_file_are_told_apart(weights, error, message, tiny):
    with pytest.raises(error, match=message):
        start_of(replace(tiny, weights=weights))


def test_the_card_keeps_the_report(crops, tiny, tmp_path):
    torch.save(SMALL.build().state_dict(), tmp_path / "vit.pth")
    named = f"{tmp_path / 'vit.pth'}?heads=1"  # the recipe's pictures explain the rest
    recipe = replace(tiny, weights=named, follow_weights=True, epochs=1, data=f"folder:{crops}")
    outcome = train(recipe, tmp_path / "run", display=Display(quiet=True))
    # The run is repeatable from its own recipe, which has the network that the file brought.
    assert outcome.run.recipe().network.trunk == SMALL
    card = (outcome.run.folder / "recognizer" / "recognizer.json").read_text()
    assert "vit.pth" in card
