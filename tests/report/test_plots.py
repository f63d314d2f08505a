"""Plots of retrieval and of a run: what is drawn where, when nothing is, and the sentences that stand for them."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from reknow.report import plots
from reknow.report.content import PairScores
from reknow.training.records import EpochLine, EvaluationLine, StepLine


def test_cmc_names_both_curves_and_leaves_out_what_is_unknown():
    plot = plots.cmc({"before": np.array([0.25, 0.5]), "after": np.array([0.5, 1.0])})
    assert plot.description == "Before: rank-1 is 25.0 %. After: rank-1 is 50.0 %."
    assert plots.cmc({"after": np.full(5, np.nan)}) is None
    assert plots.cmc({}) is None


def test_queries_without_a_match_are_not_in_the_histograms():
    values = {"before": np.array([0.1, 0.5, np.nan]), "after": np.array([0.4, 0.3, np.nan])}
    assert "After: half of the queries lie above 35 %." in plots.average_precision(values).description
    assert plots.change(values).description == "1 queries got better, 1 got worse, 0 did not change."
    assert plots.average_precision({"after": np.array([np.nan])}) is None
    assert plots.change({"after": np.array([0.5])}) is None


def test_the_threshold_lets_one_percent_of_the_others_pass():
    impostor = np.linspace(0, 1, 1001)
    plot = plots.similarities(PairScores(np.array([0.5, 0.995, 1.0, 1.0]), impostor))
    assert (
        "A threshold of 0.99 (the upright line) lets 1 % of the different pairs pass and finds 75 %" in plot.description
    )
    assert plots.similarities(None) is None
    assert plots.similarities(PairScores(np.array([]), impostor)) is None


# --- Training ---------------------------------------------------------------------------------------------------------

STEPS = [
    StepLine(epoch, step, {"loss": 3.0 - epoch - step / 10}, images_per_second=100.0, learning_rate=0.1)
    for epoch in range(2)
    for step in range(1, 6)
]


def with_terms(lines, terms) -> list[StepLine]:
    return [replace(line, terms={**line.terms, **terms(line.terms["loss"])}) for line in lines]


def points(plot) -> np.ndarray:
    """(n, 2) of the longest line in a figure, in the figure's units."""
    paths = re.findall(r'd="(M [^"]+)" clip-path', plot.svg)
    numbers = max((re.findall(r"[ML] ([\d.]+) ([\d.]+)", path) for path in paths), key=len)
    return np.array(numbers, dtype=float)


def test_steps_that_count_anew_in_each_epoch_lie_one_after_the_other():
    drawn = points(plots.losses(STEPS))
    assert len(drawn) == 10
    assert (np.diff(drawn[:, 0]) > 0).all()
    np.testing.assert_allclose(np.diff(drawn[:, 0]), np.diff(drawn[:, 0]).mean(), rtol=1e-3)
    assert (np.diff(drawn[:, 1]) > 0).all()  # down the page is down in loss


def test_one_term_gives_one_line_several_give_their_sum_too():
    single = plots.losses(with_terms(STEPS, lambda loss: {"loss/prototype": loss}))
    assert single.title == "Loss (prototype)" and "sum" not in single.svg
    several = plots.losses(with_terms(STEPS, lambda _: {"loss/a": 1.0, "loss/b": 2.0}))
    assert all(f">{label}</text>" in several.svg for label in ("sum", "a", "b"))
    assert several.description == "The loss goes from 2.90 to 1.50."


def test_long_logs_are_averaged():
    lines = [StepLine(0, step, {"loss": 1.0 + step % 2}, 100.0, 0.1) for step in range(1, 2001)]
    plot = plots.losses(lines)
    assert len(points(plot)) <= plots.MOST_POINTS
    assert "mean of 9 lines" in plot.caption
    assert len(plot.svg) < 40_000


def test_identities_are_a_line_only_where_they_are_known():
    lines = [EpochLine(epoch, {"clusters": 10.0 + epoch}) for epoch in range(3)]
    assert "identities" not in plots.clusters(lines).svg
    known = plots.clusters([EpochLine(line.epoch, {**line.diagnostics, "identities": 14.0}) for line in lines])
    assert "identities in the data" in known.svg and "14 identities" in known.description


def test_outliers_are_a_share_of_the_rows():
    lines = [EpochLine(epoch, {"outliers": 30.0 - 10 * epoch, "rows": 40.0}) for epoch in range(2)]
    plot = plots.outliers_and_purity(lines)
    assert plot.title == "Outliers"
    assert "from 75 % to 50 %" in plot.description
    pure = plots.outliers_and_purity([EpochLine(line.epoch, {**line.diagnostics, "purity": 0.5}) for line in lines])
    assert pure.title == "Outliers and purity" and "from 50 % to 50 %" in pure.description


def test_the_evaluation_before_training_stands_at_zero():
    lines = [EvaluationLine(epoch, {"mAP": 40.0 + epoch, "rank1": None}) for epoch in (-1, 1)]
    plot = plots.evaluations(lines)
    assert plot.description == "The mAP goes from 39.0 % to 41.0 % in 2 epochs."
    assert "rank-1" not in plot.svg
    assert ">2</text>" in plot.svg and "1</text>" not in plot.svg.replace(">1</text>", "")  # 0 to 2, not -1 to 1


ONE_EPOCH = EpochLine(0, {"clusters": 3.0, "outliers": 1.0, "rows": 9.0})


@pytest.mark.parametrize(
    ("draw", "line"),
    [
        (plots.losses, STEPS[0]),
        (plots.learning_rate, STEPS[0]),
        (plots.clusters, ONE_EPOCH),
        (plots.outliers_and_purity, ONE_EPOCH),
        (plots.evaluations, EvaluationLine(0, {"mAP": 5.0})),
    ],
)
def test_nothing_to_draw_draws_nothing(draw, line):
    assert draw([]) is None
    assert draw([line]) is None


def test_values_that_are_not_numbers_leave_gaps():
    lines = [*STEPS, StepLine(1, 6, {"loss": float("nan")}, 100.0, float("nan"))]
    assert "nan" not in plots.losses(lines).svg
    assert plots.learning_rate(lines) is not None
