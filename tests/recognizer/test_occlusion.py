"""Scores of hidden queries: nothing hidden is the usual score, everything hidden is chance, the gallery stays."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from reknow.data.cache import Pictures
from reknow.data.formats import open_dataset
from reknow.errors import EvaluationError
from reknow.evaluation.ranking import evaluate
from reknow.progress import Display
from reknow.recognizer import load, occlusion
from reknow.recognizer.evaluation import EvaluationSplit, evaluate_recognizer
from reknow.recognizer.occlusion import SHARES, occlusion_scores

WORLD = "world:target?train_identities=0&test_identities=12&cameras=3"
QUIET = Display(quiet=True)


@pytest.mark.parametrize("data", [WORLD, "crops"])
def test_nothing_hidden_is_the_usual_score_and_everything_hidden_is_chance(data, crops):
    data = rf"folder:{crops}?identity_pattern=(person\d+)&camera=_c(\d)_" if data == "crops" else f"{data}&occlusion=0"
    recognizer = load()
    nothing, everything = occlusion_scores(recognizer, data, (0.0, 1.0), display=QUIET)
    usual = evaluate_recognizer(recognizer, data, display=QUIET).numbers
    assert nothing.mAP == pytest.approx(usual["mAP"], abs=1e-3)
    assert nothing.rank1 == pytest.approx(usual["rank1"], abs=1e-3)
    assert everything.mAP < nothing.mAP


def test_more_is_lost_where_more_is_hidden():
    scores = occlusion_scores(load(), WORLD, display=QUIET)
    assert [score.hidden for score in scores] == list(SHARES)
    assert scores[0].mAP > scores[2].mAP > 0 and scores[0].mAP > scores[3].mAP


def test_the_world_s_queries_are_those_with_the_share_hidden_and_the_gallery_is_the_plain_one():
    recognizer = load(precision="32")
    (score,) = occlusion_scores(recognizer, WORLD, (0.4,), display=QUIET)
    hidden, plain = open_dataset(f"{WORLD}&hidden=0.4"), open_dataset(WORLD)
    split = EvaluationSplit.of(plain)
    assert split is not None
    queries = recognizer.embed_manifest(hidden.split("query")).vectors
    whole = recognizer.embed_manifest(split.manifest)
    vectors = np.array(whole.vectors)
    vectors[split.query] = queries
    expected = split.score(replace(whole, vectors=vectors)).scores
    assert score.mAP == pytest.approx(100 * expected.mAP, abs=1e-3)


def test_pictures_of_other_spectra_stay_gray():
    manifest = open_dataset(f"{WORLD}&spectra=rgb,tir")
    split = EvaluationSplit.of(manifest)
    assert split is not None
    rows = len(split.manifest)
    plain = {"rgb": np.full((rows, 16, 8, 3), 9, np.uint8), "tir": np.full((rows, 16, 8, 3), 9, np.uint8)}
    pictures = Pictures.from_arrays(plain)
    shown = occlusion._hidden_queries(load(), split, pictures, "folder:elsewhere", 0.5, QUIET).images
    thermal, color = shown["tir"], shown["rgb"]
    assert len(thermal) == len(color) == len(split.query)
    assert (thermal[..., 0] == thermal[..., 2]).all() and (color[..., 0] != color[..., 2]).any()
    assert all((pixels == 9).all() for pixels in plain.values())


def test_what_is_no_share_and_data_without_identities_are_refused(crops):
    with pytest.raises(EvaluationError, match="0 to 1"):
        occlusion_scores(load(), WORLD, (1.5,), display=QUIET)
    with pytest.raises(EvaluationError, match="identity"):
        occlusion_scores(load(), f"folder:{crops}", display=QUIET)


def test_a_world_that_hides_something_already_is_refused_before_it_is_drawn():
    for data in (f"{WORLD}&hidden=0.4", "world:target?hidden=0.2"):
        with pytest.raises(EvaluationError, match="the option 'hidden'"):
            occlusion_scores(load(), data, display=QUIET)


def test_a_picture_that_asks_and_answers_is_hidden_as_a_query_alone(recognizer, tmp_path):
    # A folder of both spectra has no query and gallery: every picture is on both sides.
    for number in range(3):
        for spectrum in ("rgb", "nir"):
            folder = tmp_path / "both" / spectrum / f"{number}"
            folder.mkdir(parents=True)
            for shot in range(2):
                pixels = np.random.default_rng(10 * number + shot).integers(0, 255, (32, 16, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{shot}.png")
    data = f"folder:{tmp_path / 'both'}?spectrum=subfolder&identity=subfolder"
    gallery_of = []

    def scored(query, gallery, protocol):
        gallery_of.append(gallery.vectors)
        return evaluate(query, gallery, protocol)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(occlusion, "evaluate", scored)
        occlusion_scores(recognizer, data, (0.0, 0.8), protocol="cross_spectrum_no_camera", display=QUIET)
    np.testing.assert_array_equal(*gallery_of)
    split = EvaluationSplit.of(open_dataset(data), protocol="cross_spectrum_no_camera")
    assert split is not None and set(split.query) & set(split.gallery)
    plain = recognizer.embed_manifest(split.manifest).vectors[split.gallery]
    np.testing.assert_allclose(gallery_of[1], plain, atol=1e-6)
