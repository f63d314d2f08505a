"""Protocols with trials, sides and skips against the plain reference, and what data that lack something get."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reknow.data.embeddings import Embeddings
from reknow.data.manifest import Manifest
from reknow.errors import EvaluationError
from reknow.evaluation.draws import GalleryDraw
from reknow.evaluation.protocols import (
    Protocol,
    Side,
    cross_spectrum,
    cross_spectrum_no_camera,
    llcm_n2v,
    llcm_n2v_as_coded,
    llcm_v2n,
    llcm_v2n_as_coded,
    market,
    regdb_v2t,
    sysu_all,
    sysu_all_multi,
    sysu_indoor,
)
from reknow.evaluation.ranking import evaluate, ranked, rows_of
from reknow.evaluation.rerank import k_reciprocal
from reknow.evaluation.trials import trials_of
from trial_ranking import facts, is_removed, reference_evaluation


def made(generator, spectra, cameras, rows, name, identities=4):
    """Vectors of few values, so that many similarities are equal; half of the pairs of identity and camera."""
    vectors = generator.integers(-2, 3, size=(rows, 3)).astype(np.float32)
    of_row = [spectra[code] for code in generator.integers(len(spectra), size=rows)]
    columns = {
        spectrum: [f"{name}/{row:02d}" if spectrum == chosen else None for row, chosen in enumerate(of_row)]
        for spectrum in ("rgb", "nir", "tir")
    }
    columns["identity"] = [f"{code}" for code in generator.integers(identities, size=rows)]
    columns["camera"] = [cameras[row % len(cameras)] for row in range(rows)]
    return Embeddings(vectors, Manifest.from_columns(columns, root=Path(), name=name))


def same(ours, plain):
    np.testing.assert_array_equal(ours.first_match, plain.first_match)
    np.testing.assert_allclose(ours.average_precision, plain.average_precision, atol=1e-12)
    np.testing.assert_allclose(ours.inverse_negative_penalty, plain.inverse_negative_penalty, atol=1e-12)
    np.testing.assert_allclose(ours.cmc, plain.cmc, atol=1e-12)
    assert len(ours.trials) == len(plain.trials)
    for one_of_ours, one_of_plain in zip(ours.trials, plain.trials, strict=True):
        same(one_of_ours, one_of_plain)


@pytest.mark.parametrize("protocol", [sysu_all, sysu_all_multi, sysu_indoor], ids=lambda protocol: protocol.name)
@given(seed=st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=15)
def test_sysu_equals_the_reference(protocol, seed):
    generator = np.random.default_rng(seed)
    query = made(generator, ["nir"], ["3", "6"], 9, "q")
    gallery = made(generator, ["rgb"], ["1", "2", "4", "5"], 40, "g")
    same(evaluate(query, gallery, protocol), reference_evaluation(query, gallery, protocol))


@pytest.mark.parametrize(
    "protocol", [llcm_v2n, llcm_n2v, llcm_v2n_as_coded, llcm_n2v_as_coded], ids=lambda protocol: protocol.name
)
@given(seed=st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=15)
def test_llcm_equals_the_reference_on_sides_that_hold_both_spectra(protocol, seed):
    generator = np.random.default_rng(seed)
    query = made(generator, ["rgb", "nir"], ["1", "2"], 20, "q")
    gallery = made(generator, ["nir", "rgb"], ["1", "2"], 20, "g")
    same(evaluate(query, gallery, protocol), reference_evaluation(query, gallery, protocol))


@pytest.mark.parametrize("protocol", [cross_spectrum, cross_spectrum_no_camera], ids=lambda protocol: protocol.name)
@given(seed=st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=15)
def test_cross_spectrum_equals_the_reference(protocol, seed):
    generator = np.random.default_rng(seed)
    query = made(generator, ["rgb", "nir", "tir"], ["1", "2"], 12, "q")
    gallery = made(generator, ["rgb", "nir", "tir"], ["1", "2"], 30, "g")
    scores = evaluate(query, gallery, protocol)
    same(scores, reference_evaluation(query, gallery, protocol))
    # What single rankings show, and what samples of pairs leave out, follow the same rules.
    head, rows = ranked(query, gallery, protocol, top=30), rows_of(query, gallery, protocol)
    removed = rows.removed(np.arange(len(query)))
    for number, fact in enumerate(facts(query)):
        kept = [row for row, other in enumerate(facts(gallery)) if not is_removed(fact, other, protocol)]
        assert sorted(row for row in head.rows[number] if row >= 0) == kept == np.flatnonzero(~removed[number]).tolist()


def side(spectrum, cameras, identities, name, vectors=None):
    columns = {
        spectrum: [f"{name}{row}" for row in range(len(identities))],
        "identity": list(identities),
        "camera": list(cameras),
    }
    vectors = np.eye(len(identities), 8, dtype=np.float32) if vectors is None else np.asarray(vectors, np.float32)
    return Embeddings(vectors, Manifest.from_columns(columns, root=Path(), name=name))


def angles(*degrees):
    return np.stack([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))], axis=1)


def test_camera_3_does_not_see_camera_2_whoever_it_shows():
    query = side("nir", ["3", "6"], ["a", "a"], "q", angles(0, 0))
    gallery = side("rgb", ["2", "2", "1", "4", "5"], ["b", "a", "a", "c", "c"], "g", angles(1, 2, 3, 4, 5))
    scores = evaluate(query, gallery, sysu_all, draws=[np.arange(5)])
    # Camera 3 sees a, c, c. Camera 6 sees b, a, a, c, c: the first match is the second picture and individual.
    assert scores.first_match.tolist() == [1, 2]
    assert scores.average_precision.tolist() == pytest.approx([1, (1 / 2 + 2 / 3) / 2])


def test_the_cmc_counts_individuals_and_the_precision_pictures():
    query = side("nir", ["6", "3"], ["a", "a"], "q", angles(0, 0))
    gallery = side("rgb", ["1", "1", "4", "5", "2"], ["b", "b", "b", "a", "c"], "g", angles(1, 2, 3, 4, 5))
    scores = evaluate(query, gallery, sysu_all, draws=[np.arange(5)])
    assert scores.first_match.tolist() == [2, 2]
    assert scores.average_precision.tolist() == [0.25, 0.25]


def test_every_trial_counts_the_same_and_its_scores_are_kept():
    query = side("nir", ["3", "6"], ["a", "b"], "q", angles(0, 90))
    gallery = side("rgb", ["1", "2", "4", "5", "1"], ["a", "c", "b", "d", "d"], "g", angles(1, 2, 89, 91, 3))
    scores = evaluate(query, gallery, sysu_all, draws=[np.array([0, 1, 2, 3]), np.array([0, 3])])
    assert [trial.rank1 for trial in scores.trials] == [1.0, 1.0]
    assert scores.trials[1].unmatched == 1 and scores.unmatched == 0
    assert scores.protocol == "sysu_all (given draws)"
    assert (
        "Trial 1, counted from 0, has no gallery picture that 1 of its queries could find (for example of the identity "
        "b); they are not scored in it." in scores.notes
    )
    unequal = evaluate(query, gallery, sysu_all, draws=[np.array([0, 1, 2]), np.array([1, 3])])
    assert unequal.mAP == 1.0 and unequal.trials[1].valid == 0


def test_rows_that_the_protocol_does_not_have_are_left_out_with_a_note():
    both = made(np.random.default_rng(0), ["rgb", "tir"], ["1"], 30, "both")
    scores = evaluate(both, both, regdb_v2t)
    visible = sum(cell is not None for cell in both.manifest.column("rgb"))
    assert len(scores.first_match) == visible < 30
    assert f"{visible} of 30 query rows are those that 'regdb_v2t' has." in scores.notes


def test_exchanged_sides_search_in_all_queries():
    query = side("rgb", ["1", "2", "3"], ["a", "a", "b"], "q", angles(0, 20, 40))
    gallery = side("nir", ["4", "5"], ["a", "b"], "g", angles(10, 60))
    scores = evaluate(query, gallery, llcm_v2n_as_coded)
    assert len(scores.first_match) == 2 and len(scores.trials) == 10 and scores.valid == 2
    natural = evaluate(query, gallery, llcm_v2n)
    assert len(natural.first_match) == 3
    shown = trials_of(query, gallery, llcm_v2n_as_coded).first()
    assert [part.manifest.name for part in shown] == ["g", "q"]
    with pytest.raises(EvaluationError, match="trials of 1 to 2 rows; expected equally many in each"):
        evaluate(query, gallery, llcm_v2n_as_coded, draws=[np.array([0]), np.array([0, 1])])


def test_other_distances_are_computed_once_a_trial_over_its_whole_gallery():
    generator = np.random.default_rng(1)
    query = made(generator, ["nir"], ["3", "6"], 9, "q")
    gallery = made(generator, ["rgb"], ["1", "2", "4", "5"], 40, "g")
    shapes = []

    def cosine(one_side, other_side):
        shapes.append((len(one_side), len(other_side)))
        return -one_side @ other_side.T

    scores = evaluate(query, gallery, sysu_all, distances=cosine)
    same(scores, evaluate(query, gallery, sysu_all))
    assert shapes == [(9, len(rows)) for rows in sysu_all.draw.rows(gallery.manifest)]
    for part in (query.vectors, gallery.vectors):
        part[:] = generator.standard_normal(part.shape)
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    assert evaluate(query, gallery, sysu_all, distances=k_reciprocal).valid


def test_a_spectrum_that_is_missing_altogether():
    query, gallery = side("rgb", ["1"], ["a"], "q"), side("rgb", ["2"], ["a"], "g")
    with pytest.raises(
        EvaluationError, match="g, regdb_v2t, gallery: no picture of the spectrum tir; its rows have rgb"
    ):
        evaluate(query, gallery, regdb_v2t)
    with pytest.raises(EvaluationError, match="pictures of one spectrum alone, rgb"):
        evaluate(query, gallery, cross_spectrum)


def test_rows_of_several_spectra_are_refused_where_spectra_are_compared():
    rows = Manifest.from_columns({"rgb": ["a"], "nir": ["b"], "identity": ["1"]}, root=Path(), name="both")
    both = Embeddings(np.ones((1, 2), np.float32), rows)
    with pytest.raises(EvaluationError, match=r"row 0 \('a'\): pictures in rgb and nir; expected one picture"):
        evaluate(both, both, cross_spectrum)
    assert evaluate(both, both, market).unmatched == 1


def test_a_camera_that_the_data_lack():
    query = side("nir", ["3", "6"], ["a", "a"], "q")
    gallery = side("rgb", ["1", "2", "4"], ["a"] * 3, "g")
    with pytest.raises(
        EvaluationError, match="no row of camera 5; cameras here: 1, 2, 4; expected rows of the cameras 1"
    ):
        evaluate(query, gallery, sysu_all)
    assert evaluate(query, gallery, sysu_indoor).valid == 2
    without = Manifest.from_columns({"nir": ["x"], "identity": ["a"]}, root=Path(), name="q")
    with pytest.raises(EvaluationError, match="no row of camera 3; cameras here: none"):
        evaluate(Embeddings(np.ones((1, 8), np.float32), without), gallery, sysu_all)


def test_cameras_are_known_by_their_number():
    query = side("nir", ["cam3", "cam6"], ["a", "a"], "q", angles(0, 0))
    gallery = side("rgb", ["cam01", "cam02", "cam04", "cam05"], ["a", "b", "b", "b"], "g", angles(9, 1, 20, 30))
    assert evaluate(query, gallery, sysu_all).first_match.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("draws", "says"),
    [
        ([], "draws: no trial"),
        ([np.array([0]), np.array([0, 9])], "trial 1: row 9; expected 0 to 4, the rows there are"),
        ([np.array([-1])], "trial 0: row -1"),
        ([np.array([2, 2])], "trial 0: row 2 2 times; expected each row once"),
        ([np.array([], dtype=int)], r"int64 of shape \(0,\)"),
        ([np.array([0.5])], r"float64 of shape \(1,\)"),
        ([np.array([0, 4])], r"row 4 \('g4', camera 4\); expected rows that sysu_indoor has in its gallery"),
    ],
)
def test_draws_that_cannot_be_used(draws, says, monkeypatch):
    import jaxtyping

    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    query = side("nir", ["3", "6"], ["a", "a"], "q")
    gallery = side("rgb", ["1", "2", "1", "2", "4"], ["a", "a", "b", "b", "b"], "g")
    with pytest.raises(EvaluationError, match=says):
        evaluate(query, gallery, sysu_indoor, draws=draws)


def test_a_protocol_of_ones_own_is_a_value():
    own = Protocol("night", "Own.", group=None, query=Side("nir"), gallery=Side("rgb"), draw=GalleryDraw(trials=2))
    query, gallery = side("nir", ["a"], ["1"], "q"), side("rgb", ["a", "b"], ["1", "2"], "g")
    scores = evaluate(query, gallery, own)
    assert len(scores.trials) == 2 and scores.protocol == "night"
    assert len(evaluate(query, gallery, replace(own, draw=None)).trials) == 0


def test_the_way_out_for_one_camera_is_named():
    query, gallery = side("nir", ["1"], ["a"], "q"), side("rgb", ["1"], ["a"], "g")
    assert any("--protocol cross_spectrum_no_camera" in note for note in evaluate(query, gallery, cross_spectrum).notes)
    assert evaluate(query, gallery, cross_spectrum_no_camera).valid == 1


def test_spectra_whose_vectors_share_no_numbers_are_told_to_say_nothing():
    rows = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    nothing = np.zeros_like(rows)
    sides = {"rgb": np.hstack([rows, nothing]), "nir": np.hstack([nothing, rows])}
    apart = {
        spectrum: Embeddings(vectors, Manifest.from_columns(
            {spectrum: [f"{row}" for row in range(12)], "identity": [f"{row // 3}" for row in range(12)]},
            root=Path(), name=spectrum,
        ))
        for spectrum, vectors in sides.items()
    }  # fmt: skip
    tied = evaluate(apart["rgb"], apart["nir"], cross_spectrum_no_camera)
    assert any("equally similar" in note for note in tied.notes)
    together = replace(apart["nir"], vectors=sides["rgb"])
    assert not any(
        "equally similar" in note for note in evaluate(apart["rgb"], together, cross_spectrum_no_camera).notes
    )
    assert evaluate(apart["rgb"], together, cross_spectrum_no_camera).rank1 == 1
