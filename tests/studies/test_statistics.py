"""Spread and intervals against numbers worked out by hand, and what holds for any numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reknow.studies.statistics import over_queries, over_seeds, spread


def test_spread_divides_by_one_less():
    assert spread(np.array([2.0, 4.0, 9.0])) == pytest.approx(np.sqrt((9 + 1 + 16) / 2))
    assert np.isnan(spread(np.array([2.0])))


def test_the_interval_over_three_seeds():
    # Differences 1, 2, 6: mean 3, variance (4 + 1 + 9) / 2 = 7; t(0.975, 2) = 4.3027 from any table.
    found = over_seeds(np.array([50.0, 60.0, 70.0]), np.array([51.0, 62.0, 76.0]))
    half = 4.3027 * np.sqrt(7 / 3)
    assert found.mean == 3
    assert (found.low, found.high) == (pytest.approx(3 - half, abs=1e-3), pytest.approx(3 + half, abs=1e-3))


def test_pairing_removes_what_seeds_have_in_common():
    hard_and_easy = np.array([20.0, 50.0, 80.0])
    found = over_seeds(hard_and_easy, hard_and_easy + 1)
    assert found.low == pytest.approx(1)
    assert found.high == pytest.approx(1)


def test_one_seed_has_a_difference_but_no_interval_over_seeds():
    found = over_seeds(np.array([50.0]), np.array([52.0]))
    assert found.mean == 2
    assert np.isnan(found.low)
    assert np.isnan(found.high)


@given(st.integers(0, 2**32 - 1), st.integers(2, 9))
def test_the_difference_turns_round_with_the_pair(seed, count):
    base, variant = np.random.default_rng(seed).uniform(0, 100, (2, count))
    there, back = over_seeds(base, variant), over_seeds(variant, base)
    assert there.mean == pytest.approx(-back.mean)
    assert (there.low, there.high) == (pytest.approx(-back.high), pytest.approx(-back.low))


def test_the_interval_over_queries_takes_all_seeds_together():
    rng = np.random.default_rng(0)
    base = [rng.random(200), rng.random(300)]
    variant = [values + 0.1 + rng.normal(0, 0.2, len(values)) for values in base]
    found = over_queries(base, variant)
    difference = np.concatenate(variant) - np.concatenate(base)
    assert found.mean == pytest.approx(difference.mean())
    half = 1.96 * difference.std() / np.sqrt(500)  # what the bootstrap of a mean comes to
    assert found.low == pytest.approx(found.mean - half, abs=0.004)
    assert found.high == pytest.approx(found.mean + half, abs=0.004)


def test_queries_without_a_match_are_left_out():
    found = over_queries([np.array([0.5, np.nan])], [np.array([0.7, 0.9])])
    assert found.mean == pytest.approx(0.2)
