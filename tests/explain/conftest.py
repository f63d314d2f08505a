"""Explanations by hand: gray pictures of 2 x 2 patches with known marks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from reknow.explain.constraint import PatchChoice
from reknow.explain.coverage import coverage
from reknow.explain.picks import Picks
from reknow.explain.selection import KeptPatches
from reknow.explain.tokens import ChosenPatches, shares
from reknow.methods.catalog import recipe_named
from reknow.methods.editor.network import EditorNetworkConfig
from reknow.methods.editor.selection import SelectionConfig
from reknow.methods.recipe import Recipe
from reknow.models.transformer import TransformerConfig
from reknow.observation import Batch

SPECTRA = ("rgb", "nir", "tir")


def explanation(*, known: bool, pictures: int = 2, before: bool = True) -> ChosenPatches:
    """Patch 0 is positive and patch 3 negative after training; before, it is the other way round."""
    first, last = np.zeros((2, pictures, 4), dtype=bool)
    first[:, 0], last[:, 3] = True, True
    similarity = np.tile(np.array([1.0, 0.5, 0.5, 0.0], np.float32), (pictures, 1))
    after = PatchChoice(similarity, first, last, (2, 2))
    choices = {"before": PatchChoice(similarity[:, ::-1].copy(), last, first, (2, 2))} if before else {}
    choices["after"] = after
    person = np.tile(np.array([0.9, 0.6, 0.1, 0.0]), (pictures, 1)) if known else None
    return ChosenPatches(
        names=tuple(f"picture {number}" for number in range(pictures)),
        pictures=np.full((pictures, 32, 16, 3), 100, dtype=np.uint8),
        person=person,
        choices=choices,
        shares=() if person is None else shares(choices, person),
    )


@pytest.fixture(name="explanation")
def explanation_fixture():
    return explanation


def patches(*chosen: int, rows: int = 2) -> np.ndarray:
    """Which of four patches, in every row."""
    mask = np.zeros((rows, 4), dtype=bool)
    mask[:, list(chosen)] = True
    return mask


def selection(*, known: bool, before: bool = True) -> KeptPatches:
    """Two observations of 2 x 2 patches in two spectra; the second lacks nir. After training patches 0 to 2 are kept:
    0 since heads of rgb ask for it, 1 since pixels do, 2 since heads of nir do. Before, it was patch 3 alone."""
    there = {"rgb": np.array([True, True]), "nir": np.array([True, False])}

    def seen(by_spectrum: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {name: mask & there[name][:, None] for name, mask in by_spectrum.items()}

    rollout = {name: np.tile(np.array([1.0, 0.5, 0.5, 0.0], np.float32), (2, 1)) for name in there}
    after = Picks(
        rollout,
        seen({"rgb": patches(0), "nir": patches(2)}),
        seen({"rgb": patches(1), "nir": patches(1)}),
        seen({"rgb": patches(0, 1, 2), "nir": patches(0, 1, 2)}),
        (2, 2),
    )
    last = seen({"rgb": patches(3), "nir": patches(3)})
    picks = {"before": Picks(rollout, last, last, last, (2, 2))} if before else {}
    picks["after"] = after
    on_object = {"rgb": np.tile([0.9, 0.6, 0.1, 0.0], (2, 1)), "nir": np.array([[0.0, 0.6, 0.9, 0.0], [0.0] * 4])}
    return KeptPatches(
        names=("whole", "without nir"),
        pictures={name: np.full((2, 32, 16, 3), 100, dtype=np.uint8) for name in there},
        present=there,
        object_share=on_object if known else None,
        picks=picks,
        shares=coverage(picks, on_object, there, {}) if known else (),
    )


@pytest.fixture(name="selection")
def selection_fixture():
    return selection


@pytest.fixture
def editor(tiny: Recipe) -> Recipe:
    """EDITOR around a network of eight patches, on the world."""
    trunk = TransformerConfig(image_size=(32, 16), width=16, depth=2, heads=2, patch_size=8, stride=8)
    network = EditorNetworkConfig(trunk=trunk, selection=SelectionConfig(head_keep=1, frequency_keep=2))
    return replace(
        recipe_named("editor/world"),
        network=network,
        data="world:target?train_identities=2&test_identities=2&spectra=rgb,nir,tir",
        weights="random",
        preprocessing=tiny.preprocessing,
        augmentation=replace(tiny.augmentation, pad=2),
        sampling=tiny.sampling,
        epochs=1,
    )


def batch_of(size: tuple[int, int], count: int = 2, spectra: tuple[str, ...] = ("rgb",)) -> Batch:
    random = torch.Generator().manual_seed(0)
    images = {name: torch.rand(count, 3, *size, generator=random) for name in spectra}
    rows, unknown = torch.arange(count), torch.full((count,), -1)
    return Batch(images, dict.fromkeys(spectra, rows >= 0), rows, unknown, unknown)


@pytest.fixture(name="batch_of")
def batch_of_fixture():
    return batch_of
