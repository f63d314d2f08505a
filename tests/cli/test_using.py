"""Using a recognizer, as a user meets it: JSON, files."""

from __future__ import annotations

import csv
import json

from reknow.data.transforms import Preprocessing
from reknow.methods.editor.network import EditorNetworkConfig
from reknow.methods.editor.selection import SelectionConfig
from reknow.models.transformer import TransformerConfig
from reknow.recognizer import Card, Recognizer


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


def test_every_subset_of_the_spectra_is_scored_when_asked_for(reknow, tmp_path):
    trunk = TransformerConfig(image_size=(32, 16), width=16, depth=1, heads=2, patch=8)
    config = EditorNetworkConfig(trunk=trunk, selection=SelectionConfig(head_keep=1, frequency_keep=2))
    Recognizer(config, config.build(), Preprocessing(size=(32, 16)), Card(name="tiny"), "cpu").save(tmp_path / "tiny")
    world = "world:target?train_identities=0&test_identities=3&cameras=3&spectra=rgb,nir,tir"
    code, out, err = reknow("evaluate", "tiny", "--data", world, "--subsets", "--json")
    assert code == 0, err
    rows = json.loads(out)["subsets"]
    assert [len(row["spectra"]) for row in rows] == [1, 1, 1, 2, 2, 2, 3]
    assert all(0 < row["both"] <= 100 and 0 < row["query"] <= 100 for row in rows)
    code, out, _ = reknow("evaluate", "tiny", "--data", world, "--subsets")
    assert [line.split()[0] for line in out.splitlines()[-7:]] == ["+".join(row["spectra"]) for row in rows]
    code, _, err = reknow("evaluate", "shipped", "--data", world, "--subsets")
    assert code == 2
    assert "two spectra or more that both have" in err
