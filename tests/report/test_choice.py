"""The best, typical and worst queries: a rule with laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reknow.report.choice import choose_queries

VALUES = st.lists(st.one_of(st.floats(0, 1), st.just(float("nan")), st.just(1.0)), max_size=40).map(np.array)


def as_floats(values):
    return np.asarray(values, dtype=np.float64)


@given(VALUES, st.integers(1, 5))
def test_no_row_twice_no_row_without_a_value_and_the_kinds_are_ordered(values, count):
    values = as_floats(values)
    chosen = choose_queries(values, count)
    assert list(chosen) == ["best", "typical", "worst"]
    rows = [row for kind in chosen.values() for row in kind]
    assert len(rows) == len(set(rows))
    assert not np.isnan(values[rows]).any()
    assert all(len(kind) <= count for kind in chosen.values())
    scored = values[~np.isnan(values)]
    if len(scored) >= 3 * count:
        assert all(len(kind) == count for kind in chosen.values())
        assert sorted(values[chosen["best"]]) == sorted(scored)[-count:]
        assert sorted(values[chosen["worst"]]) == sorted(scored)[:count]
        assert values[chosen["typical"]].min() >= values[chosen["worst"]].max()
        assert values[chosen["typical"]].max() <= values[chosen["best"]].min()
    assert choose_queries(values, count) == chosen


def test_the_rows_are_those_one_would_pick_by_hand():
    values = np.array([0.5, 0.1, 0.95, 0.52, 0.0, 0.9, np.nan, 0.3, 0.7])
    chosen = choose_queries(values, count=2)
    # The median is 0.51 without NaN: of the four left over, 0.5 and 0.52 lie nearest.
    assert chosen["best"] == [2, 5] and chosen["worst"] == [4, 1] and sorted(chosen["typical"]) == [0, 3]


def test_ties_are_spread_so_that_one_identity_does_not_fill_the_sheet():
    values = np.concatenate([np.ones(60), np.linspace(0, 0.9, 60)])
    best = choose_queries(values, count=4)["best"]
    assert best == [0, 20, 39, 59]


@pytest.mark.parametrize("values", [[], [np.nan, np.nan]])
def test_no_scored_query_gives_no_rows(values):
    assert choose_queries(as_floats(values)) == {"best": [], "typical": [], "worst": []}
