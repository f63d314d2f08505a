"""Purity: what it says of clusters, and where it says nothing."""

from __future__ import annotations

import numpy as np
import pytest

from reknow.evaluation.scores import purity


def test_share_of_rows_that_are_their_clusters_most_frequent_identity() -> None:
    labels, identities = np.array([0, 0, 0, 1, 1, -1]), np.array([5, 5, 7, 7, 7, 9])
    assert purity(labels, identities) == {"purity": pytest.approx(4 / 5), "identities": 3.0}


def test_unknown_identities_and_outliers_do_not_count() -> None:
    assert purity(np.array([0, 0, 1]), np.array([3, -1, 3])) == {"purity": 1.0, "identities": 1.0}
    assert purity(np.array([0, 0]), np.array([-1, -1])) == {}
    assert purity(np.array([-1, -1]), np.array([1, 2])) == {}
