"""Explaining a run, as a user meets it. ``explain tokens`` is tested beside its parts, in tests/explain."""

from __future__ import annotations

import json

from PIL import Image


def test_ranks_are_drawn_and_told(reknow, crops, tiny_recipe, tmp_path):
    assert reknow("train", "cluster_contrast", "--data", f"folder:{crops}", "--out", "run")[0] == 0
    labelled = rf"folder:{crops}?identity_pattern=(person\d+)&camera=_c(\d)_"
    code, out, err = reknow("explain", "ranks", "run", "--data", labelled, "--count", "1", "--json")
    assert code == 0, err
    facts = json.loads(out)
    assert [row["kind"] for row in facts["queries_shown"]] == ["best", "typical", "worst"]
    assert {found["observation"] for row in facts["queries_shown"] for found in row["found"]} <= {
        path.name for path in crops.iterdir()
    }
    with Image.open(tmp_path / facts["file"]) as sheet:
        assert sheet.format == "PNG" and sheet.height > sheet.width / 2
    code, out, _ = reknow("explain", "ranks", "run", "--data", labelled, "--out", "again.png")
    assert out.splitlines()[-1] == "sheet: again.png" and out.count("of 10 match") == 6


def test_ranks_need_identities_and_a_new_file(reknow, crops, tiny_recipe, tmp_path):
    assert reknow("train", "cluster_contrast", "--data", f"folder:{crops}", "--out", "run")[0] == 0
    code, _, err = reknow("explain", "ranks", "run")
    assert code == 2 and "identit" in err
    assert not (tmp_path / "ranks.png").exists()
    (tmp_path / "ranks.png").write_text("mine")
    code, _, err = reknow("explain", "ranks", "run")
    assert code == 2 and "already exists" in err
    assert (tmp_path / "ranks.png").read_text() == "mine"


def test_no_queries_at_all_are_refused(reknow, crops, tiny_recipe, tmp_path):
    assert reknow("train", "cluster_contrast", "--data", f"folder:{crops}", "--out", "run")[0] == 0
    labelled = rf"folder:{crops}?identity_pattern=(person\d+)&camera=_c(\d)_"
    code, _, err = reknow("explain", "ranks", "run", "--data", labelled, "--count", "0")
    assert code == 2 and "--count: 0; expected 1 or more" in err
    assert not (tmp_path / "ranks.png").exists()
