"""Draws: keyed, even, and the same numbers forever."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from reknow.world.draws import Draws

PARTS = st.lists(st.one_of(st.integers(0, 2**40), st.text(max_size=8)), min_size=1, max_size=5)


def test_the_numbers_are_pinned():
    """A change here changes every picture of every world."""
    draws = Draws("person", "source", 0, 17)
    assert [draws.below(1000) for _ in range(5)] == [888, 282, 149, 602, 52]


@given(key=PARTS)
def test_equal_keys_give_equal_streams(key):
    first, second = Draws(*key), Draws(*key)
    assert [first.bits() for _ in range(4)] == [second.bits() for _ in range(4)]


@given(key=PARTS, other=PARTS)
def test_different_keys_give_different_streams(key, other):
    if key != other:
        assert Draws(*key).bits() != Draws(*other).bits()


def test_neighboring_keys_are_independent():
    numbers = np.array([[Draws("x", i, j).uniform() for j in range(60)] for i in range(60)])
    assert abs(numbers.mean() - 0.5) < 0.02
    assert abs(np.corrcoef(numbers[:-1].ravel(), numbers[1:].ravel())[0, 1]) < 0.06
    assert abs(np.corrcoef(numbers[:, :-1].ravel(), numbers[:, 1:].ravel())[0, 1]) < 0.06


@given(seed=st.integers(0, 10**6), low=st.floats(-10, 10), width=st.floats(0, 10))
def test_bounds(seed, low, width):
    draws = Draws("bounds", seed)
    assert low <= draws.uniform(low, low + width) <= low + width
    assert abs(draws.bell(1.0, 2.0) - 1.0) <= 6.0
    assert 0 <= draws.below(7) < 7


def test_bell_has_the_deviation_that_it_says():
    draws = Draws("bell")
    numbers = np.array([draws.bell(3.0, 0.5) for _ in range(20_000)])
    assert abs(numbers.mean() - 3.0) < 0.02
    assert abs(numbers.std() - 0.5) < 0.01


def test_weights_are_shares():
    draws = Draws("weights")
    words = [draws.weighted({"a": 3, "b": 1, "c": 0}) for _ in range(4000)]
    assert 0.72 < words.count("a") / 4000 < 0.78
    assert "c" not in words


@given(seed=st.integers(0, 10**6), count=st.integers(1, 12), data=st.data())
def test_a_sample_has_no_repetition(seed, count, data):
    size = data.draw(st.integers(0, count))
    picked = Draws("sample", seed).sample(count, size)
    assert len(set(picked)) == size
    assert picked == sorted(picked)
    assert all(0 <= number < count for number in picked)
