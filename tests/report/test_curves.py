"""Curves of a run: what is drawn where, and when nothing is."""

from __future__ import annotations

import re

import numpy as np
import pytest

from reknow.report import curves

STEPS = [
    {"kind": "step", "epoch": epoch, "step": step, "loss": 3.0 - epoch - step / 10, "learning_rate": 0.1}
    for epoch in range(2)
    for step in range(1, 6)
]


def points(plot) -> np.ndarray:
    """(n, 2) of the longest line in a figure, in the figure's units."""
    paths = re.findall(r'd="(M [^"]+)" clip-path', plot.svg)
    numbers = max((re.findall(r"[ML] ([\d.]+) ([\d.]+)", path) for path in paths), key=len)
    return np.array(numbers, dtype=float)


def test_steps_that_count_anew_in_each_epoch_lie_one_after_the_other():
    drawn = points(curves.losses(STEPS))
    assert len(drawn) == 10
    assert (np.diff(drawn[:, 0]) > 0).all()
    np.testing.assert_allclose(np.diff(drawn[:, 0]), np.diff(drawn[:, 0]).mean(), rtol=1e-3)
    assert (np.diff(drawn[:, 1]) > 0).all()  # down the page is down in loss


def test_one_term_gives_one_line_several_give_their_sum_too():
    one = curves.losses([{**line, "loss/prototype": line["loss"]} for line in STEPS])
    assert one.title == "Loss (prototype)" and "sum" not in one.svg
    several = curves.losses([{**line, "loss/a": 1.0, "loss/b": 2.0} for line in STEPS])
    assert all(f">{label}</text>" in several.svg for label in ("sum", "a", "b"))
    assert several.description == "The loss goes from 2.90 to 1.50."


def test_long_logs_are_averaged():
    lines = [{"kind": "step", "epoch": 0, "step": step, "loss": 1.0 + step % 2} for step in range(1, 2001)]
    plot = curves.losses(lines)
    assert len(points(plot)) <= curves.MOST_POINTS
    assert "mean of 9 lines" in plot.caption
    assert len(plot.svg) < 40_000


def test_identities_are_a_line_only_where_they_are_known():
    lines = [{"kind": "epoch", "epoch": epoch, "clusters": 10.0 + epoch} for epoch in range(3)]
    assert "identities" not in curves.clusters(lines).svg
    known = curves.clusters([{**line, "identities": 14.0} for line in lines])
    assert "identities in the data" in known.svg and "14 identities" in known.description


def test_outliers_are_a_share_of_the_rows():
    lines = [{"kind": "epoch", "epoch": epoch, "outliers": 30.0 - 10 * epoch, "rows": 40.0} for epoch in range(2)]
    plot = curves.outliers_and_purity(lines)
    assert plot.title == "Outliers"
    assert "from 75 % to 50 %" in plot.description
    pure = curves.outliers_and_purity([{**line, "purity": 0.5} for line in lines])
    assert pure.title == "Outliers and purity" and "from 50 % to 50 %" in pure.description


def test_the_evaluation_before_training_stands_at_zero():
    lines = [{"kind": "evaluation", "epoch": epoch, "mAP": 40.0 + epoch, "rank1": None} for epoch in (-1, 1)]
    plot = curves.evaluations(lines)
    assert plot.description == "The mAP goes from 39.0 % to 41.0 % in 2 epochs."
    assert "rank-1" not in plot.svg
    assert ">2</text>" in plot.svg and "1</text>" not in plot.svg.replace(">1</text>", "")  # 0 to 2, not -1 to 1


@pytest.mark.parametrize(
    "draw",
    [curves.losses, curves.learning_rate, curves.clusters, curves.outliers_and_purity, curves.evaluations],
)
def test_nothing_to_draw_draws_nothing(draw):
    assert draw([]) is None
    once = {"epoch": 0, "step": 1, "loss": 1.0, "learning_rate": 0.1, "clusters": 3.0, "outliers": 1.0, "rows": 9.0}
    assert draw([{"kind": kind, **once, "mAP": 5.0} for kind in ("step", "epoch", "evaluation")]) is None


def test_values_that_are_not_numbers_leave_gaps():
    lines = [*STEPS, {"kind": "step", "epoch": 1, "step": 6, "loss": float("nan"), "learning_rate": None}]
    assert "nan" not in curves.losses(lines).svg
    assert curves.learning_rate(lines) is not None
