"""The sheet of an audit: every pair with both pictures and three answers, names escaped, one script and no other."""

from __future__ import annotations

import base64
import csv
import hashlib
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reknow.data.groups import Groups
from reknow.data.manifest import Manifest
from reknow.errors import DataError
from reknow.evaluation.audit import audit_pairs
from reknow.evaluation.audit_file import audit_lines, read_audit
from reknow.report import audit_sheet as module
from reknow.report.audit_sheet import audit_sheet

NASTY = '<b>"x", y & z</b>\'.png'.replace("/", "")


@pytest.fixture
def manifest(tmp_path, picture):
    names = [f"{number}.png" for number in range(7)] + [NASTY]
    for number, name in enumerate(names):
        Image.fromarray(picture(number, 64, 32)).save(tmp_path / name)
    return Manifest.from_columns({"rgb": names}, root=tmp_path, name="made")


@pytest.fixture
def groups(manifest):
    return Groups.of(manifest, np.array([0, 0, 0, 1, 1, -1, 2, 2]))


@pytest.fixture
def sheet(manifest, groups) -> str:
    return audit_sheet(audit_pairs(groups.labels, 50), groups, manifest, Path("a b/g.csv"), Path("a b/g-audit.csv"))


def test_every_pair_has_its_two_pictures_and_three_answers(sheet, groups, parse):
    page = parse(sheet)
    pairs = audit_pairs(groups.labels, 50).pairs
    assert len(page.all("article")) == len(pairs) == 5
    assert [words.split() for words in page.words("legend")] == [["Pair", str(n)] for n in range(1, 6)]
    assert page.words("span")[:4] == [f"group {pairs[0].group}", "yes", "no", "unsure"]
    shown = [groups.images[row] for pair in pairs for row in (pair.first, pair.second)]
    assert page.words("code")[2:-1] == shown  # behind those of the words for readers without a script
    assert [image["alt"].split(": ", 1)[1] for image in page.all("img")] == shown
    inputs = [(button["type"], button["name"], button["value"]) for button in page.all("input")]
    assert inputs == [("radio", f"pair-{n}", word) for n in range(1, 6) for word in ("yes", "no", "unsure")]
    assert "reknow audit 'a b/g-audit.csv' --groups 'a b/g.csv'" in page.words("pre")


def test_what_the_recognizer_thinks_is_not_shown(manifest, groups):
    vectors = np.random.default_rng(0).normal(size=(8, 4))
    audit = audit_pairs(groups.labels, 50, vectors=vectors)
    sheet = audit_sheet(audit, groups, manifest, Path("g.csv"), Path("g-audit.csv"))
    visible = re.sub(r'data-line="[^"]*"', "", sheet)
    assert not re.search(r"\bnear\b|\bfar\b|similar", re.sub(r"<(style|script)>.*?</\1>", "", visible, flags=re.DOTALL))


def test_the_download_is_the_csv_with_answers(sheet, manifest, groups, parse, tmp_path):
    """As audit_sheet.js joins it: the line, the answer, a comma, the audit's name."""
    page = parse(sheet)
    body = page.all("body")[0]
    audit = audit_pairs(groups.labels, 50)
    lines = [f"{pair['data-line']}yes,{body['data-audit']}" for pair in page.all("article")]
    assert "${pair.dataset.line}${answerOf(pair)},${audit}" in sheet
    (tmp_path / "filled.csv").write_text("\r\n".join([body["data-header"], *lines, ""]), newline="")
    read = read_audit(tmp_path / "filled.csv", groups, Path("g.csv"))
    assert read.pairs == audit.pairs and set(read.answers) == {"yes"}
    assert body["data-file"] == "g-audit.csv"
    empty = list(csv.DictReader(audit_lines(audit, groups)))
    assert [row["same"] for row in empty] == [""] * 5


def test_names_are_escaped_and_nothing_is_loaded(sheet, parse):
    page = parse(sheet)
    assert NASTY not in sheet and NASTY in page.words("code")
    assert page.all("b") == []
    for _, attributes in page.tags:
        for name in ("src", "href", "srcset", "action"):
            assert re.match(r"data:", attributes.get(name, "data:")), attributes
        assert not any(name.startswith("on") for name in attributes)
    assert "://" not in sheet and "@import" not in sheet and "url(" not in sheet


def test_the_policy_allows_the_one_script_by_its_hash(sheet, parse):
    script = re.findall(r"<script>(.*?)</script>", sheet, flags=re.DOTALL)
    assert len(script) == len(parse(sheet).all("script")) == 1
    digest = base64.b64encode(hashlib.sha256(script[0].encode()).digest()).decode()
    policy = next(meta["content"] for meta in parse(sheet).all("meta") if meta.get("http-equiv"))
    assert policy == f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"


def test_without_a_script_there_is_no_dead_button_and_the_csv_is_named(sheet, parse):
    page = parse(sheet)
    assert [bar for bar in page.all("div") if bar.get("class") == "bar" and "hidden" in bar]
    assert "g-audit.csv" in re.findall(r"<noscript>(.*?)</noscript>", sheet, flags=re.DOTALL)[0]


def test_only_pictures_of_the_pairs_are_read_and_one_that_is_gone_is_named(manifest, groups, tmp_path):
    (tmp_path / "5.png").unlink()  # in no group
    audit = audit_pairs(groups.labels, 50)
    audit_sheet(audit, groups, manifest, Path("g.csv"), Path("g-audit.csv"))
    (tmp_path / "4.png").unlink()
    with pytest.raises(DataError, match=r"4.png: no such file"):
        audit_sheet(audit, groups, manifest, Path("g.csv"), Path("g-audit.csv"))


def test_large_pictures_are_made_small_at_once(picture):
    assert module._shrunk(picture(0, 2000, 1000)).shape == (module.LONGEST, module.LONGEST // 2, 3)
    assert module._shrunk(picture(0, 64, 32)).shape == (64, 32, 3)
