"""Which groups are shown, and what is said of them."""

from __future__ import annotations

import numpy as np

from reknow.report.groups import choose_groups


def test_groups_of_every_size_are_shown_largest_first_and_outliers_last():
    labels = np.repeat(np.arange(20), np.arange(20, 0, -1))
    labels = np.concatenate([labels, [-1, -1]])
    groups = choose_groups(labels, count=3)
    assert [group.label for group in groups] == [0, 10, 19, -1]
    assert [group.size for group in groups] == [20, 10, 1, 2]
    assert all((labels[group.rows] == group.label).all() for group in groups)


def test_samples_are_spread_over_the_group():
    rows = choose_groups(np.zeros(101, dtype=np.int64), samples=3)[0].rows
    assert rows.tolist() == [0, 50, 100]


def test_purity_and_strangers_count_only_images_with_a_label():
    labels = np.zeros(6, dtype=np.int64)
    identities = np.array([5, 5, 5, 2, -1, -1])
    group = choose_groups(labels, identities)[0]
    assert group.purity == 0.75
    assert group.strangers == (False, False, False, True, False, False)


def test_without_labels_and_for_outliers_there_is_no_purity():
    labels = np.array([0, 0, -1, -1])
    assert [group.purity for group in choose_groups(labels)] == [None, None]
    known = choose_groups(labels, np.array([1, 1, 1, 2]))
    assert known[0].purity == 1.0
    assert known[1].purity is None and known[1].strangers == ()
    assert choose_groups(labels, np.full(4, -1))[0].purity is None


def test_no_groups_at_all():
    assert choose_groups(np.array([], dtype=np.int64)) == []
    assert [group.label for group in choose_groups(np.full(3, -1))] == [-1]
