"""Shares of chosen patches, on masks and choices by hand."""

from __future__ import annotations

import numpy as np
import pytest

from reknow.data.world import sight_of
from reknow.explain.choice import PatchChoice
from reknow.explain.shares import person_mask, shares

PERSON = np.array([[0.0, 0.5, 0.49, 1.0], [0.0, 0.0, 0.0, 0.9]])  # on the person: patches 1 and 3, patch 3


def choice(positive: list[list[int]], negative: list[list[int]]) -> PatchChoice:
    picked = [np.zeros(PERSON.shape, dtype=bool) for _ in range(2)]
    for mask, rows in zip(picked, (positive, negative), strict=True):
        for row, patches in enumerate(rows):
            mask[row, patches] = True
    return PatchChoice(np.zeros(PERSON.shape, np.float32), *picked, (2, 2))


def test_shares_and_chance_by_hand():
    found = {share.name: share for share in shares({"after": choice([[3], [0]], [[1, 2], [0, 1]])}, PERSON)}
    negatives, positives = found["negatives_on_background"], found["positives_on_person"]
    assert negatives.chance == pytest.approx((2 / 4 + 3 / 4) / 2)
    assert negatives.found["after"].mean == pytest.approx((1 / 2 + 1) / 2)
    assert negatives.over_chance["after"].mean == pytest.approx(0.75 - 0.625)
    assert positives.chance == pytest.approx(1 - negatives.chance)
    assert positives.found["after"].mean == pytest.approx((1 + 0) / 2)
    assert negatives.change is None


def test_the_change_is_that_of_the_same_pictures():
    before, after = choice([[0], [0]], [[1], [3]]), choice([[1], [3]], [[0], [0]])
    found = shares({"before": before, "after": after}, PERSON)
    assert [share.change and share.change.mean for share in found] == [1.0, 1.0]
    assert all(share.change and share.change.excludes_zero for share in found)


def test_patches_chosen_blindly_reach_chance():
    rng = np.random.default_rng(0)
    person = rng.random((400, 32))
    negative = np.argsort(rng.random((400, 32)), axis=1) < 4
    blind = PatchChoice(np.zeros((400, 32), np.float32), ~negative, negative, (8, 4))
    for share in shares({"after": blind}, person):
        assert share.over_chance["after"].low < 0 < share.over_chance["after"].high


def test_a_picture_in_which_nothing_is_chosen_is_left_out():
    negatives = shares({"after": choice([[3], []], [[0], []])}, PERSON)[0]
    assert negatives.found["after"].mean == 1.0


def test_the_mask_is_the_worlds_own_and_nobody_elses():
    reference = "world:people/target/0/3/1/0/rgb"
    assert np.array_equal(person_mask(reference), sight_of(reference).person)
    assert person_mask("query/0001_c1s1_001051_00.jpg") is None
