"""Looking at a data set, as a user meets it: exit codes, JSON, tables."""

from __future__ import annotations

import json


def test_an_empty_folder_says_so(reknow, tmp_path):
    (tmp_path / "empty").mkdir()
    code, _, err = reknow("data", "show", "folder:empty")
    assert code == 2
    assert "empty" in err


def test_the_doctor_exits_1_on_errors(reknow, crops):
    (crops / "person0_c0_0.jpg").write_text("not a picture")
    code, out, _ = reknow("data", "check", f"folder:{crops}", "--json")
    assert code == 1
    report = json.loads(out)
    assert any(
        "person0_c0_0.jpg" in finding["where"] or "person0_c0_0.jpg" in finding["message"]
        for finding in report["findings"]
    )


def test_import_writes_a_table_that_reads_back(reknow, crops, tmp_path):
    assert reknow("data", "import", f"folder:{crops}", "--out", "rows.csv")[0] == 0
    code, out, _ = reknow("data", "show", "table:rows.csv", "--json")
    assert code == 0
    assert "48" in out
    assert reknow("data", "import", f"folder:{crops}", "--out", "rows.csv")[0] == 2


def test_own_columns_are_shown_and_imported(reknow, crops, tmp_path):
    picture = sorted(path.name for path in crops.iterdir())[0]
    (tmp_path / "m.csv").write_text(f'image,caption,breed\n{crops}/{picture},"a goat,\nwhite",Boer\n')
    code, out, _ = reknow("data", "show", "table:m.csv")
    assert code == 0
    assert "note: m.csv: kept as own columns: caption, breed." in out
    assert "own column 'caption': 1 cells filled, 1 different: a goat, white\n" in out
    for name in ("n.csv", "n.parquet"):
        assert reknow("data", "import", "table:m.csv", "--out", name)[0] == 0
        code, out, _ = reknow("data", "show", f"table:{name}", "--json")
        assert code == 0
        assert list(json.loads(out)["own_columns"]) == ["caption", "breed"]
        assert json.loads(reknow("data", "check", f"table:{name}", "--json")[1])["errors"] == 0
