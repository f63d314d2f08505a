"""How far appearance explains groups: laws, and groups that it decides or does not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reknow.data.picture_measures import PictureMeasures
from reknow.errors import EvaluationError
from reknow.evaluation import appearance
from reknow.evaluation.appearance import explained_by_appearance


def measured(rows, seed=0, **given_measures) -> PictureMeasures:
    rng = np.random.default_rng(seed)
    made = {"size": rng.integers(20, 300, (rows, 2)), "color": rng.random((rows, 4)), "sharpness": rng.random(rows)}
    return PictureMeasures(**{name: np.asarray(v, np.float32) for name, v in (made | given_measures).items()})


def plainly(labels, measures, tracklets) -> float:
    """The number for all measures together, with the matrix of all pairs."""
    values = np.column_stack([measures.size, measures.color, measures.sharpness])[labels >= 0]
    runs, groups = tracklets[labels >= 0], labels[labels >= 0]
    ranks = np.stack([(c[:, None] > c).sum(1) + ((c[:, None] == c).sum(1) - 1) / 2 for c in values.T], axis=1)
    distances = ((ranks[:, None] - ranks) ** 2).sum(2)
    other = ~((runs[:, None] == runs) & (runs >= 0)[:, None]) & (distances > 0)
    same, shares, chances = groups[:, None] == groups, [], []
    for row in range(len(groups)):
        if (other[row] & same[row]).any():
            near = other[row] & (distances[row] == distances[row][other[row]].min())
            shares.append(same[row][near].mean())
            chances.append(same[row][other[row]].mean())
    return (np.mean(shares) - np.mean(chances)) / (1 - np.mean(chances))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), rows=st.integers(12, 60), groups=st.integers(2, 6), levels=st.integers(2, 9))
def test_the_plain_reference_agrees_and_names_order_and_units_mean_nothing(seed, rows, groups, levels):
    rng = np.random.default_rng(seed)
    labels, tracklets = rng.integers(-1, groups, rows), rng.integers(-1, rows // 3, rows)
    coarse = {"size": rng.integers(1, levels, (rows, 2)), "color": rng.integers(0, levels, (rows, 4))}
    measures = measured(rows, seed, **coarse, sharpness=rng.integers(0, levels, rows))
    explained = explained_by_appearance(labels, measures, tracklets)
    if explained is None:
        return
    assert explained.together == pytest.approx(plainly(labels, measures, tracklets))
    assert explained.largest <= 1  # below 0 there is no bound: chance itself may be above a half
    renamed = np.where(labels < 0, -1, 100 - 7 * labels)
    assert explained_by_appearance(renamed, measures, tracklets) == explained
    order = rng.permutation(rows)
    moved = explained_by_appearance(labels[order], measures.select(order), tracklets[order])
    assert moved is not None and moved.queries == explained.queries
    assert [moved.together, *moved.alone.values()] == pytest.approx([explained.together, *explained.alone.values()])
    scaled = PictureMeasures(3 * measures.size + 1, measures.color / 255, np.exp(measures.sharpness))
    assert explained_by_appearance(labels, scaled, tracklets) == explained


@pytest.mark.parametrize("rows", [300, 6000])
def test_shuffled_groups_are_explained_by_chance(rows):
    labels = np.random.default_rng(1).integers(-1, 12, rows)
    explained = explained_by_appearance(labels, measured(rows))
    assert explained is not None and explained.queries == min((labels >= 0).sum(), appearance.QUERIES)
    assert abs(explained.together) < 0.06 and explained.largest < 0.09


@pytest.mark.parametrize("measure", ["size", "color", "sharpness"])
def test_groups_that_a_measure_decides_are_explained_and_the_measure_is_named(measure):
    labels = np.random.default_rng(2).integers(0, 5, 1000)
    shape = {"size": (1000, 2), "color": (1000, 4), "sharpness": (1000,)}[measure]
    values = labels.reshape(-1, *[1] * (len(shape) - 1)) + 0.9 * np.random.default_rng(3).random(shape)
    explained = explained_by_appearance(labels, measured(1000, **{measure: 20 + 100 * values}))
    assert explained is not None and explained.strongest == measure
    assert explained.largest > 0.98
    assert all(share < 0.1 for name, share in explained.alone.items() if name != measure)


def test_equal_sizes_explain_nothing_whatever_the_order_of_rows():
    labels = np.repeat(np.arange(10), 20)
    explained = explained_by_appearance(labels, measured(200, size=np.full((200, 2), 64)))
    assert explained is not None and explained.alone["size"] == pytest.approx(0)


def test_sizes_that_are_all_different_between_groups_and_equal_within_explain_all():
    labels = np.repeat(np.arange(10), 20)
    explained = explained_by_appearance(labels, measured(200, size=np.stack([labels + 50, labels + 50], axis=1)))
    assert explained is not None and explained.alone["size"] == explained.largest == 1


def test_frames_of_one_tracklet_and_copies_are_no_other_picture():
    rng = np.random.default_rng(4)
    tracklets, labels = np.repeat(np.arange(100), 5), np.repeat(rng.integers(0, 20, 100), 5)
    base = rng.random((100, 4)).repeat(5, axis=0)
    measures = measured(500, color=base + 1e-3 * rng.random((500, 4)))
    freely, held = explained_by_appearance(labels, measures), explained_by_appearance(labels, measures, tracklets)
    assert freely is not None and freely.alone["color"] > 0.95
    assert held is not None and abs(held.alone["color"]) < 0.1
    twice = measured(100).select(np.repeat(np.arange(100), 2))
    copied = explained_by_appearance(np.repeat(rng.integers(0, 10, 100), 2), twice)
    assert copied is not None and copied.largest < 0.2


@pytest.mark.parametrize(
    "labels", [[-1] * 6, [0] * 6, [0, 0, 0, -1, -1, -1], [0, 1, 2, 3, 4, 5], [-1] * 5 + [3]], ids=str
)
def test_what_cannot_be_said_is_none(labels):
    assert explained_by_appearance(np.array(labels), measured(6)) is None


def test_without_measures_or_pictures_that_differ_nothing_is_said():
    labels = np.array([0, 0, 0, 1, 1, 1])
    assert explained_by_appearance(labels, None) is None
    assert explained_by_appearance(labels, measured(6)) is not None
    assert explained_by_appearance(labels, measured(6), np.array([0, 0, 0, 1, 1, 1])) is None
    assert explained_by_appearance(labels, measured(6).select(np.zeros(6, int))) is None
    assert explained_by_appearance(labels[:0], measured(0)) is None
    assert explained_by_appearance(labels[:1], measured(1)) is None


def test_the_seed_chooses_among_many():
    labels = np.random.default_rng(5).integers(0, 9, 5000)
    first, again, other = (explained_by_appearance(labels, measured(5000), seed=seed) for seed in (0, 0, 1))
    assert first == again != other


def test_other_measures_are_refused():
    with pytest.raises(EvaluationError, match="5 measured pictures for 6 labels"):
        explained_by_appearance(np.zeros(6, int), measured(5))
