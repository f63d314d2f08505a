"""The adjusted Rand index: as scikit-learn's, and its laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from reknow.clustering.agreement import adjusted_rand_index

groupings = st.integers(2, 40).flatmap(
    lambda rows: st.tuples(*(st.lists(st.integers(-1, 5), min_size=rows, max_size=rows) for _ in range(2)))
)


def apart(groups: np.ndarray) -> np.ndarray:
    """Each row in no group as a group of its own, written as plainly as possible."""
    return np.array([group if group >= 0 else 100 + row for row, group in enumerate(groups)])


@given(groupings)
def test_as_scikit_learn_with_outliers_as_groups_of_their_own(pair):
    first, second = (np.array(groups) for groups in pair)
    found = adjusted_rand_index(first, second)
    if found is None:  # both put no two rows together, or both all of them
        assert adjusted_rand_score(apart(first), apart(second)) == 1.0
    else:
        assert found == pytest.approx(adjusted_rand_score(apart(first), apart(second)))


@given(groupings, st.randoms(use_true_random=False))
def test_order_names_and_sides_do_not_matter(pair, random):
    first, second = (np.array(groups) for groups in pair)
    order = np.array(random.sample(range(len(first)), len(first)))
    renamed = np.where(second >= 0, 7 * second + 3, -1)
    found = adjusted_rand_index(first, second)
    for other in (
        adjusted_rand_index(second, first),
        adjusted_rand_index(first[order], second[order]),
        adjusted_rand_index(first, renamed),
    ):
        assert other == pytest.approx(found) if found is not None else other is None


def test_a_thousand_outliers_are_no_group():
    truth = np.repeat(np.arange(100), 10)
    assert adjusted_rand_index(np.full(1000, -1), truth) == 0.0
    assert adjusted_rand_index(np.where(truth == 0, 0, -1), truth) < 0.02


@pytest.mark.parametrize("groups", [[], [0], [-1, -1], [0, 0]])
def test_nothing_to_compare(groups):
    assert adjusted_rand_index(np.array(groups, dtype=int), np.array(groups, dtype=int)) is None
