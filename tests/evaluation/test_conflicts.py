"""Groups that cameras, times, tracklets and boxes contradict: what counts as one moment, and what says nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reknow.data.formats import open_dataset
from reknow.data.manifest import Manifest
from reknow.errors import EvaluationError
from reknow.evaluation.conflicts import Conflict, Conflicts, conflicts_of


def conflicts(labels, **columns) -> Conflicts:
    rows = len(labels)
    columns = {
        "observation": [f"o{row}" for row in range(rows)],
        "rgb": [f"{row}.png" for row in range(rows)],
    } | columns
    return conflicts_of(np.array(labels), Manifest.from_columns(columns, root=Path(), name="made"))


# --- One moment


def test_two_boxes_of_one_picture_are_two_individuals_without_any_other_column():
    told = conflicts(
        [0, 0, 1, 1, 2],
        rgb=["a.png", "a.png", "a.png", "b.png", "b.png"],
        crop=["0 0 4 8", "4 0 8 8", "8 0 12 8", "0 0 4 8", None],
    )
    assert told.same_moment == Conflict(1, 2, (("o0", "o1"),))
    assert told.same_moment.share == 0.5
    assert told.split_tracklets is None and told.partly_grouped is None


def test_a_box_twice_around_one_individual_says_nothing():
    crop = ["0 0 40 80", "2 1 41 82", "10 0 30 20"]  # again, and its head alone
    assert conflicts([0, 0, 0], rgb=["a.png"] * 3, crop=crop).same_moment is None
    beside = conflicts([0, 0, 1, 1], rgb=["a.png"] * 4, crop=[*crop, "38 0 70 80"]).same_moment
    assert beside == Conflict(1, 2, (("o2", "o3"),))


def test_the_box_that_counts_is_that_of_the_first_spectrum():
    told = conflicts(
        [0, 0], rgb=["a.png"] * 2, nir=["n.png"] * 2, crop=["0 0 4 8;0 0 4 8", "9 0 13 8;0 0 4 8"]
    ).same_moment
    assert told is not None and told.count == 1
    assert conflicts([0, 0], rgb=["a.png"] * 2, crop=["0 0 4 8", "0 0 4 8"]).same_moment is None


def test_equal_times_of_one_camera_are_one_moment():
    told = conflicts([0, 0, 0, 1, 1], camera=["a", "a", "b", "a", "a"], time=[1.5, 1.5, 1.5, 2.5, 3.5]).same_moment
    assert told == Conflict(1, 1, (("o0", "o1"),))
    assert conflicts([0, 1, 0], camera=["a", "a", "b"], time=[1.5, 1.5, 1.5]).same_moment == Conflict(0, 2, ())


@pytest.mark.parametrize(
    "columns",
    [
        {},
        {"camera": ["a", "a"]},
        {"time": [0.5, 0.5]},
        {"camera": [None, "a"], "time": [0.5, 0.5]},
        {"camera": ["a", "b"], "time": [0.5, 0.5]},
        {"camera": ["a", "a"], "time": [0.5, None]},
        {"camera": ["a", "a"], "time": [7, 7]},  # whole seconds: perhaps a burst
        {"camera": ["a", "a"], "time": [7.5, 7.5], "rgb": ["same.png", "same.png"]},
        {"camera": ["a", "a"], "time": [7.5, 7.5], "tracklet": ["t", "t"]},  # a clock of half seconds
    ],
    ids=str,
)
def test_what_columns_do_not_allow_to_say_is_none(columns):
    assert conflicts([0, 0], **columns).same_moment is None


def test_tracklets_tell_how_fine_the_clock_is():
    camera, tracklet = ["a"] * 4, ["t", "t", None, None]
    told = conflicts([0, 0, 1, 1], camera=camera, tracklet=tracklet, time=[1, 2, 5, 5]).same_moment
    assert told == Conflict(1, 1, (("o2", "o3"),))
    assert conflicts([0, 0, 1, 1], camera=camera, tracklet=tracklet, time=[1.5, 1.5, 5, 5]).same_moment is None


def test_tracklets_that_overlap_at_one_camera_are_two_individuals():
    names = ["t", "t", "u", "u", "v", "v"]
    time = [0, 10, 5, 15, 16, 20]
    told = conflicts([0, 0, 0, 0, 1, 1], camera=["a"] * 6, tracklet=names, time=time).same_moment
    assert told == Conflict(1, 1, (("o0", "o2"),))
    assert conflicts([0, 0, 1, 1, 1, 1], camera=["a"] * 6, tracklet=names, time=time).same_moment == Conflict(0, 2, ())
    # One begins when the other ends, by a clock of whole seconds: perhaps one individual whom the tracker lost.
    ends = conflicts([0] * 5, camera=["a"] * 5, tracklet=["t", "t", "t", "u", "u"], time=[0, 5, 5, 5, 9])
    assert ends.same_moment is None
    assert conflicts([0] * 6, camera=list("aabbcc"), tracklet=names, time=time).same_moment is None
    # The whole tracklet counts, also where only one of its pictures is in the group.
    told = conflicts([0, -1, 0, -1, 1, 1], camera=["a"] * 6, tracklet=names, time=time).same_moment
    assert told is not None and told.count == 1


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), rows=st.integers(1, 40), tracklets=st.integers(1, 8))
def test_overlaps_are_those_that_comparing_all_pairs_gives(seed, rows, tracklets):
    rng = np.random.default_rng(seed)
    labels, tracklet = rng.integers(-1, 3, rows), rng.integers(0, tracklets, rows)
    camera, time = tracklet % 2, np.arange(rows) + 0.25  # no two at once
    told = conflicts(labels, camera=[str(c) for c in camera], tracklet=[str(t) for t in tracklet], time=time.tolist())
    spans = {t: (time[tracklet == t].min(), time[tracklet == t].max()) for t in set(tracklet)}

    def apart(one, other):
        (_, end), (start, _) = sorted([spans[one], spans[other]])
        return one != other and one % 2 == other % 2 and start < end

    groups = [set(tracklet[labels == group]) for group in set(labels[labels >= 0])]
    among = sum(any(apart(one, other) for one in group for other in spans) for group in groups)
    count = sum(any(apart(one, other) for one in group for other in group) for group in groups)
    if not among:
        assert told.same_moment is None
        return
    assert told.same_moment is not None and (told.same_moment.count, told.same_moment.among) == (count, among)
    for pair in told.same_moment.examples:
        first, second = (int(name[1:]) for name in pair)
        assert labels[first] == labels[second] >= 0 and apart(tracklet[first], tracklet[second])


# --- One tracklet


def test_tracklets_are_split_between_groups_or_partly_in_none():
    told = conflicts(
        [0, 0, 1, 2, 2, -1, -1, -1, 3, 0],
        tracklet=["s", "s", "s", "t", "t", "t", "u", "u", "v", None],
    )
    assert told.split_tracklets == Conflict(1, 2, (("o0", "o2"),))
    assert told.partly_grouped == Conflict(1, 2, (("o3", "o5"),))
    assert told.same_moment is None


def test_one_name_at_two_cameras_is_two_tracklets():
    told = conflicts([0, 0, 1, 1], tracklet=["1"] * 4, camera=["a", "a", "b", "b"]).split_tracklets
    assert told == Conflict(0, 2, ())
    told = conflicts([0, 0, 1, 1], tracklet=["1"] * 4, camera=["a", "b", "b", "b"]).split_tracklets
    assert told == Conflict(1, 1, (("o1", "o3"),))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), rows=st.integers(1, 60))
def test_names_of_groups_and_the_order_of_rows_mean_nothing(seed, rows):
    rng = np.random.default_rng(seed)
    left, top = rng.integers(0, 30, (2, rows))
    boxed = rng.random(rows) < 0.5
    columns = {
        "observation": [f"o{row}" for row in range(rows)],
        "rgb": [f"{picture}.png" for picture in rng.integers(0, rows, rows)],
        "crop": [f"{x} {y} {x + 20} {y + 20}" if box else None for x, y, box in zip(left, top, boxed, strict=True)],
        "camera": [[None, "a", "b"][code] for code in rng.integers(0, 3, rows)],
        "time": [[None, 0.5, 1.5, 2.5, 3.5][code] for code in rng.integers(0, 5, rows)],
        "tracklet": [[None, *"stuvw"][code] for code in rng.integers(0, 6, rows)],
    }
    labels, order = rng.integers(-1, 4, rows), rng.permutation(rows)
    told = conflicts(labels, **columns)
    moved = {name: [cells[row] for row in order] for name, cells in columns.items()}
    again = conflicts(np.where(labels < 0, -5, 90 - 3 * labels)[order], **moved)
    for one, other in zip(vars(told).values(), vars(again).values(), strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            assert (one.count, one.among) == (other.count, other.among)
            assert 0 <= one.count <= one.among and len(one.examples) == min(one.count, 5)


def test_true_groups_of_the_world_are_without_conflict():
    manifest = open_dataset("world:target?train_identities=40&test_identities=0")
    told = conflicts_of(manifest.codes("identity"), manifest)
    assert told.split_tracklets is not None and told.split_tracklets.count == 0
    assert told.same_moment is None or told.same_moment.count == 0
    one_group = conflicts_of(np.zeros(len(manifest), int), manifest)
    assert one_group.split_tracklets is not None and one_group.split_tracklets.count == 0
    by_shot = conflicts_of(np.arange(len(manifest)), manifest)
    assert by_shot.split_tracklets is not None and by_shot.split_tracklets.share == 1
    assert len(by_shot.split_tracklets.examples) == 5


def test_another_number_of_labels_is_refused():
    manifest = Manifest.from_columns({"rgb": ["a.png"]}, root=Path(), name="made")
    with pytest.raises(EvaluationError, match="2 labels for 1 rows"):
        conflicts_of(np.zeros(2, int), manifest)
    assert conflicts_of(np.zeros(0, int), manifest.select([])) == Conflicts(None, None, None)
