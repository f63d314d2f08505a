"""Scores over several trials, and purity: what it says of clusters, and where it says nothing."""

from __future__ import annotations

import numpy as np
import pytest

from reknow.errors import EvaluationError
from reknow.evaluation.scores import RankingScores, purity


def test_share_of_rows_that_are_their_clusters_most_frequent_identity() -> None:
    labels, identities = np.array([0, 0, 0, 1, 1, -1]), np.array([5, 5, 7, 7, 7, 9])
    assert purity(labels, identities) == {"purity": pytest.approx(4 / 5), "identities": 3.0}


def test_unknown_identities_and_outliers_do_not_count() -> None:
    assert purity(np.array([0, 0, 1]), np.array([3, -1, 3])) == {"purity": 1.0, "identities": 1.0}
    assert purity(np.array([0, 0]), np.array([-1, -1])) == {}
    assert purity(np.array([-1, -1]), np.array([1, 2])) == {}


def test_the_scores_of_trials_are_averaged_trial_by_trial():
    first = RankingScores(np.array([1.0, 0.5, np.nan]), np.array([1.0, 0.5, np.nan]), np.array([1, 2, -1]), max_rank=3)
    second = RankingScores(np.array([0.5, np.nan, np.nan]), np.array([0.25, np.nan, np.nan]), np.array([3, -1, -1]), 3)
    scores = RankingScores.averaged([first, second], ("note",))
    assert scores.mAP == (0.75 + 0.5) / 2 and scores.mINP == (0.75 + 0.25) / 2
    assert scores.rank1 == (0.5 + 0) / 2 and scores.cmc.tolist() == [0.25, 0.5, 1.0]
    np.testing.assert_array_equal(scores.average_precision, [0.75, 0.5, np.nan])
    np.testing.assert_array_equal(scores.hits(1), [0.5, 0, np.nan])
    assert scores.first_match.tolist() == [1, 2, -1] and (scores.valid, scores.unmatched) == (2, 1)
    assert scores.trials == (first, second) and scores.notes == ("note",)
    alone = scores.of_queries(np.array([1]))
    assert alone.mAP == 0.5 and alone.trials[1].valid == 0
    with pytest.raises(EvaluationError, match="trials: none"):
        RankingScores.averaged([])
    with pytest.raises(EvaluationError, match=r"2 of \[1, 3\] queries"):
        RankingScores.averaged([first, first.of_queries(np.array([0]))])
