"""Ranges over threads: complete, in order, and a failure in one is raised."""

from __future__ import annotations

import pytest

from reknow.clustering.threads import in_chunks


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("rows", [0, 1, 127, 128, 129, 5000])
def test_ranges_cover_all_rows_in_order(monkeypatch, rows, threads):
    monkeypatch.setattr("faiss.omp_get_max_threads", lambda: threads)
    covered = [row for chunk in in_chunks(rows, lambda first, last: list(range(first, last))) for row in chunk]
    assert covered == list(range(rows))


def test_failures_are_not_lost(monkeypatch):
    monkeypatch.setattr("faiss.omp_get_max_threads", lambda: 2)

    def fail(first: int, last: int) -> None:
        raise ValueError(f"rows {first} to {last}")

    with pytest.raises(ValueError, match="rows 0 to"):
        in_chunks(1000, fail)
