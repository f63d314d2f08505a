"""Which queries and groups are shown, and what is said of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reknow.data.embeddings import Embeddings
from reknow.data.formats import open_dataset
from reknow.recognizer.evaluation import EvaluationResult, EvaluationSplit
from reknow.report.examples import choose_groups, choose_queries, rankings

VALUES = st.lists(st.one_of(st.floats(0, 1), st.just(float("nan")), st.just(1.0)), max_size=40).map(np.array)


def as_floats(values):
    return np.asarray(values, dtype=np.float64)


@given(VALUES, st.integers(1, 5))
def test_no_row_twice_no_row_without_a_value_and_the_kinds_are_ordered(values, count):
    values = as_floats(values)
    chosen = choose_queries(values, count)
    assert list(chosen) == ["best", "typical", "worst"]
    rows = [row for kind in chosen.values() for row in kind]
    assert len(rows) == len(set(rows))
    assert not np.isnan(values[rows]).any()
    assert all(len(kind) <= count for kind in chosen.values())
    scored = values[~np.isnan(values)]
    if len(scored) >= 3 * count:
        assert all(len(kind) == count for kind in chosen.values())
        assert sorted(values[chosen["best"]]) == sorted(scored)[-count:]
        assert sorted(values[chosen["worst"]]) == sorted(scored)[:count]
        assert values[chosen["typical"]].min() >= values[chosen["worst"]].max()
        assert values[chosen["typical"]].max() <= values[chosen["best"]].min()
    assert choose_queries(values, count) == chosen


def test_the_rows_are_those_chosen_by_hand():
    values = np.array([0.5, 0.1, 0.95, 0.52, 0.0, 0.9, np.nan, 0.3, 0.7])
    chosen = choose_queries(values, count=2)
    # The median is 0.51 without NaN: of the four left over, 0.5 and 0.52 lie nearest.
    assert chosen["best"] == [2, 5] and chosen["worst"] == [4, 1] and sorted(chosen["typical"]) == [0, 3]


def test_ties_are_spread_so_that_one_identity_does_not_fill_the_sheet():
    values = np.concatenate([np.ones(60), np.linspace(0, 0.9, 60)])
    best = choose_queries(values, count=4)["best"]
    assert best == [0, 20, 39, 59]


@pytest.mark.parametrize("values", [[], [np.nan, np.nan]])
def test_no_scored_query_gives_no_rows(values):
    assert choose_queries(as_floats(values)) == {"best": [], "typical": [], "worst": []}


# --- Rankings ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def result() -> EvaluationResult:
    """Three people of the world in two spectra, embedded by chance."""
    manifest = open_dataset("world:target?train_identities=0&test_identities=3&cameras=3&spectra=rgb,nir").select(
        np.arange(24)
    )
    split = EvaluationSplit.of(manifest)
    assert split is not None
    rows = split.manifest
    vectors = np.random.default_rng(0).normal(size=(len(rows), 8)).astype(np.float32)
    return split.score(Embeddings(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), rows))


def test_a_row_is_a_query_with_what_the_protocol_lets_it_find(result: EvaluationResult) -> None:
    rows = rankings(result, count=1)
    assert [row.kind for row in rows] == ["best", "typical", "worst"]
    scores = [row.average_precision for row in rows]
    assert scores == sorted(scores, reverse=True) and scores[0] == np.nanmax(result.scores.average_precision)
    gallery = result.gallery.manifest
    identity = dict(zip(gallery.column("observation"), gallery.column("identity"), strict=True))
    query = result.query.manifest
    for row in rows:
        place = query.column("observation").index(row.name)
        assert [result.similarity for result in row.results] == sorted(
            (result.similarity for result in row.results), reverse=True
        )
        for result in row.results:
            assert result.match == (identity[result.name] == query.column("identity")[place])
            assert not (result.match and result.camera == row.camera)  # the market protocol


def test_pictures_show_every_spectrum(result: EvaluationResult) -> None:
    row = rankings(result, count=1)[0]
    assert {row.picture.shape} | {result.picture.shape for result in row.results} == {(128, 2 * 64 + 2, 3)}


def test_json_has_no_pictures_and_is_in_percent(result: EvaluationResult) -> None:
    row = rankings(result, count=1)[0]
    facts = row.as_json()
    assert facts["query"] == row.name and facts["average_precision"] == 100 * row.average_precision
    assert [ranked["observation"] for ranked in facts["found"]] == [result.name for result in row.results]
    assert all(set(ranked) == {"observation", "match", "similarity", "camera"} for ranked in facts["found"])


# --- Groups -----------------------------------------------------------------------------------------------------------


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


def test_purity_and_impostors_count_only_images_with_a_label():
    labels = np.zeros(6, dtype=np.int64)
    identities = np.array([5, 5, 5, 2, -1, -1])
    group = choose_groups(labels, identities)[0]
    assert group.purity == 0.75
    assert group.impostors == (False, False, False, True, False, False)


def test_without_labels_and_for_outliers_there_is_no_purity():
    labels = np.array([0, 0, -1, -1])
    assert [group.purity for group in choose_groups(labels)] == [None, None]
    known = choose_groups(labels, np.array([1, 1, 1, 2]))
    assert known[0].purity == 1.0
    assert known[1].purity is None and known[1].impostors == ()
    assert choose_groups(labels, np.full(4, -1))[0].purity is None


def test_no_groups_at_all():
    assert choose_groups(np.array([], dtype=np.int64)) == []
    assert [group.label for group in choose_groups(np.full(3, -1))] == [-1]
