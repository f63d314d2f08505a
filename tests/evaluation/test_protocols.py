"""Codes, rules that turn themselves off aloud, and drawn queries; a picture on both sides does not find itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reknow.data.embeddings import Embeddings
from reknow.data.manifest import Manifest
from reknow.errors import EvaluationError
from reknow.evaluation.protocols import PROTOCOLS, market, msvr310, no_camera, protocol_named, split_queries
from reknow.evaluation.ranking import evaluate, ranked


def rows(identity, camera=None, name="made", **columns):
    columns |= {"rgb": [f"{name}{i}.png" for i in range(len(identity))], "identity": list(identity)}
    if camera is not None:
        columns["camera"] = list(camera)
    return Manifest.from_columns(columns, root=Path(), name=name)


def test_codes_are_joint_over_both_sides():
    found = market.for_rows(rows(["b", "c"], ["2", "1"]), rows(["a", "b", "d"], ["1", "2", "3"], name="g"))
    assert found.query_identity.tolist() == [1, 2] and found.gallery_identity.tolist() == [0, 1, 3]
    assert found.query_group.tolist() == [1, 0] and found.gallery_group.tolist() == [0, 1, 2]
    assert (found.protocol, found.notes) == ("market", ())


def test_the_scene_takes_the_camera_s_place():
    query, gallery = rows(["a"], ["1"], scene=["s2"]), rows(["a"], ["1"], name="g", scene=["s1"])
    found = msvr310.for_rows(query, gallery)
    assert found.query_group.tolist() == [1] and found.gallery_group.tolist() == [0]
    off = msvr310.for_rows(rows(["a"], ["1"]), gallery)
    assert off.query_group.tolist() == [-1] and off.protocol == "msvr310 (same-scene rule off)"


@pytest.mark.parametrize(("query_camera", "gallery_camera", "side"), [(None, ["1"], "query"), (["1"], None, "gallery")])
def test_a_rule_without_its_column_is_off_and_says_so(query_camera, gallery_camera, side):
    found = market.for_rows(rows(["a"], query_camera), rows(["a"], gallery_camera, name="g"))
    assert found.query_group.tolist() == found.gallery_group.tolist() == [-1]
    assert found.protocol == "market (same-camera rule off)" and f"The {side} rows name no camera" in found.notes[0]


def test_holes_are_counted():
    found = market.for_rows(rows(["a", None], ["1", None]), rows(["a", None, "b"], ["1", "2", "2"], name="g"))
    assert [note.split(":")[0] for note in found.notes] == [
        "1 of 2 query rows have no identity",
        "1 of 3 gallery rows have no identity",
        "1 of 2 query rows have no camera",
    ]
    assert no_camera.for_rows(rows(["a"]), rows(["a"], name="g")).protocol == "no_camera"


def test_what_cannot_be_evaluated_is_refused():
    with pytest.raises(EvaluationError, match="made, query: no rows"):
        market.for_rows(rows([]), rows(["a"]))
    with pytest.raises(EvaluationError, match="made, gallery, column 'identity'"):
        market.for_rows(rows(["a"]), rows([None]))


def test_names():
    assert all(protocol_named(protocol.name) is protocol for protocol in PROTOCOLS)
    with pytest.raises(EvaluationError, match="Did you mean 'market'"):
        protocol_named("markt")


def test_queries_are_drawn_by_the_stated_rule():
    identity = ["a", "a", "a", "a", "a", "b", "b", "c", None, "d", "d"]
    camera = ["1", "1", "2", "2", "3", "1", "2", "1", "1", "1", "1"]
    query, gallery = split_queries(rows(identity, camera))
    drawn = [(identity[row], camera[row]) for row in query]
    # a: cameras 1 and 2 saw it twice. b: no camera did, so one of its two pictures. c: one picture. d: one camera.
    assert drawn[:2] == [("a", "1"), ("a", "2")] and drawn[2][0] == "b" and drawn[3:] == [("d", "1")]
    assert sorted([*query, *gallery]) == [0, 1, 2, 3, 4, 5, 6, 7, 9, 10]


def test_without_cameras_one_query_an_identity():
    query, gallery = split_queries(rows(["a", "b", "a", "b", "c", "a"]))
    assert len(query) == 2 and len(gallery) == 4
    query, gallery = split_queries(rows(["a", "b", None]))
    assert len(query) == 0 and gallery.tolist() == [0, 1]
    assert len(split_queries(rows([None]))[1]) == 0


@given(
    st.lists(st.tuples(st.sampled_from(["a", "b", "c", None]), st.sampled_from(["1", "2", None])), max_size=20),
    st.integers(0, 9),
)
@settings(deadline=None, max_examples=60)
def test_every_query_keeps_a_match_and_the_seed_decides(pairs, seed):
    identity, camera = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    manifest = rows(identity, camera)
    query, gallery = split_queries(manifest, seed=seed)
    assert not set(query) & set(gallery)
    assert sorted([*query, *gallery]) == [row for row, name in enumerate(identity) if name is not None]
    for row in query:
        others = {camera[other] for other in gallery if identity[other] == identity[row]}
        assert others
        # Where another camera saw the identity at all, some of it stays for this query to find.
        if {camera[other] for other in range(len(pairs)) if identity[other] == identity[row]} - {camera[row]}:
            assert others - {camera[row]}
    again = split_queries(manifest, seed=seed)
    np.testing.assert_array_equal(query, again[0])


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
