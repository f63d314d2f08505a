"""What TCMM says of the patches that its token constraint acts on."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from reknow.methods.tcmm.method import TCMMConfig
from reknow.methods.tcmm.token_constraint import TokenConstraint
from reknow.models.embedder import Embedder, EmbedderConfig
from reknow.models.osnet import OSNetConfig
from reknow.models.resnet import ResNetConfig
from reknow.models.tokens import Tokens
from reknow.models.transformer import TransformerConfig
from reknow.observation import Batch

TRUNK = TransformerConfig(image_size=(32, 16), width=16, depth=1, heads=2, patch_size=8, stride=8)


class Made(Embedder):
    """A network whose tokens leave no doubt: patches with exactly these cosines with CLS, and no extra tokens."""

    def __init__(self, cosines: list[list[float]], grid: tuple[int, int]) -> None:
        super().__init__(TRUNK.build(), spectrum="tir")
        self.cosines, self.grid = cosines, grid

    def tokens(self, batch: Batch) -> Tokens:
        cosine = torch.tensor(self.cosines)
        patches = torch.stack([cosine, (1 - cosine**2).sqrt()], dim=2)
        cls = functional.one_hot(torch.zeros(len(cosine), dtype=torch.long), 2).float()
        return Tokens(cls, patches[:, :0], patches, self.grid)


def pictures(height: int = 32, width: int = 16) -> Batch:
    return Batch.of({"rgb": torch.rand(3, 3, height, width, generator=torch.Generator().manual_seed(0))})


def test_the_nearest_patch_is_positive_and_the_farthest_are_negative():
    network = Made([[0.1, 0.9, -0.5, 0.3, -0.9, 0.2], [0.8, 0.0, 0.1, 0.2, 0.3, -0.1]], (3, 2))
    found = TCMMConfig(alpha=0.34).selected_patches(network, pictures())
    assert found is not None and found.grid == (3, 2) and found.spectra == ("tir",) and not found.drops
    positive, negative = (found[name].patches["tir"] for name in ("positives", "negatives"))
    assert [np.flatnonzero(row).tolist() for row in positive] == [[1], [0]]
    assert [np.flatnonzero(row).tolist() for row in negative] == [[2, 4], [1, 5]]
    assert [one.expected for one in found.sets] == ["object", "background"]
    assert found.scores is not None
    assert found.scores.values["tir"][0] == pytest.approx([0.1, 0.9, -0.5, 0.3, -0.9, 0.2], abs=1e-6)


@pytest.mark.parametrize("normalize", ["feature", "as_released"])
def test_the_constraint_is_the_one_that_the_method_trains_with(normalize):
    network, batch = EmbedderConfig(trunk=TRUNK).build().eval(), pictures()
    with torch.inference_mode():
        found = TCMMConfig(alpha=0.5, normalize=normalize).selected_patches(network, batch)
        own = TokenConstraint(0.5, normalize).choose(network.tokens(batch))
    assert found is not None and found.scores is not None
    assert found["negatives"].patches["rgb"].sum(1).tolist() == [4, 4, 4]
    assert np.array_equal(found.scores.values["rgb"], own.similarity.numpy())


@pytest.mark.parametrize("trunk", [ResNetConfig(), OSNetConfig()], ids=["resnet", "osnet"])
def test_positions_of_a_convolutional_map_are_patches_too(trunk):
    network = EmbedderConfig(trunk=trunk).build().eval()
    with torch.inference_mode():
        found = TCMMConfig(alpha=0.25).selected_patches(network, pictures(64, 32))
    assert found is not None and found.grid == (4, 2) and found["negatives"].patches["rgb"].sum() == 3 * 2


def test_without_the_constraint_nothing_is_selected():
    config, shape = TCMMConfig(token_weight=0.0), EmbedderConfig(trunk=TRUNK)
    assert not config.selects_patches(shape) and TCMMConfig().selects_patches(shape)
    assert config.selected_patches(shape.build(), pictures()) is None
