"""Using a recognizer, as a user meets it: JSON, files."""

from __future__ import annotations

import csv
import json


def test_own_pictures_from_training_to_groups(reknow, crops, tiny_recipe, tmp_path):
    code, out, err = reknow("train", "cluster_contrast", "--data", f"folder:{crops}", "--out", "run", "--json")
    assert code == 0, err
    summary = json.loads(out)
    assert summary["run"] == "run"
    assert (tmp_path / "run" / "report.html").stat().st_size > 10_000
    code, out, _ = reknow("embed", "run", "--data", f"folder:{crops}", "--json")
    assert code == 0
    assert json.loads(out)["pictures"] == 48
    code, out, _ = reknow("cluster", "embeddings.parquet", "--k1", "8", "--min-samples", "2", "--json")
    assert code == 0
    rows = list(csv.DictReader((tmp_path / "groups.csv").read_text().splitlines()))
    assert len(rows) == 48
    assert {row["image"] for row in rows} == {path.name for path in crops.iterdir()}
    assert len({row["group"] for row in rows} - {"-1"}) == json.loads(out)["groups"]
    labelled = rf"folder:{crops}?identity_pattern=(person\d+)&camera=_c(\d)_"
    code, out, _ = reknow("evaluate", "run", "--data", labelled, "--rerank", "--out", "scores", "--json")
    assert code == 0
    numbers = json.loads(out)
    assert 0 < numbers["mAP"] <= 100
    assert numbers["intervals"]["mAP"][0] <= numbers["mAP"] <= numbers["intervals"]["mAP"][1]
    assert 0 < numbers["reranked"]["mAP"] <= 100
    assert (tmp_path / "scores" / "report.html").is_file()
    assert json.loads((tmp_path / "scores" / "scores.json").read_text()) == numbers


def test_nothing_is_overwritten(reknow, crops, tmp_path):
    (tmp_path / "embeddings.parquet").write_text("mine")
    code, _, err = reknow("embed", "shipped", "--data", f"folder:{crops}")
    assert code == 2
    assert "already exists" in err
    assert (tmp_path / "embeddings.parquet").read_text() == "mine"
