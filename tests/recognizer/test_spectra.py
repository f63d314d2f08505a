"""Evaluation of one spectrum against the others, of data with trials, and over the splits of a data set."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reknow import cli
from reknow.data.embeddings import Embeddings
from reknow.data.formats import open_dataset
from reknow.data.manifest import Manifest, one_spectrum_a_row
from reknow.errors import DataError, EvaluationError
from reknow.progress import Display
from reknow.recognizer import Recognizer
from reknow.recognizer.evaluation import EvaluationSplit, evaluate_recognizer
from reknow.recognizer.occlusion import occlusion_scores
from reknow.report.build import evaluation_report

WORLD = "world:target?train_identities=0&test_identities=4&cameras=3&spectra=rgb,nir"


def embedded(manifest: Manifest) -> Embeddings:
    vectors = np.random.default_rng(0).standard_normal((len(manifest), 8)).astype(np.float32)
    return Embeddings(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), manifest)


def test_observations_of_several_spectra_are_taken_apart() -> None:
    manifest = open_dataset(WORLD)
    split = EvaluationSplit.of(manifest, protocol="cross_spectrum")
    assert split is not None
    assert len(split.query) == 2 * len(manifest.rows_of("query"))
    result = split.score(embedded(split.manifest))
    directions = result.by_spectrum()
    assert list(directions) == ["rgb", "nir"]
    assert [scores.queries for scores in directions.values()] == [len(split.query) // 2] * 2
    halves = [scores.mAP for scores in directions.values() if scores.mAP is not None]
    assert result.in_percent().mAP == pytest.approx(np.mean(halves))
    assert EvaluationSplit.of(manifest).score(embedded(manifest)).by_spectrum() == {}


def test_panels_of_one_file_cannot_be_taken_apart() -> None:
    columns = {"rgb": ["a"], "nir": ["a"], "crop": ["0 0 1 1;1 0 2 1"], "identity": ["1"]}
    with pytest.raises(DataError, match=r"row 0 \('a@0 0 1 1;1 0 2 1'\): pictures in rgb and nir with a crop"):
        one_spectrum_a_row(Manifest.from_columns(columns, root=Path(), name="strips"))


def test_own_data_without_splits_search_everything_in_the_other_spectra() -> None:
    columns = {
        "rgb": ["a", "b", None, None, "c"],
        "nir": [None, None, "d", "e", None],
        "identity": ["1", "2", "1", "2", None],
        "camera": ["day", "day", "night", "night", "day"],
    }
    manifest = Manifest.from_columns(columns, root=Path(), name="own", protocol="cross_spectrum")
    split = EvaluationSplit.of(manifest)
    assert split is not None and split.query.tolist() == split.gallery.tolist() == [0, 1, 2, 3]
    assert "every picture is a query, and in the gallery of the other spectra" in split.notes[0]
    result = split.score(embedded(manifest))
    assert result.scores.valid == 4
    alone = replace(manifest.select([0, 1]), notes=())
    with pytest.raises(EvaluationError, match="pictures of one spectrum alone, rgb"):
        EvaluationSplit.of(alone).score(embedded(alone))


def test_a_report_shows_rankings_of_the_other_spectrum(recognizer: Recognizer, tmp_path: Path) -> None:
    evaluation = evaluate_recognizer(
        recognizer, WORLD, protocol="cross_spectrum", rerank=True, display=Display(quiet=True)
    )
    numbers = evaluation.numbers
    assert numbers["protocol"] == numbers["reranked"]["protocol"] == "cross_spectrum"
    assert set(numbers["by_query_spectrum"]) == {"rgb", "nir"}
    assert evaluation_report(evaluation, tmp_path / "report").is_file()
    shown = evaluation.result.shown()
    assert len(shown.query) == len(evaluation.result.scores.average_precision)


def test_hidden_queries_are_those_of_the_same_protocol(recognizer: Recognizer) -> None:
    scored = occlusion_scores(recognizer, WORLD, (0.0,), protocol="cross_spectrum", display=Display(quiet=True))
    assert 0 < scored[0].mAP <= 100


def sysu(root: Path) -> str:
    """Three people in every camera, two pictures of each."""
    generator = np.random.default_rng(0)
    for camera in range(1, 7):
        for identity in (1, 2, 3):
            folder = root / f"cam{camera}" / f"{identity:04d}"
            folder.mkdir(parents=True)
            for shot in (1, 2):
                pixels = generator.integers(0, 256, (32, 16, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{shot:04d}.jpg")
    (root / "exp").mkdir()
    for name, text in (("train_id", "1"), ("val_id", "1"), ("test_id", "2,3")):
        (root / "exp" / f"{name}.txt").write_text(text)
    return f"sysu_mm01:{root}"


def test_ten_trials_from_files_to_report(recognizer: Recognizer, tmp_path: Path) -> None:
    data = sysu(tmp_path / "sysu")
    evaluation = evaluate_recognizer(recognizer, data, rerank=True, display=Display(quiet=True))
    numbers, result = evaluation.numbers, evaluation.result
    assert (numbers["protocol"], numbers["queries"]) == ("sysu_all", 8)
    assert len(result.scores.trials) == 10 and len(result.gallery) == 16
    assert any(note.startswith("Means of 10 trials, whose rank-1 is") for note in numbers["notes"])
    assert numbers["mAP"] == pytest.approx(100 * np.mean([trial.mAP for trial in result.scores.trials]))
    assert numbers["reranked"]["mAP"] is not None
    assert len(result.shown().gallery) == 8
    assert evaluation_report(evaluation, tmp_path / "report").is_file()
    indoor = evaluate_recognizer(recognizer, data, protocol="sysu_indoor", display=Display(quiet=True)).result
    assert set(indoor.gallery.manifest.column("camera")) == {"1", "2"}


def regdb(root: Path, splits: int) -> None:
    generator = np.random.default_rng(0)
    (root / "idx").mkdir(parents=True)
    for split in range(1, splits + 1):
        for half, person in (("train", 1), ("test", 2), ("test", 3)):
            for camera in ("visible", "thermal"):
                name = f"{camera.capitalize()}/{split}/{person}.bmp"
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(generator.integers(0, 256, (32, 16, 3), dtype=np.uint8)).save(root / name)
                with (root / "idx" / f"{half}_{camera}_{split}.txt").open("a") as lines:
                    lines.write(f"{name} {person}\n")


def test_every_split_is_scored_with_its_own_recognizer(
    recognizer: Recognizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    regdb(tmp_path / "RegDB", 2)
    for split in (1, 2):
        recognizer.save(tmp_path / f"split_{split}")
    command = ["evaluate", "split_{split}", "--data", "regdb:RegDB?split={split}", "--splits", "2"]
    assert cli.main([*command, "--protocol", "regdb_t2v", "--json"]) == 0
    numbers = json.loads(capsys.readouterr().out)
    assert [row["dataset"] for row in numbers["splits"]] == ["regdb:RegDB?split=1", "regdb:RegDB?split=2"]
    assert numbers["mAP"] == pytest.approx(np.mean([row["mAP"] for row in numbers["splits"]]))
    assert (numbers["queries"], numbers["protocol"]) == (4, "regdb_t2v")
    assert cli.main(command) == 0
    printed = capsys.readouterr().out
    assert "regdb:RegDB?split=2: mAP" in printed and "protocol regdb_v2t: 4 queries" in printed
    for wrong in (["--splits", "0"], ["--splits", "2", "--rerank"]):
        assert cli.main([*command[:-2], *wrong]) == 2
        assert "--splits" in capsys.readouterr().err
    assert cli.main(["evaluate", "split_1", "--data", "regdb:RegDB", "--splits", "2"]) == 2
    assert "expected 1 or more, and {split} in both names" in capsys.readouterr().err
