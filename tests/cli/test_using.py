"""Using a recognizer, as a user meets it: JSON, files."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from reknow.data.embeddings import Embeddings
from reknow.data.manifest import Manifest
from reknow.data.transforms import Preprocessing
from reknow.methods.editor.network import EditorNetworkConfig
from reknow.methods.editor.selection import SelectionConfig
from reknow.models.transformer import TransformerConfig
from reknow.recognizer import Card, Recognizer


def embedded_individuals(individuals: int, pictures: int, folder) -> None:
    """``e.parquet``: so many individuals with so many pictures each, far from each other."""
    generator, count = np.random.default_rng(0), individuals * pictures
    rows = np.repeat(generator.normal(size=(individuals, 64)), pictures, axis=0)
    rows += 0.3 * generator.normal(size=(count, 64))
    manifest = Manifest.from_columns({"rgb": [f"{n}.jpg" for n in range(count)]}, root=folder, name="made")
    vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    Embeddings(vectors, manifest).write(folder / "e.parquet")


def test_own_pictures_from_training_to_groups(reknow, crops, tiny_recipe, tmp_path):
    code, out, err = reknow("train", "cluster_contrast", "--data", f"folder:{crops}", "--out", "run", "--json")
    assert code == 0, err
    summary = json.loads(out)
    assert summary["run"] == "run"
    assert (tmp_path / "run" / "report.html").stat().st_size > 10_000
    code, out, _ = reknow("embed", "run", "--data", f"folder:{crops}", "--json")
    assert code == 0
    assert json.loads(out)["pictures"] == 48
    assert Embeddings.read(tmp_path / "embeddings.parquet").measures is not None
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


def test_hidden_queries_are_scored_when_asked_for(reknow):
    world = "world:target?train_identities=0&test_identities=4&cameras=3"
    code, out, err = reknow("evaluate", "shipped", "--data", world, "--occlusion", "--json")
    assert code == 0, err
    rows = json.loads(out)["occlusion"]
    assert [row["hidden"] for row in rows] == [0.2, 0.4, 0.6, 0.8]
    plain = reknow("evaluate", "shipped", "--data", world, "--occlusion")[1].splitlines()[-4:]
    assert [line.split()[0] for line in plain] == ["20%", "40%", "60%", "80%"]
    assert float(plain[-1].split()[3]) == pytest.approx(rows[-1]["mAP"], abs=0.06)


def test_scores_say_what_they_were_made_with(reknow, crops):
    labelled = rf"folder:{crops}?identity_pattern=(person\d+)&camera=_c(\d)_"
    plain = reknow("evaluate", "shipped", "--data", labelled, "--rerank")[1]
    assert "scores made in 32 bit from pictures of 128 x 64; in brackets 95 % intervals over queries" in plain
    lines = plain.splitlines()
    after = lines.index("after k-reciprocal re-ranking:")
    numbers = json.loads(reknow("evaluate", "shipped", "--data", labelled, "--rerank", "--json")[1])
    for line, values in ((lines[after - 5], numbers), (lines[after + 1], numbers["reranked"])):
        low, high = values["intervals"]["mAP"]
        assert line == f"    mAP {values['mAP']:5.1f} [{low:.1f}, {high:.1f}]"
    assert (numbers["score_precision"], numbers["score_size"]) == ("32", [128, 64])
    other = reknow("evaluate", "shipped", "--data", labelled, "--precision", "bf16", "--size", "96", "48", "--json")
    numbers = json.loads(other[1])
    assert (numbers["score_precision"], numbers["score_size"]) == ("bf16", [96, 48])
    code, _, err = reknow("evaluate", "shipped", "--data", labelled, "--size", "5", "4")
    assert code == 2 and "multiples of the stride 16" in err


def test_the_report_has_the_numbers_after_re_ranking(reknow, crops, tmp_path):
    labelled = rf"folder:{crops}?identity_pattern=(person\d+)&camera=_c(\d)_"
    code, out, _ = reknow("evaluate", "shipped", "--data", labelled, "--rerank", "--out", "scores", "--json")
    page = (tmp_path / "scores" / "report.html").read_text()
    assert code == 0 and '<th scope="col">Re-ranked</th>' in page
    assert f"<td>{json.loads(out)['reranked']['mAP']:.1f}" in page
    assert "scores made in 32 bit from pictures of 128 x 64" in page


def test_another_protocol_is_taken_and_an_unknown_one_refused_at_once(reknow, crops):
    one_camera = rf"folder:{crops}?identity_pattern=(person\d+)&camera=(p)erson"
    out = reknow("evaluate", "shipped", "--data", one_camera)[1]
    assert "All queries are of one camera ('p')" in out and "--protocol no_camera" in out
    out = reknow("evaluate", "shipped", "--data", one_camera, "--protocol", "no_camera")[1]
    assert "protocol no_camera" in out and "mAP" in out
    code, _, err = reknow("evaluate", "shipped", "--data", one_camera, "--protocol", "no_camra")
    assert code == 2 and "Did you mean 'no_camera'" in err


def test_groups_of_two_are_found_and_the_sizes_said(reknow, tmp_path):
    embedded_individuals(200, 2, tmp_path)
    code, out, _ = reknow("cluster", "e.parquet", "--json")
    facts = json.loads(out)
    assert code == 0 and facts["groups"] == 200 and facts["in_no_group"] == 0
    assert (facts["k1"], facts["k2"], facts["min_samples"]) == (4, 2, 2)
    assert "Individuals seem to have 2 pictures each" in facts["notes"][0]
    code, out, _ = reknow("cluster", "e.parquet", "--out", "other.csv", "--k1", "30", "--k2", "6", "--min-samples", "2")
    assert "k1 30, k2 6, min_samples 2" in out
    code, _, err = reknow("cluster", "e.parquet", "--out", "none.csv", "--k1", "4", "--k2", "6")
    assert code == 2 and "k2: " in err and "6 with k1 4" in err and "--k2 4 or less" in err
    assert not (tmp_path / "none.csv").exists()


def test_a_radius_near_the_bounds_is_said_as_it_was_given(reknow, tmp_path):
    embedded_individuals(40, 10, tmp_path)
    assert "(eps 0.999, " in reknow("cluster", "e.parquet", "--out", "one.csv", "--eps", "0.999")[1]
    assert "(eps 0.004, " in reknow("cluster", "e.parquet", "--out", "none.csv", "--eps", "0.004")[1]


def test_groups_come_with_how_far_to_believe_them(reknow, tmp_path):
    embedded_individuals(40, 10, tmp_path)
    code, out, _ = reknow("cluster", "e.parquet", "--expect-individuals", "100:300")
    first, second = out.splitlines()[:2]
    assert code == 0
    assert first.startswith("Most of these groups can be believed: support 1.00 of 1")
    assert second.startswith("warning: 40 groups where 100 to 300 individuals are expected")
    code, out, _ = reknow("cluster", "e.parquet", "--out", "more.csv", "--expect-individuals", "30:50", "--json")
    trust = json.loads(out)["trust"]
    assert (trust["support"], trust["warnings"], trust["expected_individuals"]) == (1.0, [], [30, 50])
    code, _, err = reknow("cluster", "e.parquet", "--out", "none.csv", "--expect-individuals", "many")
    assert code == 2
    assert "--expect-individuals" in err
    assert not (tmp_path / "none.csv").exists()


def test_how_a_file_of_weights_was_read_is_said(reknow, crops, tmp_path):
    import torch

    from reknow.models.osnet import OSNetConfig

    torch.save(OSNetConfig(width=0.25).build().state_dict(), tmp_path / "w.pth")
    code, out, err = reknow("embed", "w.pth", "--data", f"folder:{crops}", "--size", "64", "32")
    assert code == 0, err
    assert out.splitlines()[0].startswith("note: weights: torchreid OSNet x0.25 from w.pth")
    labelled = rf"folder:{crops}?identity_pattern=(person\d+)&camera=_c(\d)_"
    told = json.loads(reknow("evaluate", "w.pth?size=64x32", "--data", labelled, "--json")[1])
    assert told["notes"][0].startswith("weights: torchreid OSNet x0.25") and told["score_size"] == [64, 32]
