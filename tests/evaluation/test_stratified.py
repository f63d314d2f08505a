"""The share of a stratified sample: Wilson's interval with one stratum, and the promised coverage with several."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reknow.errors import EvaluationError
from reknow.evaluation.stratified import stratified_share


def share_of(population, sampled, positive):
    return stratified_share(np.array(population), np.array(sampled), np.array(positive))


@pytest.mark.parametrize("positive", [0, 1, 25, 43, 49, 50])
def test_one_stratum_has_the_interval_of_wilson(positive):
    z, n, p = 1.959964, 50, positive / 50
    center, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    expected = ((center - half) / (1 + z * z / n), (center + half) / (1 + z * z / n), p)
    share = share_of([10**10], [n], [positive])
    np.testing.assert_allclose((share.low, share.high, share.mean), expected, atol=1e-6)


@given(
    st.lists(
        st.tuples(st.integers(1, 40), st.integers(0, 10**6), st.floats(0, 1)).map(
            lambda s: (s[0] + s[1], s[0], round(s[0] * s[2]))
        ),
        min_size=1,
        max_size=6,
    )
)
@settings(max_examples=40)
def test_the_interval_holds_the_estimate_and_turns_with_the_answers(strata):
    population, sampled, positive = (np.array(column) for column in zip(*strata, strict=True))
    share, turned = share_of(population, sampled, positive), share_of(population, sampled, sampled - positive)
    assert 0 <= share.low <= share.mean <= share.high <= 1
    assert share.mean == pytest.approx(np.average(positive / sampled, weights=population))
    np.testing.assert_allclose((turned.low, turned.high), (1 - share.high, 1 - share.low), atol=1e-6)
    if (sampled == population).all():
        assert share.low == share.high
    elif (sampled < population).all():
        assert share.low < share.high


def test_all_yes_and_all_no_leave_room_on_the_other_side():
    everything, nothing = share_of([500, 90_000], [3, 47], [3, 47]), share_of([500, 90_000], [3, 47], [0, 0])
    assert everything.high == 1 and 0.90 < everything.low < 0.95
    assert nothing.low == 0 and 0.05 < nothing.high < 0.10


def test_a_stratum_that_is_known_adds_no_width():
    known = share_of([100, 1000], [100, 30], [90, 24])
    alone = share_of([1000], [30], [24])
    assert known.high - known.low == pytest.approx((alone.high - alone.low) * 1000 / 1100, abs=1e-6)


@pytest.mark.parametrize(
    ("sampled", "shares"),
    [
        ([50], [0.86]),
        ([50], [0.99]),
        ([25, 25], [1.0, 0.72]),
        ([8, 9, 8, 8, 8, 9], [1.0, 0.95, 1.0, 0.8, 0.9, 0.6]),
        ([3, 3, 3, 3, 19, 19], [1.0, 0.9, 1.0, 0.9, 0.95, 0.7]),
        ([8] * 6, [0.02, 0.01, 0.5, 0.0, 0.0, 0.1]),
    ],
)
def test_intervals_contain_the_share_as_often_as_they_say(sampled, shares):
    population = np.array(sampled) * 1000
    population[-1] *= 4 if len(set(sampled)) > 2 else 1
    positives = np.round(population * shares).astype(np.int64)
    truth = positives.sum() / population.sum()

    @cache
    def contains(*positive):
        share = share_of(population, sampled, positive)
        return share.low <= truth <= share.high

    generator = np.random.default_rng(0)
    drawn = generator.hypergeometric(positives, population - positives, sampled, (300, len(sampled)))
    # 300 samples measure 0.95 to 0.025; Wilson's own interval is at 0.92 where nearly all are positive.
    assert np.mean([contains(*row) for row in drawn.tolist()]) > 0.90


@pytest.mark.parametrize(
    "counts",
    [([], [], []), ([5], [0], [0]), ([5], [6], [1]), ([5], [3], [4]), ([5], [3], [-1]), ([5, 5], [3, 0], [1, 0])],
)
def test_counts_that_contradict_each_other_are_refused(counts):
    with pytest.raises(EvaluationError, match="stratified share"):
        stratified_share(*(np.array(column, dtype=np.int64) for column in counts))
