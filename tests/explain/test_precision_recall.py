"""Precision and recall, on sets and masks by hand, and their intervals."""

from __future__ import annotations

import json

import numpy as np
import pytest

from reknow.explain.precision_recall import Share, fraction, measured, share_of
from reknow.methods.selected import PatchSet, SelectedPatches

THERE = {"rgb": np.array([True, True]), "nir": np.array([True, False])}
ON_OBJECT = {
    "rgb": np.array([[0.5, 0.6, 0.4, 0.0], [1.0, 0.0, 0.0, 0.0]]),
    "nir": np.array([[0.0, 0.9, 0.0, 0.0], [0] * 4]),
}


def mask(*rows: list[int]) -> np.ndarray:
    made = np.zeros((len(rows), 4), dtype=bool)
    for row, chosen in enumerate(rows):
        made[row, chosen] = True
    return made


def kept_patches(kept, spatial=None, frequency=None, grid=(2, 2)) -> SelectedPatches:
    nothing = {name: np.zeros_like(patches) for name, patches in kept.items()}
    sets = {"kept": kept, "spatial": spatial or nothing, "frequency": frequency or nothing}
    return SelectedPatches(
        grid=grid, sets=tuple(PatchSet(name=name, meaning="", patches=masks) for name, masks in sets.items())
    )


def named(shares: tuple[Share, ...]) -> dict[str, Share]:
    assert len({share.name for share in shares}) == len(shares)
    return {share.name: share for share in shares}


def test_precision_and_recall_by_hand():
    # First observation: rgb keeps 0 (on), 2 (off); nir keeps 1 (on). Second: rgb keeps 1 (off), 2 (off), 3 (off).
    kept = {"rgb": mask([0, 2], [1, 2, 3]), "nir": mask([1], [])}
    shares = named(measured({"after": kept_patches(kept)}, ON_OBJECT, THERE, {}))
    assert shares["precision"].value["after"].mean == pytest.approx((2 / 3 + 0) / 2)
    assert shares["precision"].chance["after"] == pytest.approx((3 / 8 + 1 / 4) / 2)
    assert shares["recall"].value["after"].mean == pytest.approx((2 / 3 + 0) / 2)
    assert shares["recall"].chance["after"] == pytest.approx((3 / 8 + 3 / 4) / 2)
    assert shares["precision_rgb"].value["after"].mean == pytest.approx((1 / 2 + 0) / 2)
    assert shares["recall_nir"].value["after"].mean == 1.0  # the second observation has no nir
    assert shares["precision"].change is None


def test_each_set_is_measured_by_its_own_patches():
    everything = {name: mask([0, 1, 2, 3], [0, 1, 2, 3]) for name in THERE}
    selected = kept_patches(
        everything, {"rgb": mask([1], [0]), "nir": mask([0], [])}, {"rgb": mask([2], []), "nir": mask([2], [])}
    )
    shares = named(measured({"after": selected}, ON_OBJECT, THERE, {}))
    assert shares["precision_spatial"].value["after"].mean == pytest.approx((1 / 2 + 1) / 2)
    assert shares["precision_spatial_rgb"].value["after"].mean == 1.0
    assert shares["precision_spatial_nir"].value["after"].mean == 0.0
    assert shares["precision_frequency"].value["after"].mean == 0.0  # nothing is selected in the second
    assert shares["recall"].value["after"].mean == 1.0
    assert shares["recall"].over_chance["after"].mean == 0.0  # a method that keeps everything is no better than chance


def test_groups_are_of_observations():
    kept = {"rgb": mask([0, 1], [3]), "nir": mask([1], [])}
    groups = {"small": np.array([False, True]), "large": np.array([True, False])}
    shares = named(measured({"after": kept_patches(kept)}, ON_OBJECT, THERE, groups))
    assert shares["precision_small"].value["after"].mean == 0.0
    assert shares["precision_large"].value["after"].mean == 1.0
    assert shares["recall_large"].title == "Recall of kept patches, large objects"
    assert not shares["precision_small"].detail and shares["precision_spatial_small"].detail


def test_where_nothing_is_kept_or_nothing_is_on_the_object_nothing_is_said():
    kept = {"rgb": mask([0], []), "nir": mask([], [])}
    shares = named(measured({"after": kept_patches(kept)}, ON_OBJECT, THERE, {}))
    assert shares["precision"].value["after"].mean == 1.0  # of the first observation alone
    assert shares["recall"].value["after"].mean == pytest.approx((1 / 3 + 0) / 2)
    assert not shares["precision_nir"].known and not shares["precision_spatial"].known
    nobody = {name: np.zeros((2, 4)) for name in THERE}
    shares = named(measured({"after": kept_patches(kept)}, nobody, THERE, {}))
    assert not shares["recall"].known and shares["precision"].value["after"].mean == 0.0


def test_a_missing_spectrum_counts_nowhere():
    kept = {"rgb": mask([0], [0]), "nir": mask([1], [1])}  # the second observation lacks nir, whatever is said of it
    shown = {"rgb": ON_OBJECT["rgb"], "nir": np.ones((2, 4))}
    shares = named(measured({"after": kept_patches(kept)}, shown, THERE, {}))
    assert shares["recall"].value["after"].mean == pytest.approx((2 / 6 + 1) / 2)
    assert shares["recall"].chance["after"] == pytest.approx((2 / 8 + 1 / 4) / 2)


def test_the_change_is_that_of_the_same_observations():
    worse = {"rgb": mask([2], [1]), "nir": mask([0], [])}
    better = {"rgb": mask([0], [0]), "nir": mask([1], [])}
    shares = named(measured({"before": kept_patches(worse), "after": kept_patches(better)}, ON_OBJECT, THERE, {}))
    assert shares["precision"].change is not None and shares["precision"].change.mean == 1.0
    assert shares["recall"].change is not None and shares["recall"].change.mean == pytest.approx((2 / 3 + 1) / 2)


def test_patches_drawn_blindly_reach_chance():
    rng = np.random.default_rng(0)
    there = {"rgb": np.ones(400, dtype=bool)}
    kept = {"rgb": np.argsort(rng.random((400, 32)), axis=1) < 8}
    shares = named(
        measured(
            {"after": kept_patches(kept, kept, kept, grid=(8, 4))}, {"rgb": rng.random((400, 32)) * 0.8}, there, {}
        )
    )
    assert set(shares) == {
        f"{measure}{kind}" for measure in ("precision", "recall") for kind in ("", "_spatial", "_frequency")
    }
    for share in shares.values():
        assert share.over_chance["after"].low < 0 < share.over_chance["after"].high


# --- Sets that ought to lie elsewhere, and sets of one number ---------------------------------------------------------


def contrasted(positive: np.ndarray, negative: np.ndarray, grid=(2, 2), **settings) -> SelectedPatches:
    return SelectedPatches(
        grid=grid,
        sets=(
            PatchSet(name="positives", meaning="pulled", patches={"rgb": positive}, measured_as="positives_on_person"),
            PatchSet(name="negatives", meaning="pushed", patches={"rgb": negative}, expected="background", **settings),
        ),
    )


PERSON = {"rgb": np.array([[0.0, 0.5, 0.49, 1.0], [0.0, 0.0, 0.0, 0.9]])}  # on it: patches 1 and 3, patch 3
BOTH = {"rgb": np.array([True, True])}


def test_what_ought_to_lie_on_background_is_measured_against_it():
    selected = contrasted(mask([3], [0]), mask([1, 2], [0, 1]), measured_as="negatives_on_background")
    shares = named(measured({"after": selected}, PERSON, BOTH, {"small": np.array([True, False])}))
    assert list(shares) == ["positives_on_person", "negatives_on_background"]  # one number each, in no group
    negatives, positives = shares["negatives_on_background"], shares["positives_on_person"]
    assert negatives.title == "Patches pushed that lie on background"
    assert negatives.chance["after"] == pytest.approx((2 / 4 + 3 / 4) / 2)
    assert negatives.value["after"].mean == pytest.approx((1 / 2 + 1) / 2)
    assert negatives.over_chance["after"].mean == pytest.approx(0.75 - 0.625)
    assert positives.chance["after"] == pytest.approx(1 - negatives.chance["after"])
    assert positives.value["after"].mean == pytest.approx((1 + 0) / 2)
    assert negatives.change is None


def test_without_a_name_of_its_own_background_has_precision_and_recall():
    shares = named(measured({"after": contrasted(mask([3], [0]), mask([1, 2], [0, 1]))}, PERSON, BOTH, {}))
    assert shares["precision_negatives"].value["after"].mean == pytest.approx((1 / 2 + 1) / 2)
    assert shares["recall_negatives"].value["after"].mean == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert shares["recall_negatives"].title == "Recall of negatives patches, against background"


def test_a_further_set_is_asked_in_each_spectrum_only_where_it_differs():
    there = {"rgb": np.array([True, True]), "nir": np.array([True, False])}
    same = {"rgb": mask([1], [0]), "nir": mask([1], [])}  # the second observation has no nir, so nothing differs
    shares = named(measured({"after": kept_patches(same, same, {**same, "nir": mask([2], [])})}, ON_OBJECT, there, {}))
    assert "precision_nir" in shares and "precision_frequency_nir" in shares
    assert "precision_spatial_nir" not in shares


# --- One share --------------------------------------------------------------------------------------------------------

NAN = float("nan")


def test_a_share_is_a_mean_over_pictures_beside_its_own_chance():
    values = {"before": np.array([0.5, 1.0]), "after": np.array([1.0, 1.0])}
    chance = {"before": np.array([0.5, 0.5]), "after": np.array([0.25, 0.25])}
    share = share_of("name", "Title", values, chance)
    assert share.value["before"].mean == 0.75 and share.value["after"].mean == 1.0
    assert share.chance == {"before": 0.5, "after": 0.25}
    assert share.over_chance["before"].mean == 0.25 and share.over_chance["after"].mean == 0.75
    assert share.change is not None and share.change.mean == 0.25
    assert share.facts()["chance"] == {"before": 50.0, "after": 25.0}
    assert share.facts()["after"] == {"mean": 100.0, "low": 100.0, "high": 100.0}


def test_a_picture_without_a_value_counts_nowhere():
    share = share_of("name", "", {"after": np.array([NAN, 0.5])}, {"after": np.array([0.9, 0.1])})
    assert share.value["after"].mean == 0.5
    assert share.chance["after"] == pytest.approx(0.1)
    assert share.over_chance["after"].mean == pytest.approx(0.4)
    assert share.change is None


def test_a_share_without_any_value_is_unknown_and_still_json():
    share = share_of("name", "", {"after": np.array([NAN])}, {"after": np.array([0.9])})
    assert not share.known
    facts = json.loads(json.dumps(share.facts(), allow_nan=False))
    assert facts["after"]["mean"] is None and facts["chance"]["after"] is None


def test_nothing_of_nothing_is_no_share():
    shares = fraction(np.array([0, 1, 0]), np.array([0, 2, 3]))
    assert np.isnan(shares[0]) and shares[1:].tolist() == [0.5, 0.0]
