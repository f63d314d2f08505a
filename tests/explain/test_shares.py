"""Shares and their intervals, on values by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

from reknow.explain.shares import fraction, share_of

NAN = float("nan")


def test_a_share_is_a_mean_over_pictures_beside_its_own_chance():
    found = {"before": np.array([0.5, 1.0]), "after": np.array([1.0, 1.0])}
    chance = {"before": np.array([0.5, 0.5]), "after": np.array([0.25, 0.25])}
    share = share_of("name", "Question", found, chance)
    assert share.found["before"].mean == 0.75 and share.found["after"].mean == 1.0
    assert share.chance == {"before": 0.5, "after": 0.25}
    assert share.over_chance["before"].mean == 0.25 and share.over_chance["after"].mean == 0.75
    assert share.change is not None and share.change.mean == 0.25
    assert share.facts()["chance"] == {"before": 50.0, "after": 25.0}
    assert share.facts()["after"] == {"mean": 100.0, "low": 100.0, "high": 100.0}


def test_a_picture_without_an_answer_counts_nowhere():
    share = share_of("name", "", {"after": np.array([NAN, 0.5])}, {"after": np.array([0.9, 0.1])})
    assert share.found["after"].mean == 0.5
    assert share.chance["after"] == pytest.approx(0.1)
    assert share.over_chance["after"].mean == pytest.approx(0.4)
    assert share.change is None


def test_a_question_that_nobody_answers_is_unknown_and_still_json():
    share = share_of("name", "", {"after": np.array([NAN])}, {"after": np.array([0.9])})
    assert not share.known
    facts = json.loads(json.dumps(share.facts(), allow_nan=False))
    assert facts["after"]["mean"] is None and facts["chance"]["after"] is None


def test_nothing_of_nothing_is_no_share():
    found = fraction(np.array([0, 1, 0]), np.array([0, 2, 3]))
    assert np.isnan(found[0]) and found[1:].tolist() == [0.5, 0.0]
