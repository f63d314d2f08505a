"""Explanations by hand: gray pictures of 2 x 2 patches with known marks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reknow.explain.attention_explanation import AttentionExplanation
from reknow.explain.attention_maps import AttentionMaps
from reknow.explain.explanation import Explanation
from reknow.explain.patches import ObjectMasks
from reknow.explain.precision_recall import measured
from reknow.methods.catalog import recipe_named
from reknow.methods.editor.network import EditorNetworkConfig
from reknow.methods.editor.selection import SelectionConfig
from reknow.methods.recipe import Recipe
from reknow.methods.selected import PatchScores, PatchSet, SelectedPatches
from reknow.models.transformer import TransformerConfig


def contrasted(similarity: np.ndarray, positive: np.ndarray, negative: np.ndarray) -> SelectedPatches:
    """As TCMM says it."""
    return SelectedPatches(
        grid=(2, 2),
        sets=(
            PatchSet(name="positives", meaning="taken for the object", patches={"rgb": positive}, measured_as="right"),
            PatchSet(
                name="negatives",
                meaning="taken for something else",
                patches={"rgb": negative},
                expected="background",
                measured_as="negatives_on_background",
            ),
        ),
        scores=PatchScores(name="similarity", meaning="to the whole", values={"rgb": similarity}),
    )


def explanation(*, known: bool, pictures: int = 2, before: bool = True) -> Explanation:
    """Patch 0 is positive and patch 3 negative after training; before, it is the other way round."""
    first, last = patches(0, rows=pictures), patches(3, rows=pictures)
    similarity = np.tile(np.array([1.0, 0.5, 0.5, 0.0], np.float32), (pictures, 1))
    selected = {"before": contrasted(similarity[:, ::-1].copy(), last, first)} if before else {}
    selected["after"] = contrasted(similarity, first, last)
    there = {"rgb": np.ones(pictures, dtype=bool)}
    on_object = {"rgb": np.tile(np.array([0.9, 0.6, 0.1, 0.0]), (pictures, 1))}
    return Explanation(
        names=tuple(f"picture {number}" for number in range(pictures)),
        pictures={"rgb": np.full((pictures, 32, 16, 3), 100, dtype=np.uint8)},
        present=there,
        selected=selected,
        object_share=on_object if known else None,
        shares=measured(selected, on_object, there, {}) if known else (),
    )


@pytest.fixture(name="explanation")
def explanation_fixture():
    return explanation


def patches(*chosen: int, rows: int = 2) -> np.ndarray:
    """Which of four patches, in every row."""
    mask = np.zeros((rows, 4), dtype=bool)
    mask[:, list(chosen)] = True
    return mask


def kept_of(
    kept: dict[str, np.ndarray], spatial: dict[str, np.ndarray], frequency: dict[str, np.ndarray], **scores: np.ndarray
) -> SelectedPatches:
    """As EDITOR says it."""
    meanings = {"kept": "that stay", "spatial": "selected by attention", "frequency": "selected by frequency"}
    sets = zip(meanings.items(), (kept, spatial, frequency), strict=True)
    return SelectedPatches(
        grid=(2, 2),
        sets=tuple(PatchSet(name=name, meaning=meaning, patches=masks) for (name, meaning), masks in sets),
        scores=PatchScores(name="rollout", meaning="what is attended to", values=scores) if scores else None,
        drops=True,
    )


def selection(*, known: bool, before: bool = True) -> Explanation:
    """Two observations of 2 x 2 patches in two spectra; the second lacks nir. After training patches 0 to 2 are kept:
    0 since heads of rgb ask for it, 1 since pixels do, 2 since heads of nir do. Before, it was patch 3 alone."""
    there = {"rgb": np.array([True, True]), "nir": np.array([True, False])}

    def where_present(by_spectrum: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {name: mask & there[name][:, None] for name, mask in by_spectrum.items()}

    rollout = {name: np.tile(np.array([1.0, 0.5, 0.5, 0.0], np.float32), (2, 1)) for name in there}
    after = kept_of(
        where_present({"rgb": patches(0, 1, 2), "nir": patches(0, 1, 2)}),
        where_present({"rgb": patches(0), "nir": patches(2)}),
        where_present({"rgb": patches(1), "nir": patches(1)}),
        **rollout,
    )
    last = where_present({"rgb": patches(3), "nir": patches(3)})
    selected = {"before": kept_of(last, last, last, **rollout)} if before else {}
    selected["after"] = after
    on_object = {"rgb": np.tile([0.9, 0.6, 0.1, 0.0], (2, 1)), "nir": np.array([[0.0, 0.6, 0.9, 0.0], [0.0] * 4])}
    return Explanation(
        names=("whole", "without nir"),
        pictures={name: np.full((2, 32, 16, 3), 100, dtype=np.uint8) for name in there},
        present=there,
        selected=selected,
        object_share=on_object if known else None,
        shares=measured(selected, on_object, there, {}) if known else (),
    )


@pytest.fixture(name="selection")
def selection_fixture():
    return selection


def maps(*rows: list[float], spectrum: str = "rgb") -> AttentionMaps:
    return AttentionMaps(kind="rollout", layer="", grid=(2, 2), values={spectrum: np.array(rows, dtype=np.float32)})


def attention(*, known: bool = True) -> AttentionExplanation:
    """Two pictures of 32 x 16; the object fills the right half of the first, and the second has no map of 'other'."""
    mask = np.zeros((32, 16), dtype=bool)
    mask[:, 8:] = True
    return AttentionExplanation(
        names=("first", "second"),
        pictures={"rgb": np.full((2, 32, 16, 3), 100, dtype=np.uint8)},
        present={"rgb": np.array([True, True])},
        networks={"run": maps([0, 1, 0, 0], [1, 0, 0, 0]), "other": maps([0.25] * 4, [0] * 4)},
        masks=ObjectMasks({"rgb": (mask, mask)}, np.array([True, False])) if known else None,
    )


@pytest.fixture(name="attention")
def attention_fixture():
    return attention


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
