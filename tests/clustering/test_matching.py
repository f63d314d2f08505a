"""Matching of clusters: partners are known where centers are, and what becomes of those without."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from reknow.clustering.matching import Matches, centered, joined, match_clusters
from reknow.errors import DataError


def centers(count: int, dim: int = 32, seed: int = 0) -> torch.Tensor:
    return functional.normalize(torch.randn(count, dim, generator=torch.Generator().manual_seed(seed)), dim=1)


@settings(max_examples=20, deadline=None)
@given(count=st.integers(2, 20), seed=st.integers(0, 99), apart=st.floats(0, 3))
def test_the_same_centers_in_another_order_and_all_moved_aside_are_matched(count, seed, apart):
    """The other spectrum's vectors share a direction, as those of infrared pictures do."""
    first = centers(count, seed=seed)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    aside = functional.normalize(first[order] + apart * centers(1, seed=seed + 1000), dim=1)
    pairs = match_clusters(first, aside).mutual
    assert torch.equal(order[pairs[:, 1]], pairs[:, 0])
    assert len(pairs) == count


def test_without_centering_the_direction_of_a_spectrum_decides():
    """The reason for decision 1: the center nearest to the other spectrum's direction is the partner of many."""
    first = centers(40, dim=8)
    aside = functional.normalize(first + 3 * centers(1, dim=8, seed=7), dim=1)
    assert (first @ aside.T).argmax(0).unique().numel() < 15
    assert match_clusters(first, aside).of_second.unique().numel() > 35


def test_partners_are_those_of_both_directions_and_the_plan_has_its_sums():
    first, second = centers(7), centers(4, seed=1)
    matches = match_clusters(first, second, column_slack=None)
    torch.testing.assert_close(matches.plan.sum(1), torch.ones(7))
    torch.testing.assert_close(matches.plan.sum(0), torch.full((4,), 7 / 4), rtol=0, atol=1e-2)
    for one, other in matches.mutual.tolist():
        assert matches.of_first[one] == other and matches.of_second[other] == one
    one_way, other_way = (
        match_clusters(*sides, column_slack=None, iterations=500) for sides in ((first, second), (second, first))
    )
    assert sorted(other_way.mutual.flip(1).tolist()) == sorted(one_way.mutual.tolist())


def test_one_cluster_alone_is_matched_with_the_nearest():
    second = centers(3)
    assert match_clusters(second[1:2], second).mutual.tolist() == [[0, 1]]
    assert match_clusters(second[:1], second[1:2]).mutual.tolist() == [[0, 0]]


@pytest.mark.parametrize("empty", [0, 1])
def test_a_side_without_clusters_is_refused(empty):
    sides = [centers(3), centers(3)]
    sides[empty] = sides[empty][:0]
    with pytest.raises(DataError, match="no cluster"):
        match_clusters(*sides)


def test_centers_that_are_not_finite_are_refused():
    broken = centers(3)
    broken[1, 0] = torch.nan
    with pytest.raises(DataError, match="first set of centers: NaN"):
        match_clusters(broken, centers(3))
    half = match_clusters(centers(3).half(), centers(3))
    assert half.mutual.tolist() == [[0, 0], [1, 1], [2, 2]]


def test_centering_keeps_what_has_no_direction_left():
    assert torch.equal(centered(torch.tensor([[0.6, 0.8]])), torch.tensor([[0.6, 0.8]]))
    assert torch.equal(centered(torch.tensor([[0.6, 0.8], [0.6, 0.8]])), torch.tensor([[0.6, 0.8], [0.6, 0.8]]))


def test_who_joins_whom():
    """Clusters 0 and 1 are matched with 10 and 11; 2 is most like 10, 12 most like 1, 13 most like 2."""
    matches = Matches(torch.tensor([0, 1, 0]), torch.tensor([0, 1, 1, 2]), torch.zeros(3, 4))
    first, second = torch.arange(3), torch.arange(10, 14)
    assert joined(matches, first, second).tolist() == [[0, 10], [1, 11]]
    together = joined(matches, first, second, one_sided=True).tolist()
    # 13's partner, 2, is in no pair itself, so that 13 stays alone.
    assert together == [[0, 10], [1, 11], [2, 10], [1, 12]]
