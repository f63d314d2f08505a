"""Samplers: the laws of P x K with the cross-camera rule, and what happens on tiny data."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reknow.errors import DataError, RecipeError
from reknow.methods.sampling import identity_batches


@st.composite
def labelled_rows(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    rows = draw(st.integers(1, 60))
    labels = draw(st.lists(st.integers(-1, 7), min_size=rows, max_size=rows).filter(lambda many: max(many) >= 0))
    cameras = draw(st.lists(st.integers(-1, 3), min_size=rows, max_size=rows))
    return np.array(labels, dtype=np.int64), np.array(cameras, dtype=np.int64)


@settings(max_examples=150, deadline=None)
@given(
    data=labelled_rows(),
    identities=st.integers(1, 9),
    instances=st.integers(1, 6),
    batches=st.one_of(st.none(), st.integers(1, 7)),
    seed=st.integers(0, 9),
)
def test_every_batch_is_p_identities_times_k_rows(data, identities, instances, batches, seed):
    labels, cameras = data

    def sample() -> list[np.ndarray]:
        return identity_batches(
            labels,
            cameras,
            batch_size=identities * instances,
            instances=instances,
            rng=np.random.default_rng(seed),
            batches=batches,
        )

    made = sample()
    known = len(np.unique(labels[labels >= 0]))
    expected = min(identities, known)
    assert len(made) == (known // expected if batches is None else batches)
    for batch, again in zip(made, sample(), strict=True):
        np.testing.assert_array_equal(batch, again)
        groups = batch.reshape(expected, instances)
        assert (labels[groups] == labels[groups[:, :1]]).all() and (labels[groups] >= 0).all()
        assert len(np.unique(labels[groups[:, 0]])) == expected
        for group in groups:
            check_cross_camera_rule(group, labels, cameras)


def check_cross_camera_rule(group: np.ndarray, labels: np.ndarray, cameras: np.ndarray) -> None:
    anchor, others = group[0], group[1:]
    members = np.setdiff1d(np.flatnonzero(labels == labels[anchor]), [anchor])
    elsewhere = members[(cameras[members] != cameras[anchor]) | (cameras[members] < 0) | (cameras[anchor] < 0)]
    candidates = elsewhere if len(elsewhere) else members
    if not len(candidates):
        assert (others == anchor).all()
        return
    assert np.isin(others, candidates).all()
    if len(candidates) >= len(others):
        assert len(np.unique(others)) == len(others)


def test_each_pass_sees_every_identity_once():
    labels = np.repeat(np.arange(12), 3)
    made = identity_batches(labels, None, batch_size=8, instances=2, rng=np.random.default_rng(0), batches=6)
    for passed in (made[:3], made[3:]):
        assert sorted(labels[np.concatenate(passed)]) == sorted(np.repeat(np.arange(12), 2))
    assert not np.array_equal(labels[made[0]], labels[made[3]])


def test_without_cameras_every_other_row_is_equally_likely():
    labels, cameras = np.zeros(5, dtype=np.int64), np.array([0, 0, 0, 0, 1])
    count = np.zeros((2, 5), dtype=np.int64)
    rng = np.random.default_rng(0)
    for column, given_cameras in enumerate((None, cameras)):
        for batch in identity_batches(labels, given_cameras, batch_size=2, instances=2, rng=rng, batches=3000):
            count[column, batch[1]] += 1
    assert np.abs(count[0] / 3000 - 0.2).max() < 0.03
    # With the rule, four of five anchors have only row 4 to go to.
    assert count[1, 4] / 3000 == pytest.approx(0.8, abs=0.03)


def test_draws_without_replacement_are_uniform_over_subsets():
    labels = np.zeros(5, dtype=np.int64)
    rng = np.random.default_rng(0)
    made = identity_batches(labels, None, batch_size=3, instances=3, rng=rng, batches=6000)
    pairs = np.zeros((5, 5), dtype=np.int64)
    for batch in made:
        pairs[min(batch[1:]), max(batch[1:])] += 1
    assert np.abs(pairs[np.triu_indices(5, 1)] / 6000 - 0.1).max() < 0.02


def test_two_pictures_in_all():
    rng = np.random.default_rng(0)
    for labels in (np.array([0, 0]), np.array([0, 1]), np.array([0, -1])):
        for batch in identity_batches(labels, np.array([0, 0]), batch_size=64, instances=4, rng=rng, batches=3):
            assert len(batch) == 4 * len(np.unique(labels[labels >= 0]))


def test_what_cannot_be_sampled_is_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(RecipeError, match=r"batch_size 50 with instances 8.*Set batch_size to 48"):
        identity_batches(np.zeros(3, dtype=np.int64), None, batch_size=50, instances=8, rng=rng)
    with pytest.raises(DataError, match="no row has a label"):
        identity_batches(np.array([-1, -1]), None, batch_size=4, instances=2, rng=rng)


def test_an_epoch_of_msmt17_is_sampled_in_no_time():
    rng = np.random.default_rng(0)
    labels, cameras = rng.integers(-1, 1041, 32_621), rng.integers(0, 15, 32_621)
    start = time.perf_counter()
    made = identity_batches(labels, cameras, batch_size=512, instances=8, rng=rng, batches=200)
    assert time.perf_counter() - start < 0.5  # measured: 0.01 s
    assert np.stack(made).shape == (200, 512)
