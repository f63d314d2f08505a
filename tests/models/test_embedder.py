"""Embedder: which tokens, which spectrum, the neck between, and a config that survives a file."""

from __future__ import annotations

import json

import pytest
import torch

from reknow.errors import DataError, RecipeError
from reknow.models.embedder import BatchNormNeck, EmbedderConfig
from reknow.models.resnet import ResNetConfig
from reknow.models.tokens import Tokens
from reknow.models.transformer import TransformerConfig
from reknow.observation import Batch
from reknow.values import from_plain, to_plain

TRUNK = TransformerConfig(image_size=(32, 16), width=8, depth=1, heads=2, extra_tokens=2, cameras=3)


@pytest.mark.parametrize(("feature", "dim"), [("cls", 8), ("cls+extra", 16), ("cls+patches", 16)])
def test_embeddings_are_unit_vectors_behind_the_neck(feature: str, dim: int) -> None:
    torch.manual_seed(0)
    embedder = EmbedderConfig(trunk=TRUNK, feature=feature).build()
    batch = Batch.of({"rgb": torch.randn(6, 3, 32, 16)})
    ((before, behind),) = embedder.train().features(batch)
    assert before.shape == behind.shape == (6, dim) == (6, embedder.dim)
    torch.testing.assert_close(behind.mean(0), torch.zeros(dim), rtol=0, atol=1e-4)
    embedder.eval()
    embeddings = embedder(batch)
    torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(6))
    behind = embedder.features(batch)[0].behind
    torch.testing.assert_close(embeddings, behind / behind.norm(dim=1, keepdim=True))


def test_features_are_made_of_the_named_tokens() -> None:
    tokens = Tokens(torch.zeros(1, 2), torch.tensor([[[1.0, 1], [3, 3]]]), torch.tensor([[[5.0, 6], [7, 8]]]), (2, 1))
    expected = {"cls": [[0, 0]], "cls+extra": [[0, 0, 2, 2]], "cls+patches": [[0, 0, 6, 7]]}
    for feature, vector in expected.items():
        assert EmbedderConfig(trunk=TRUNK, feature=feature).build().feature_of(tokens).tolist() == vector


def test_a_batch_by_spectrum_gives_what_its_pictures_give() -> None:
    embedder = EmbedderConfig(trunk=TRUNK, spectrum="nir").build().eval()
    pictures, camera = torch.randn(2, 3, 32, 16), torch.tensor([0, 2])
    images = {"rgb": torch.randn(2, 3, 32, 16), "nir": pictures}
    there = torch.ones(2, dtype=torch.bool)
    by_batch = embedder(Batch.of(images, {"rgb": ~there, "nir": there}, camera))
    assert torch.equal(by_batch, embedder(Batch.of({"nir": pictures}, camera=camera)))
    assert not torch.equal(by_batch, embedder(Batch.of({"nir": pictures})))


def test_a_missing_spectrum_is_named() -> None:
    embedder = EmbedderConfig(trunk=TRUNK).build().eval()
    images = {"tir": torch.zeros(2, 3, 32, 16)}
    with pytest.raises(DataError, match="spectrum 'rgb': only tir"):
        embedder(Batch.of(images))
    with pytest.raises(DataError, match="1 observations of a batch lack it"):
        embedder(Batch.of({"rgb": images["tir"]}, {"rgb": torch.tensor([True, False])}))


def test_parts_need_extra_tokens() -> None:
    for trunk in (TransformerConfig(size="small"), ResNetConfig()):
        with pytest.raises(RecipeError, match="extra_tokens"):
            EmbedderConfig(trunk=trunk, feature="cls+extra")


@pytest.mark.parametrize(
    "trunk",
    [TransformerConfig(size="small", stem="convolution", cameras=6, drop_path=0.1), ResNetConfig(last_stride=2)],
)
def test_config_comes_back_from_its_file(trunk: TransformerConfig | ResNetConfig) -> None:
    config = EmbedderConfig(trunk=trunk, feature="cls+patches")
    assert from_plain(json.loads(json.dumps(to_plain(config))), "file") == config


def test_neck_trains_its_weight_alone() -> None:
    neck = BatchNormNeck(3)
    assert [name for name, value in neck.named_parameters() if value.requires_grad] == ["weight"]
    optimizer = torch.optim.SGD(neck.parameters(), lr=1.0, weight_decay=0.1)
    neck(torch.randn(8, 3)).square().mul(torch.rand(3)).sum().backward()
    optimizer.step()
    assert neck.bias.tolist() == [0, 0, 0]
    assert (neck.weight != 1).all()
