"""Subsets: every one is scored with what it holds and nothing else, on both sides or in the query alone."""

from __future__ import annotations

import numpy as np
import pytest

from reknow.data.formats import open_dataset
from reknow.errors import EvaluationError
from reknow.evaluation.ranking import evaluate
from reknow.progress import Display
from reknow.recognizer import Recognizer, load
from reknow.recognizer.evaluation import EvaluationSplit
from reknow.recognizer.subsets import subset_scores, subsets

WORLD = "world:target?train_identities=0&test_identities=5&cameras=3&spectra=rgb,nir,tir"


@pytest.fixture
def quiet() -> Display:
    return Display(quiet=True)


def test_seven_subsets_and_the_whole_is_the_usual_score(recognizer: Recognizer, quiet: Display) -> None:
    scored = subset_scores(recognizer, WORLD, display=quiet)
    assert [one.name for one in scored] == ["rgb", "nir", "tir", "rgb+nir", "rgb+tir", "nir+tir", "rgb+nir+tir"]
    split = EvaluationSplit.of(open_dataset(WORLD))
    usual = split.score(recognizer.embed_manifest(split.manifest)).scores
    assert scored[-1].both == scored[-1].query == pytest.approx(100 * usual.mAP, abs=1e-9)
    assert scored[-1].both_rank1 == pytest.approx(100 * usual.rank1, abs=1e-9)
    assert len({round(one.both, 6) for one in scored}) > 4


def test_a_subset_is_scored_as_if_nothing_else_had_been_taken(recognizer: Recognizer, quiet: Display) -> None:
    thermal = next(one for one in subset_scores(recognizer, WORLD, display=quiet) if one.name == "tir")
    alone = WORLD.replace("rgb,nir,tir", "tir")
    split = EvaluationSplit.of(open_dataset(alone))
    scores = split.score(recognizer.embed_manifest(split.manifest)).scores
    assert thermal.both == pytest.approx(100 * scores.mAP, abs=1e-9)
    both = EvaluationSplit.of(open_dataset(WORLD))
    query = recognizer.embed_manifest(open_dataset(alone).split("query"))
    gallery = recognizer.embed_manifest(both.manifest.split("gallery"))
    assert thermal.query == pytest.approx(100 * evaluate(query, gallery, both.protocol).mAP, abs=1e-9)


def test_rows_without_any_of_a_subset_are_left_out(recognizer: Recognizer, quiet: Display, tmp_path) -> None:
    manifest = open_dataset(WORLD)
    table = tmp_path / "some.csv"
    manifest.write(table)
    lines = table.read_text().splitlines()
    names = lines[0].split(",")
    lacking = next(n for n, line in enumerate(lines) if n and "query" in line)
    cells = lines[lacking].split(",")
    cells[names.index('"tir"' if '"tir"' in names else "tir")] = ""
    lines[lacking] = ",".join(cells)
    table.write_text("\n".join(lines) + "\n")
    by_name = {one.name: one for one in subset_scores(recognizer, f"table:{table}", display=quiet)}
    whole = len(manifest.rows_of("query"))
    assert (by_name["tir"].queries, by_name["rgb"].queries, by_name["rgb+tir"].queries) == (whole - 1, whole, whole)


def test_one_spectrum_has_no_subsets(quiet: Display) -> None:
    with pytest.raises(EvaluationError, match="rgb, nir, tir; the recognizer uses rgb; expected two spectra or more"):
        subset_scores(load(device="cpu"), WORLD, display=quiet)


def test_subsets_are_all_that_are_not_empty() -> None:
    assert len(subsets(("rgb", "nir", "tir"))) == 7
    assert subsets(("nir",)) == [("nir",)]


def test_scores_are_known_or_null(recognizer: Recognizer, quiet: Display) -> None:
    one = subset_scores(recognizer, WORLD, display=quiet)[0].as_json()
    assert one["spectra"] == ["rgb"]
    assert all(value is None or np.isfinite(value) for name, value in one.items() if name != "spectra")
