"""Precision and recall, on picks and masks by hand."""

from __future__ import annotations

import numpy as np
import pytest

from reknow.explain.coverage import coverage
from reknow.explain.picks import Picks
from reknow.explain.shares import Share

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


def picked(kept, spatial=None, frequency=None) -> Picks:
    nothing = {name: mask([], []) for name in THERE}
    rollout = {name: np.zeros((2, 4), np.float32) for name in THERE}
    return Picks(rollout, spatial or nothing, frequency or nothing, kept, (2, 2))


def named(shares: tuple[Share, ...]) -> dict[str, Share]:
    assert len({share.name for share in shares}) == len(shares)
    return {share.name: share for share in shares}


def test_precision_and_recall_by_hand():
    # First observation: rgb keeps 0 (on), 2 (off); nir keeps 1 (on). Second: rgb keeps 1 (off), 2 (off), 3 (off).
    kept = {"rgb": mask([0, 2], [1, 2, 3]), "nir": mask([1], [])}
    found = named(coverage({"after": picked(kept)}, ON_OBJECT, THERE, {}))
    assert found["precision"].found["after"].mean == pytest.approx((2 / 3 + 0) / 2)
    assert found["precision"].chance["after"] == pytest.approx((3 / 8 + 1 / 4) / 2)
    assert found["recall"].found["after"].mean == pytest.approx((2 / 3 + 0) / 2)
    assert found["recall"].chance["after"] == pytest.approx((3 / 8 + 3 / 4) / 2)
    assert found["precision_rgb"].found["after"].mean == pytest.approx((1 / 2 + 0) / 2)
    assert found["recall_nir"].found["after"].mean == 1.0  # the second observation has no nir
    assert found["precision"].change is None


def test_each_choice_is_measured_by_its_own_picks():
    everything = {name: mask([0, 1, 2, 3], [0, 1, 2, 3]) for name in THERE}
    picks = picked(
        everything, {"rgb": mask([1], [0]), "nir": mask([0], [])}, {"rgb": mask([2], []), "nir": mask([2], [])}
    )
    found = named(coverage({"after": picks}, ON_OBJECT, THERE, {}))
    assert found["precision_spatial"].found["after"].mean == pytest.approx((1 / 2 + 1) / 2)
    assert found["precision_spatial_rgb"].found["after"].mean == 1.0
    assert found["precision_spatial_nir"].found["after"].mean == 0.0
    assert found["precision_frequency"].found["after"].mean == 0.0  # nothing is picked in the second
    assert found["recall"].found["after"].mean == 1.0
    assert found["recall"].over_chance["after"].mean == 0.0  # who keeps everything is no better than chance


def test_groups_are_of_observations():
    kept = {"rgb": mask([0, 1], [3]), "nir": mask([1], [])}
    groups = {"small": np.array([False, True]), "large": np.array([True, False])}
    found = named(coverage({"after": picked(kept)}, ON_OBJECT, THERE, groups))
    assert found["precision_small"].found["after"].mean == 0.0
    assert found["precision_large"].found["after"].mean == 1.0
    assert found["recall_large"].question == "Recall of kept patches, large objects"
    assert not found["precision_small"].detail and found["precision_spatial_small"].detail


def test_where_nothing_is_kept_or_nothing_is_on_the_object_nothing_is_said():
    kept = {"rgb": mask([0], []), "nir": mask([], [])}
    found = named(coverage({"after": picked(kept)}, ON_OBJECT, THERE, {}))
    assert found["precision"].found["after"].mean == 1.0  # of the first observation alone
    assert found["recall"].found["after"].mean == pytest.approx((1 / 3 + 0) / 2)
    assert not found["precision_nir"].known and not found["precision_spatial"].known
    nobody = {name: np.zeros((2, 4)) for name in THERE}
    found = named(coverage({"after": picked(kept)}, nobody, THERE, {}))
    assert not found["recall"].known and found["precision"].found["after"].mean == 0.0


def test_a_missing_spectrum_counts_nowhere():
    kept = {"rgb": mask([0], [0]), "nir": mask([1], [1])}  # the second observation lacks nir, whatever is said of it
    shown = {"rgb": ON_OBJECT["rgb"], "nir": np.ones((2, 4))}
    found = named(coverage({"after": picked(kept)}, shown, THERE, {}))
    assert found["recall"].found["after"].mean == pytest.approx((2 / 6 + 1) / 2)
    assert found["recall"].chance["after"] == pytest.approx((2 / 8 + 1 / 4) / 2)


def test_the_change_is_that_of_the_same_observations():
    worse = {"rgb": mask([2], [1]), "nir": mask([0], [])}
    better = {"rgb": mask([0], [0]), "nir": mask([1], [])}
    found = named(coverage({"before": picked(worse), "after": picked(better)}, ON_OBJECT, THERE, {}))
    assert found["precision"].change is not None and found["precision"].change.mean == 1.0
    assert found["recall"].change is not None and found["recall"].change.mean == pytest.approx((2 / 3 + 1) / 2)


def test_patches_picked_blindly_reach_chance():
    rng = np.random.default_rng(0)
    there = {"rgb": np.ones(400, dtype=bool)}
    kept = {"rgb": np.argsort(rng.random((400, 32)), axis=1) < 8}
    picks = Picks({"rgb": np.zeros((400, 32))}, kept, kept, kept, (8, 4))
    found = named(coverage({"after": picks}, {"rgb": rng.random((400, 32)) * 0.8}, there, {}))
    assert set(found) == {
        f"{measure}{kind}" for measure in ("precision", "recall") for kind in ("", "_spatial", "_frequency")
    }
    for share in found.values():
        assert share.over_chance["after"].low < 0 < share.over_chance["after"].high
