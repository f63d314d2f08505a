"""Recipes: the settings that are published, and that small ones start from the shipped trunk."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from reknow.data.transforms import Preprocessing
from reknow.errors import RecipeError
from reknow.methods.editor import recipes
from reknow.methods.editor.network import EditorNetwork
from reknow.models.transformer import TransformerConfig
from reknow.recognizer import SHIPPED, Card, Recognizer, load
from reknow.training.initialization import initialized, starting_from
from reknow.training.optimization import learning_rate


def test_the_learning_rate_is_the_logged_one() -> None:
    recipe = recipes.market1501_mm()
    rates = [learning_rate(1e-3, 1e-3, recipe.schedule, epoch, recipe.epochs) for epoch in (0, 9, 69)]
    assert rates[0] == pytest.approx(1.09e-4)  # epoch 1 of the released log
    assert rates[2] == pytest.approx(1e-6)


def test_published_recipes_have_the_published_fields() -> None:
    assert [recipe().method.variant for recipe in (recipes.rgbnt201, recipes.rgbnt201_al)] == ["BL", "AL"]
    for recipe in (recipes.rgbnt201(), recipes.rgbnt100(), recipes.msvr310(), recipes.market1501_mm()):
        selection = recipe.network.selection
        assert (selection.head_keep, selection.frequency_keep, recipe.sampling.batch_size) == (2, 10, 128)
        assert recipe.network.trunk.image_size == recipe.preprocessing.size
        assert not recipe.augmentation.synchronized
    assert (recipes.msvr310().epochs, recipes.msvr310().schedule.warmup) == (1000, 100)


@pytest.mark.parametrize("recipe", [recipes.own_data(), recipes.world_vehicles()], ids=["own data", "vehicles"])
def test_small_recipes_start_from_the_shipped_trunk(recipe: recipes.Recipe) -> None:
    start = initialized(recipe)
    shipped = load(SHIPPED, device="cpu").network.trunk
    assert isinstance(start.network, EditorNetwork)
    assert torch.equal(start.network.trunk.blocks[0].attn.qkv.weight, shipped.blocks[0].attn.qkv.weight)
    resized = recipe.preprocessing.size != (128, 64)
    assert torch.equal(start.network.trunk.pos_embed, shipped.pos_embed) != resized
    assert any("resized" in sentence for sentence in start.report) == resized


def test_a_trunk_of_another_shape_is_refused() -> None:
    recipe = recipes.own_data()
    other = replace(recipe, network=replace(recipe.network, trunk=TransformerConfig(size="small")))
    with pytest.raises(RecipeError, match="a trunk of another shape"):
        initialized(other)


def test_a_recognizer_of_several_spectra_on_disk(tmp_path, config) -> None:
    torch.manual_seed(0)
    preprocessing = Preprocessing(size=config.trunk.image_size)
    card = Card(name="editor", spectra=config.spectra)
    saved = Recognizer(config, config.build(), preprocessing, card, "cpu", "32")
    saved.save(tmp_path / "recognizer")
    found = load(tmp_path / "recognizer", "cpu", "32")
    picture = np.random.default_rng(0).integers(0, 256, (32, 16, 3), dtype=np.uint8)
    assert np.array_equal(saved.embed(picture), found.embed(picture))
    assert found.dim == 48
    assert found.fingerprint == saved.fingerprint
    assert "rgb and nir and tir" in (tmp_path / "recognizer" / "README.md").read_text()
    assert starting_from(recipes.own_data(), tmp_path / "recognizer").network == config
