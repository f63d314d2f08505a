"""A picture that stands on both sides is not matched with itself, and nothing else is taken from anyone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reknow.data.embeddings import Embeddings
from reknow.data.manifest import Manifest
from reknow.evaluation.protocols import market, no_camera
from reknow.evaluation.ranking import evaluate, ranked


def embedded(names, vectors, identities, cameras=None, pixels=None):
    columns = {"rgb": list(names), "observation": [f"{n}-{name}" for n, name in enumerate(names)]}
    columns |= {"identity": list(identities)} | ({} if cameras is None else {"camera": list(cameras)})
    manifest = Manifest.from_columns(columns, root=Path("x"), name="made")
    rows = np.asarray(vectors, np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return Embeddings(rows, manifest, pixels=None if pixels is None else np.array(pixels))


def gallery(cameras=None, pixels=None):
    """The query itself, a stranger that is near, and a second picture of the individual that is farther."""
    vectors = [[1, 0], [0.9, 0.1], [0.5, 0.5]]
    return embedded(["a.jpg", "s.jpg", "b.jpg"], vectors, ["1", "2", "1"], cameras, pixels)


@pytest.mark.parametrize("protocol", [no_camera, market])
def test_without_cameras_a_picture_does_not_find_itself(protocol):
    scores = evaluate(embedded(["a.jpg"], [[1, 0]], ["1"]), gallery(), protocol)
    assert scores.first_match.tolist() == [2]
    assert scores.mAP == 0.5
    assert "1 of 1 queries stand in the gallery as well, as the same picture (for example 0-a.jpg)" in scores.notes[-1]


def test_the_same_pixels_under_another_name_are_the_same_picture():
    query = embedded(["copy.jpg"], [[1, 0]], ["1"], pixels=[7])
    assert evaluate(query, gallery(pixels=[7, 8, 9]), no_camera).mAP == 0.5
    assert evaluate(query, gallery(pixels=[6, 8, 9]), no_camera).mAP == pytest.approx((1 + 2 / 3) / 2)


def test_for_other_queries_it_stays_in_the_gallery():
    query = embedded(["a.jpg", "c.jpg"], [[1, 0], [1, 0]], ["1", "1"])
    scores = evaluate(query, gallery(), no_camera)
    assert scores.first_match.tolist() == [2, 1]
    assert scores.average_precision.tolist() == [0.5, pytest.approx((1 + 2 / 3) / 2)]


def test_rows_of_unknown_camera_beside_known_ones():
    query = embedded(["a.jpg", "c.jpg"], [[1, 0], [1, 0]], ["1", "1"], [None, "c1"])
    scores = evaluate(query, gallery([None, "c1", "c2"]), market)
    assert scores.first_match.tolist() == [2, 1]


def test_rank_sheets_leave_it_out_too():
    found = ranked(embedded(["a.jpg"], [[1, 0]], ["1"]), gallery(), no_camera, top=3)
    assert found.rows.tolist() == [[1, 2, -1]]


def test_known_cameras_are_untouched():
    query = embedded(["a.jpg"], [[1, 0]], ["1"], ["c1"], [7])
    rows = gallery(["c1", "c1", "c2"], [7, 8, 9])
    assert evaluate(query, rows, market).first_match.tolist() == [2]


def test_one_camera_names_the_protocol_without_cameras():
    query, rows = embedded(["q.jpg"], [[1, 0]], ["1"], ["7"]), gallery(["7", "7", "7"])
    scores = evaluate(query, rows, market)
    assert not scores.valid
    assert "All queries are of one camera ('7')" in scores.notes[0] and "--protocol no_camera" in scores.notes[0]
    assert evaluate(query, rows, no_camera).valid == 1


def test_queries_that_only_the_rule_leaves_without_a_match_are_counted():
    query = embedded(["q.jpg", "r.jpg", "t.jpg"], [[1, 0]] * 3, ["1", "2", "9"], ["c2", "c1", "c1"])
    notes = evaluate(query, gallery(["c1", "c1", "c2"]), market).notes
    assert (
        "1 of 3 queries have matches only from their own camera, which 'market' removes; they are not scored." in notes
    )


def test_where_the_rule_is_off_it_is_not_blamed():
    query = embedded(["a.jpg"], [[1, 0]], ["1"])
    alone = embedded(["a.jpg", "s.jpg"], [[1, 0], [0, 1]], ["1", "2"])
    notes = " ".join(evaluate(query, alone, market).notes)
    assert "stand in the gallery as well" in notes
    assert "'market' removes" not in notes
