"""Numbers as the page prints them."""

from __future__ import annotations

from reknow.report.content import GroupCounts, RunReport
from reknow.report.numbers import counts_of, metrics_of, run_facts
from reknow.training.records import EpochLine, Metrics


def test_the_change_is_that_of_the_printed_numbers():
    metric = metrics_of(RunReport("t", {"mAP": 10.04, "start": {"mAP": 5.06}}))[0]
    assert (metric.before, metric.after, metric.change) == (5.1, 10.0, 4.9)


def test_unknown_numbers_and_intervals_are_left_out():
    nan = float("nan")
    metrics = metrics_of(
        RunReport("t", {"mAP": None, "rank1": nan, "mINP": 3.0, "start": {"mINP": None}}, {"mINP": (nan, nan)})
    )
    assert [metric.name for metric in metrics] == ["mINP"]
    assert metrics[0].interval is None and metrics[0].change is None


def test_the_groups_that_the_page_shows_are_the_ones_that_are_counted():
    metrics = Metrics(epochs=(EpochLine(0, {"clusters": 35.0, "outliers": 42.0, "rows": 1000.0}),))
    assert counts_of(RunReport("t", metrics=metrics, group_counts=GroupCounts(1000, 33, 25))) == [
        ("1,000", "images"), ("33", "groups"), ("2.5 %", "of the images in no group"),
    ]  # fmt: skip


def test_counts_come_from_the_last_clustering_where_the_page_shows_no_groups():
    lines = [EpochLine(epoch, {"clusters": 5.0 + epoch, "outliers": 1.0, "rows": 1000.0}) for epoch in range(2)]
    assert counts_of(RunReport("t", metrics=Metrics.of(lines))) == [
        ("1,000", "images"), ("6", "groups in the last epoch"), ("0.1 %", "of the images in no group"),
    ]  # fmt: skip
    assert counts_of(RunReport("t", {"images": 7})) == [("7", "images")]


def test_facts_name_only_what_is_known():
    assert run_facts(RunReport("t", {"seed": 0, "seconds": 61})) == [("seed", "0"), ("time", "1 min 1 s")]
