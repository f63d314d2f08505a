"""The audit's sample and its estimate: every pair by its number, fair shares, and the truth within the interval."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reknow.errors import EvaluationError
from reknow.evaluation import audit as module
from reknow.evaluation.audit import Audit, audit_pairs, audit_result, audit_strata

labellings = st.lists(st.integers(-1, 6), min_size=2, max_size=40).map(np.array)


def all_pairs(labels) -> set[tuple[int, int]]:
    return {(a, b) for a, b in combinations(range(len(labels)), 2) if labels[a] == labels[b] >= 0}


def rows_of(audit: Audit) -> list[tuple[int, int]]:
    return [(pair.first, pair.second) for pair in audit.pairs]


@given(labellings, st.integers(1, 60), st.booleans())
def test_a_sample_has_pairs_of_its_strata_each_once_and_no_others(labels, count, with_vectors):
    expected = all_pairs(labels)
    vectors = np.random.default_rng(1).normal(size=(len(labels), 3)) if with_vectors else None
    if not expected:
        with pytest.raises(EvaluationError, match=r"no group|no pair"):
            audit_pairs(labels, count, vectors=vectors)
        return
    audit = audit_pairs(labels, count, vectors=vectors)
    assert len(audit.pairs) == len(set(rows_of(audit))) == min(count, len(expected))
    assert set(rows_of(audit)) <= expected
    assert sum(stratum.pairs for stratum in audit.strata) == len(expected)
    sizes, sampled = Counter(labels.tolist()), Counter(pair.stratum for pair in audit.pairs)
    for place, stratum in enumerate(audit.strata):
        assert min(module.AT_LEAST, stratum.pairs, count // len(audit.strata)) <= sampled[place] <= stratum.pairs
    for pair in audit.pairs:
        low, high = audit.strata[pair.stratum].sizes
        assert labels[pair.first] == pair.group and low <= sizes[pair.group] <= high
    assert audit.strata == audit_strata(labels, len(audit.pairs), halved=with_vectors)  # as its CSV is read
    assert audit_pairs(labels, count, vectors=vectors) == audit


def test_another_seed_draws_other_pairs():
    labels = np.repeat(np.arange(20), 10)
    assert rows_of(audit_pairs(labels, 50, 0)) != rows_of(audit_pairs(labels, 50, 1))


@pytest.mark.parametrize("size", [2, 3, 20_000, 5_000_000])
def test_pairs_are_numbered_without_a_gap_or_a_repetition(size):
    pairs = module._Pairs(np.zeros(2, dtype=np.int64), (2, 2))
    pairs.order, pairs.ends = np.arange(size, dtype=np.int64), np.array([size * (size - 1) // 2])
    last = size * (size - 1) // 2
    assert len(pairs) == last
    triangular = np.array([k * (k - 1) // 2 for k in range(max(1, size - 3), size)])
    numbers = np.unique(np.clip(np.concatenate([triangular - 1, triangular, triangular + 1]), 0, last - 1))
    first, second = pairs.rows(numbers).T
    assert (first >= 0).all() and (first < second).all() and (second < size).all()
    assert (second * (second - 1) // 2 + first == numbers).all()


def test_large_groups_are_never_listed():
    labels = np.repeat(np.arange(2), 20_000)
    tracemalloc.start()
    audit = audit_pairs(labels, 50)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(audit.pairs) == 50 and sum(stratum.pairs for stratum in audit.strata) == 399_980_000
    assert peak < 30e6  # one byte for each pair would be 400 MB


def test_strata_have_about_a_third_of_the_pairs_and_small_groups_are_in_the_sample():
    labels = np.repeat(np.arange(131), [2] * 100 + [10] * 30 + [60])
    audit = audit_pairs(labels, 50)
    assert [(stratum.name, stratum.pairs) for stratum in audit.strata] == [
        ("groups of 2 to 10", 1450),
        ("groups of 60", 1770),
    ]
    one_giant = audit_pairs(np.repeat(np.arange(11), [2] * 10 + [500]), 50)
    assert sorted(Counter(pair.stratum for pair in one_giant.pairs).values()) == [module.AT_LEAST, 50 - module.AT_LEAST]


def test_near_pairs_are_more_alike_than_far_ones():
    generator = np.random.default_rng(0)
    labels, vectors = np.repeat(np.arange(4), 30), generator.normal(size=(120, 8))
    audit = audit_pairs(labels, 60, vectors=vectors)
    halves = {"near": [], "far": []}
    for pair in audit.pairs:
        halves[audit.strata[pair.stratum].half].append(float(vectors[pair.first] @ vectors[pair.second]))
    assert len(halves["near"]) == len(halves["far"]) == 30
    assert min(halves["near"]) > max(halves["far"])


def impure_groups(seed: int = 0):
    """Groups of several sizes, a fifth of which merge two individuals: labels, unit vectors, individuals."""
    generator = np.random.default_rng(seed)
    sizes = generator.integers(2, 25, 60)
    labels = np.repeat(np.arange(60), sizes)
    merged = (labels % 5 == 0) & (generator.random(len(labels)) < 0.4)
    individual = labels + 100 * merged
    centers = generator.normal(size=(200, 16))
    vectors = centers[individual] + 1.0 * centers[labels] + 0.8 * generator.normal(size=(len(labels), 16))
    return labels, vectors / np.linalg.norm(vectors, axis=1, keepdims=True), individual


def test_the_estimate_is_right_on_average_and_the_interval_contains_the_truth(monkeypatch):
    labels, vectors, individual = impure_groups()
    truth = np.mean([individual[a] == individual[b] for a, b in all_pairs(labels)])
    monkeypatch.setattr(module, "FIRST_DRAW", 300)  # of some 2,000 pairs a stratum: the first draw is a sample here
    results = {}
    for name, given_vectors in (("sizes", None), ("halves", vectors)):
        results[name] = []
        for seed in range(40):
            audit = audit_pairs(labels, 50, seed, vectors=given_vectors)
            answers = tuple("yes" if individual[a] == individual[b] else "no" for a, b in rows_of(audit))
            results[name].append(audit_result(replace(audit, answers=answers)))
        inside = [result.interval[0] <= truth <= result.interval[1] for result in results[name]]
        assert np.mean(inside) > 0.90
        assert np.mean([result.precision for result in results[name]]) == pytest.approx(truth, abs=0.015)
    width = {name: np.mean([np.ptp(result.interval) for result in some]) for name, some in results.items()}
    assert width["halves"] < 0.95 * width["sizes"]


def answered(*answers: str) -> Audit:
    audit = audit_pairs(np.repeat(np.arange(50), 4), len(answers))
    return replace(audit, answers=answers)


def test_unsure_and_empty_are_no_answers():
    result = audit_result(answered("yes", "yes", "no", "unsure", "unsure", ""))
    assert (result.yes, result.no, result.unsure, result.empty, result.answered) == (2, 1, 2, 1, 3)
    assert result.precision == pytest.approx(2 / 3)
    assert (result.unsure_as_no, result.unsure_as_yes) == (pytest.approx(2 / 5), pytest.approx(4 / 5))
    assert "1 of 6 pairs have no answer yet" in result.notes[0]
    assert audit_result(answered("yes", "no")).notes == ()


@pytest.mark.parametrize("answers", [("",) * 6, ("unsure", "")])
def test_without_any_answer_there_is_no_precision(answers):
    with pytest.raises(EvaluationError, match=r"no pair of . is answered"):
        audit_result(answered(*answers))


def test_a_stratum_without_an_answer_is_named():
    audit = audit_pairs(np.repeat(np.arange(11), [2] * 10 + [20]), 20)
    giant = [audit.strata[pair.stratum].sizes == (20, 20) for pair in audit.pairs]
    result = audit_result(replace(audit, answers=tuple("yes" if large else "unsure" for large in giant)))
    assert result.precision == 1
    assert result.notes == ("No pair is answered of groups of 2 (5 % of all pairs): the precision is of the others.",)
    assert [(part.answered, part.yes) for part in result.strata] == [(0, 0), (sum(giant), sum(giant))]


def test_strata_count_by_their_pairs_and_not_by_their_answers():
    audit = audit_pairs(np.repeat(np.arange(11), [2] * 10 + [20]), 20)
    answers = tuple("yes" if audit.strata[pair.stratum].sizes == (20, 20) else "no" for pair in audit.pairs)
    assert audit_result(replace(audit, answers=answers)).precision == pytest.approx(190 / 200)


@pytest.mark.parametrize(
    ("labels", "message"), [([-1, -1], "no group: all of 2 pictures"), ([0, 1, -1], "no group of two pictures")]
)
def test_groups_without_a_pair_are_refused_with_a_remedy(labels, message):
    with pytest.raises(EvaluationError, match=f"{message}.*larger --eps"):
        audit_pairs(np.array(labels), 50)


def test_no_pairs_and_answers_for_others_are_refused():
    with pytest.raises(EvaluationError, match="0 pairs"):
        audit_pairs(np.array([0, 0]), 0)
    with pytest.raises(EvaluationError, match="2 answers for 1 pairs"):
        Audit((), audit_pairs(np.array([0, 0]), 1).pairs, ("yes", "no"))
