"""Parity with the golden case ranking_metrics, and with MSVR310's scene rule: one formula, another group."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from reknow.evaluation.ranking import score
from sorted_ranking import reference_scores

DATA = Path(__file__).parent / "data"
TOLERANCE = 1e-6


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    return load_file(DATA / "ranking_metrics.safetensors")


def codes(golden):
    return tuple(golden[name] for name in ("query_ids", "gallery_ids", "query_cams", "gallery_cams"))


@pytest.mark.parametrize(("distances", "expected"), [("distmat", "expected"), ("ties/distmat", "expected_ties_stable")])
@pytest.mark.parametrize("scored", [score, reference_scores])
def test_every_number_is_that_of_the_reference(golden, distances, expected, scored):
    scores = scored(golden[distances], *codes(golden))
    valid = golden["expected/valid_query"].astype(bool)
    np.testing.assert_array_equal(scores.matched, valid)
    assert (scores.valid, scores.unmatched) == (34, 6)
    assert np.isnan(scores.average_precision[~valid]).all()
    for name, ours in (
        ("ap_per_query", scores.average_precision[valid]),
        ("inp_per_query", scores.inverse_negative_penalty[valid]),
    ):
        np.testing.assert_allclose(ours, golden[f"{expected}/{name}"][valid], rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(scores.cmc, golden[f"{expected}/cmc"], rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(scores.mAP, golden[f"{expected}/mAP"], rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(scores.mINP, golden[f"{expected}/mINP"], rtol=0, atol=TOLERANCE)


def test_ties_by_gallery_order_are_not_ties_by_threshold(golden):
    # Scikit-learn gives a whole tie the precision at its end: a third number, a point lower here. See ranking.py.
    scores = score(golden["ties/distmat"], *codes(golden))
    assert 0.005 < scores.mAP - golden["expected_ties_sklearn/mAP"] < 0.02


@pytest.mark.parametrize(("rule", "group"), [("scene_rule", "scene"), ("camera_rule", "cam")])
def test_the_group_may_be_a_scene(rule, group):
    golden = load_file(DATA / "msvr310_evaluation.safetensors")
    sides = [golden[f"in/{side}_{kind}"] for kind in ("pid", group) for side in ("query", "gallery")]
    scores = score(golden["out/distance"], *sides)
    np.testing.assert_allclose(scores.cmc, golden[f"out/{rule}/cmc"], rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(scores.mAP, golden[f"out/{rule}/mAP"], rtol=0, atol=TOLERANCE)
    if rule == "scene_rule":
        np.testing.assert_array_equal(scores.matched, golden["out/scene_rule/valid_query"].astype(bool))
