"""Figures of retrieval, and the sentences that stand for them."""

from __future__ import annotations

import numpy as np

from reknow.report import retrieval
from reknow.report.content import PairScores


def test_cmc_names_both_curves_and_leaves_out_what_is_unknown():
    plot = retrieval.cmc({"before": np.array([0.25, 0.5]), "after": np.array([0.5, 1.0])})
    assert plot.description == "Before: rank-1 is 25.0 %. After: rank-1 is 50.0 %."
    assert retrieval.cmc({"after": np.full(5, np.nan)}) is None
    assert retrieval.cmc({}) is None


def test_queries_without_a_match_are_not_in_the_histograms():
    values = {"before": np.array([0.1, 0.5, np.nan]), "after": np.array([0.4, 0.3, np.nan])}
    assert "After: half of the queries lie above 35 %." in retrieval.average_precision(values).description
    assert retrieval.change(values).description == "1 queries got better, 1 got worse, 0 did not change."
    assert retrieval.average_precision({"after": np.array([np.nan])}) is None
    assert retrieval.change({"after": np.array([0.5])}) is None


def test_the_threshold_lets_one_percent_of_the_others_pass():
    impostor = np.linspace(0, 1, 1001)
    plot = retrieval.similarities(PairScores(np.array([0.5, 0.995, 1.0, 1.0]), impostor))
    assert (
        "A threshold of 0.99 (the upright line) lets 1 % of the different pairs pass and finds 75 %" in plot.description
    )
    assert retrieval.similarities(None) is None
    assert retrieval.similarities(PairScores(np.array([]), impostor)) is None
