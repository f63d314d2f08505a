"""What a method chooses, on tokens that leave no doubt."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from reknow.data.batch import Batch
from reknow.explain.choice import choice_of, chooser_of, joined
from reknow.methods.recipe import recipe_named
from reknow.methods.tcmm.method import TCMMConfig
from reknow.methods.tcmm.token_constraint import TokenConstraint
from reknow.models.embedder import EmbedderConfig
from reknow.models.osnet import OSNetConfig
from reknow.models.resnet import ResNetConfig
from reknow.models.tokens import Tokens


def tokens_with(cosines: list[list[float]], grid: tuple[int, int]) -> Tokens:
    """Tokens whose patches have exactly these cosines with CLS, and no extra tokens."""
    cosine = torch.tensor(cosines)
    patches = torch.stack([cosine, (1 - cosine**2).sqrt()], dim=2)
    return Tokens(
        functional.one_hot(torch.zeros(len(cosine), dtype=torch.long), 2).float(), patches[:, :0], patches, grid
    )


def batch_of(size: tuple[int, int], count: int = 2) -> Batch:
    images = torch.rand(count, 3, *size, generator=torch.Generator().manual_seed(0))
    ones, rows = torch.ones(count, dtype=torch.bool), torch.arange(count)
    return Batch({"rgb": images}, {"rgb": ones}, rows, -torch.ones_like(rows), -torch.ones_like(rows))


def test_the_nearest_patch_is_positive_and_the_farthest_are_negative():
    tokens = tokens_with([[0.1, 0.9, -0.5, 0.3, -0.9, 0.2], [0.8, 0.0, 0.1, 0.2, 0.3, -0.1]], (3, 2))
    choice = choice_of(TokenConstraint(alpha=0.34), tokens)
    assert choice.grid == (3, 2)
    assert [np.flatnonzero(row).tolist() for row in choice.positive] == [[1], [0]]
    assert [np.flatnonzero(row).tolist() for row in choice.negative] == [[2, 4], [1, 5]]
    assert choice.similarity[0] == pytest.approx([0.1, 0.9, -0.5, 0.3, -0.9, 0.2], abs=1e-6)


def test_batches_are_joined_in_order():
    constraint = TokenConstraint(alpha=0.5)
    first, second = (choice_of(constraint, tokens_with([row], (1, 2))) for row in ([0.1, 0.2], [0.9, -0.2]))
    both = joined([first, second])
    assert both.positive.tolist() == [[False, True], [True, False]]
    assert both.similarity.shape == (2, 2) and both.grid == (1, 2)


def test_only_methods_that_choose_have_a_chooser():
    assert chooser_of(TCMMConfig()) is not None
    assert chooser_of(TCMMConfig(token_weight=0.0)) is None
    assert chooser_of(recipe_named("cluster_contrast").method) is None
    assert chooser_of(recipe_named("supervised").method) is None


@pytest.mark.parametrize("normalize", ["feature", "as_released"])
def test_the_chooser_is_the_constraint_that_the_method_trains_with(tiny, normalize):
    config = TCMMConfig(alpha=0.25, normalize=normalize)
    network = tiny.network.build().eval()
    batch = batch_of((32, 16))
    chooser = chooser_of(config)
    assert chooser is not None
    with torch.inference_mode():
        choice = chooser(network, batch)
        chosen = TokenConstraint(0.25, normalize).choose(network.tokens(batch.images))
    assert choice.negative.sum(1).tolist() == [2, 2] and choice.positive.sum(1).tolist() == [1, 1]
    assert choice.positive.argmax(1).tolist() == chosen.positive.tolist()
    assert choice.similarity == pytest.approx(chosen.similarity.numpy())


@pytest.mark.parametrize("trunk", [ResNetConfig(), OSNetConfig()], ids=["resnet", "osnet"])
def test_positions_of_a_convolutional_map_are_patches_too(trunk):
    network = replace(EmbedderConfig(trunk=trunk), feature="cls").build().eval()
    chooser = chooser_of(TCMMConfig(alpha=0.25))
    assert chooser is not None
    with torch.inference_mode():
        choice = chooser(network, batch_of((64, 32)))
    assert choice.grid == (4, 2)
    assert choice.negative.sum(1).tolist() == [2, 2]
