"""The counting kernel against the plain reference, the laws of the metrics, and what bad input gets."""

from __future__ import annotations

import re
from pathlib import Path

import jaxtyping
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reknow.data.embeddings import Embeddings
from reknow.data.manifest import Manifest
from reknow.errors import EvaluationError
from reknow.evaluation import ranking
from reknow.evaluation.protocols import Protocol, market, no_camera
from reknow.evaluation.ranking import evaluate, ranked, score
from sorted_ranking import reference_scores


@st.composite
def problems(draw):
    """Small distances with many ties, few identities and groups, some of them unknown (-1)."""
    queries, gallery = draw(st.integers(1, 5)), draw(st.integers(1, 70))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    levels = draw(st.sampled_from([2, 5, 1000]))
    distances = (generator.integers(levels, size=(queries, gallery)) / levels).astype(
        draw(st.sampled_from([np.float32, np.float64]))
    )
    identities, groups = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    codes = [generator.integers(-1, top, size=size) for top in (identities, groups) for size in (queries, gallery)]
    return distances, *codes


@given(problems(), st.sampled_from(["exact", "trapezoid"]))
@settings(deadline=None, max_examples=150)
def test_counting_equals_sorting(problem, kind):
    ours = score(*problem, average_precision=kind)
    plain = reference_scores(*problem, average_precision=kind)
    np.testing.assert_array_equal(ours.first_match, plain.first_match)
    np.testing.assert_allclose(ours.average_precision, plain.average_precision, atol=1e-12)
    np.testing.assert_allclose(ours.inverse_negative_penalty, plain.inverse_negative_penalty, atol=1e-12)


@given(problems())
@settings(deadline=None, max_examples=50)
def test_laws(problem):
    distances, query, gallery, *groups = problem
    scores = score(distances, query, gallery, *groups)
    assert scores.valid + scores.unmatched == len(query)
    if scores.valid:
        assert (np.diff(scores.cmc) >= 0).all()
        assert 0 < scores.mINP <= 1 and 0 < scores.mAP <= 1
        assert scores.rank1 <= scores.mAP + 1 and scores.rank1 <= scores.rank5 <= scores.rank10
        # A cube grows with its argument, so nothing changes; floats of few levels stay exact in order.
        moved = score(distances.astype(np.float64) ** 3 + 1, query, gallery, *groups)
        np.testing.assert_array_equal(moved.average_precision, scores.average_precision)
    # The trapezoid lies below: precision before a match is at most the precision there.
    low = score(distances, query, gallery, *groups, average_precision="trapezoid").average_precision
    assert (low[scores.matched] <= scores.average_precision[scores.matched] + 1e-12).all()


def test_hand_made_numbers():
    # Ranking: other, match, removed (same camera), match, other. The removed row frees a rank: matches at 2 and 3.
    scores = score(
        np.array([[0.1, 0.2, 0.3, 0.4, 0.5]]),
        np.array([7]),
        np.array([1, 7, 7, 7, 2]),
        np.array([0]),
        np.array([0, 1, 0, 2, 0]),
        max_rank=4,
    )
    assert scores.average_precision[0] == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert scores.inverse_negative_penalty[0] == pytest.approx(2 / 3)
    assert scores.cmc.tolist() == [0, 1, 1, 1]
    trapezoid = score(np.array([[0.1, 0.2, 0.3]]), np.array([7]), np.array([1, 7, 7]), average_precision="trapezoid")
    # Precision before the matches: 0/1 and 1/2; at them: 1/2 and 2/3.
    assert trapezoid.mAP == pytest.approx(((0 + 1 / 2) / 2 + (1 / 2 + 2 / 3) / 2) / 2)


def test_cmc_keeps_its_last_value_beyond_a_small_gallery():
    scores = score(np.array([[0.1, 0.2], [0.1, 0.2]]), np.array([0, 1]), np.array([0, 1]), max_rank=50)
    assert scores.cmc.tolist() == [0.5] + [1.0] * 49


def test_unknown_identity_matches_nothing_and_unknown_group_removes_nothing():
    distances, unknown = np.array([[0.1, 0.2]]), np.array([-1])
    assert score(distances, unknown, np.array([-1, 0])).unmatched == 1
    kept = score(distances, np.array([0]), np.array([0, 1]), unknown, np.array([-1, -1]))
    assert kept.first_match.tolist() == [1]


def test_no_query_with_a_match_gives_nan_not_zero():
    scores = score(np.array([[0.1]]), np.array([0]), np.array([1]))
    assert (scores.valid, scores.unmatched) == (0, 1)
    assert np.isnan([scores.mAP, scores.mINP, scores.rank1]).all() and np.isnan(scores.cmc).all()
    assert scores.as_percent()["queries_without_match"] == 1


def test_infinite_distances_are_last():
    scores = score(np.array([[np.inf, 0.2, -np.inf]]), np.array([0]), np.array([0, 1, 2]))
    assert scores.first_match.tolist() == [3]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"distances": np.full((2, 3), np.nan)}, "row 0: NaN"),
        ({"distances": np.zeros((0, 3))}, r"shape \(0, 3\)"),
        ({"distances": np.zeros((2, 0))}, r"shape \(2, 0\)"),
        ({"gallery_identity": np.zeros(2, int)}, r"gallery_identity: found|gallery_identity: shape \(2,\)"),
        ({"query_group": np.zeros(2, int)}, "one side only"),
        ({"query_group": np.zeros(3, int), "gallery_group": np.zeros(3, int)}, "query_group"),
        ({"max_rank": 0}, "max_rank"),
        ({"average_precision": "exakt"}, "Did you mean 'exact'"),
    ],
)
def test_bad_arrays_are_named(change, says, monkeypatch):
    # Users do not run with checked shapes; here the checker would speak first.
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    good = {"distances": np.zeros((2, 3)), "query_identity": np.zeros(2, int), "gallery_identity": np.zeros(3, int)}
    with pytest.raises(EvaluationError, match=says):
        score(**{**good, **change})


def embeddings(identity, camera, dim=8, seed=0, name="made", recognizer=""):
    generator = np.random.default_rng(seed)
    vectors = generator.standard_normal((len(identity), dim), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    columns = {
        "rgb": [f"{name}/{row}.png" for row in range(len(identity))],
        "identity": [None if i < 0 else f"id{i}" for i in identity],
        "camera": [None if c < 0 else f"cam{c}" for c in camera],
    }
    return Embeddings(vectors, Manifest.from_columns(columns, root=Path(), name=name), recognizer)


@pytest.fixture
def sides():
    generator = np.random.default_rng(3)
    query = embeddings(generator.integers(-1, 6, 130), generator.integers(-1, 3, 130), seed=1, name="query")
    gallery = embeddings(generator.integers(-1, 7, 90), generator.integers(-1, 3, 90), seed=2, name="gallery")
    return query, gallery


@pytest.mark.parametrize("entries", [1, 2**23])  # blocks of 64 queries, 64 and 2; and one block
def test_blocks_equal_the_whole(sides, entries, monkeypatch):
    query, gallery = sides
    monkeypatch.setattr(ranking, "_BLOCK_ENTRIES", entries)
    rows = market.for_rows(query.manifest, gallery.manifest)
    codes = rows.query_identity, rows.gallery_identity, rows.query_group, rows.gallery_group
    scores = evaluate(query, gallery, market)
    plain = reference_scores(1 - query.vectors @ gallery.vectors.T, *codes)
    np.testing.assert_allclose(scores.average_precision, plain.average_precision)
    np.testing.assert_array_equal(scores.first_match, plain.first_match)
    assert scores.protocol == "market"
    assert any("count as queries without a match" in note for note in scores.notes)


def test_the_head_of_the_ranking_is_what_was_scored(sides):
    query, gallery = sides
    head = ranked(query, gallery, market, top=100)
    scores = evaluate(query, gallery, market)
    rows = market.for_rows(query.manifest, gallery.manifest)
    for number in range(len(query)):
        kept = head.rows[number][head.rows[number] >= 0]
        removed = (
            (rows.gallery_identity == rows.query_identity[number])
            & (rows.gallery_group == rows.query_group[number])
            & (rows.query_identity[number] != -1)
            & (rows.query_group[number] != -1)
        )
        similarity = gallery.vectors @ query.vectors[number]
        order = np.argsort(-similarity, kind="stable")
        np.testing.assert_array_equal(kept, order[~removed[order]])
        assert (head.rows[number][len(kept) :] == -1).all() and np.isnan(head.similarity[number][len(kept) :]).all()
        assert not head.matches[number][len(kept) :].any()
        hits = np.flatnonzero(head.matches[number])
        assert (hits[0] + 1 if len(hits) else -1) == scores.first_match[number]


def test_ranked_keeps_gallery_order_among_equals():
    query = embeddings([0], [0])
    gallery = Embeddings(np.repeat(query.vectors, 4, axis=0), embeddings([1, 0, 1, 0], [1, 1, 1, 1]).manifest)
    head = ranked(query, gallery, market, top=3)
    assert head.rows.tolist() == [[0, 1, 2]]
    assert head.matches.tolist() == [[False, True, False]]
    with pytest.raises(EvaluationError, match="top"):
        ranked(query, gallery, market, top=0)


def test_the_result_says_what_was_off():
    query, gallery = embeddings([0, 1], [-1, -1], name="q"), embeddings([0, 0], [0, 1], name="g")
    scores = evaluate(query, gallery, market, average_precision="trapezoid")
    assert scores.protocol == "market (same-camera rule off)"
    said = " ".join(scores.notes)
    assert "query rows name no camera" in said and "'trapezoid'" in said
    assert scores.as_percent()["queries_without_match"] == 1
    nothing = evaluate(embeddings([5], [0]), gallery, market)
    assert nothing.valid == 0 and "nothing to average" in nothing.notes[-1]


def test_a_protocol_brings_its_own_average_precision_and_length(sides):
    trapezoid = Protocol("old", "As the first code.", average_precision="trapezoid", max_rank=7)
    scores = evaluate(*sides, trapezoid)
    assert len(scores.cmc) == 7 and len(evaluate(*sides, trapezoid, max_rank=3).cmc) == 3
    np.testing.assert_allclose(scores.mAP, evaluate(*sides, market, average_precision="trapezoid").mAP)


def test_vectors_that_do_not_compare_are_refused(sides):
    query, gallery = sides
    with pytest.raises(EvaluationError, match="two recognizers"):
        evaluate(embeddings([0], [0], recognizer="a"), embeddings([0], [1], recognizer="b"), market)
    with pytest.raises(EvaluationError, match="8 and 5 numbers"):
        evaluate(query, embeddings([0], [1], dim=5), market)
    gallery.vectors[7, 3] = np.nan
    with pytest.raises(EvaluationError, match=re.escape("gallery row 7 ('gallery/7.png')")):
        evaluate(query, gallery, no_camera)
