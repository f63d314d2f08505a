"""The bootstrap against the normal approximation, and pairs against independent intervals."""

from __future__ import annotations

import numpy as np
import pytest

from reknow.errors import EvaluationError
from reknow.evaluation import intervals
from reknow.evaluation.intervals import bootstrap, paired_difference


def test_it_has_the_width_of_the_normal_approximation():
    values = np.random.default_rng(0).beta(2, 1, size=2000)
    interval = bootstrap(values, repeats=4000)
    half = 1.96 * values.std() / np.sqrt(len(values))
    assert interval.mean == pytest.approx(values.mean())
    assert interval.low == pytest.approx(values.mean() - half, abs=half / 10)
    assert interval.high == pytest.approx(values.mean() + half, abs=half / 10)
    assert bootstrap(values, level=0.5).high < interval.high


def test_it_covers_the_truth_about_as_often_as_it_says():
    generator = np.random.default_rng(1)
    covered = [
        (interval := bootstrap(generator.random(60), level=0.9, repeats=300)).low <= 0.5 <= interval.high
        for _ in range(200)
    ]
    assert 0.82 <= np.mean(covered) <= 0.97


def test_same_seed_same_interval_also_in_pieces(monkeypatch):
    values = np.random.default_rng(2).random(100)
    whole = bootstrap(values, seed=5)
    assert whole == bootstrap(values, seed=5) != bootstrap(values, seed=6)
    monkeypatch.setattr(intervals, "_DRAWS", 700)
    assert bootstrap(values, seed=5) == whole


def test_queries_without_a_value_are_left_out():
    values = np.array([0.2, np.nan, 0.9, 0.4, np.nan])
    assert bootstrap(values) == bootstrap(values[~np.isnan(values)])
    nothing = bootstrap(np.full(3, np.nan))
    assert np.isnan([nothing.low, nothing.high, nothing.mean]).all() and not nothing.excludes_zero


def test_pairs_see_what_two_intervals_hide():
    generator = np.random.default_rng(3)
    first = generator.random(300)
    second = first + 0.01 + 0.02 * generator.standard_normal(300)
    assert bootstrap(first).high > bootstrap(second).low  # apart, they overlap
    difference = paired_difference(first, second)
    assert difference.low > 0 and difference.excludes_zero and difference.mean == pytest.approx(0.01, abs=0.005)
    assert not paired_difference(first, first[::-1]).excludes_zero
    second[0] = np.nan
    assert paired_difference(first, second).mean == pytest.approx((second - first)[1:].mean())


@pytest.mark.parametrize("change", [{"level": 0.0}, {"level": 1.0}, {"repeats": 0}])
def test_settings_out_of_range_are_refused(change):
    with pytest.raises(EvaluationError, match=next(iter(change))):
        bootstrap(np.ones(3), **change)


def test_pairs_need_the_same_queries():
    with pytest.raises(EvaluationError, match="2 and 3 queries"):
        paired_difference(np.ones(2), np.ones(3))
