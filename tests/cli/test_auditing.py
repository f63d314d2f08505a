"""The audit of groups from the command line: files beside the groups, answers read back, and what is refused."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from reknow.data.embeddings import Embeddings
from reknow.data.formats import open_dataset

CLUSTER = ("cluster", "embeddings.parquet", "--k1", "8", "--min-samples", "2")


@pytest.fixture
def embedded(crops, tmp_path):
    """Vectors by which each of the six individuals is a group, but for one picture that falls among another's."""
    manifest = open_dataset(f"folder:{crops}")
    person = np.array([int(name.split("person")[1][0]) for name in manifest.column("rgb")])
    person[0] = 1
    vectors = np.eye(6, 16)[person] + 0.05 * np.random.default_rng(0).normal(size=(48, 16))
    unit = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    Embeddings(unit, manifest).write(tmp_path / "embeddings.parquet")
    return crops


def fill(file, answers, **saving):
    """Answer by the names, which carry the truth; `answers` replaces some by their place."""
    rows = list(csv.DictReader(file.read_text().splitlines()))
    for place, row in enumerate(rows):
        truth = "yes" if row["image_a"][:7] == row["image_b"][:7] else "no"
        row["same"] = answers.get(place, truth)
    with file.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0], **saving)
        writer.writeheader()
        writer.writerows(rows)
    return rows


def test_groups_are_audited_from_drawing_to_the_answers(reknow, embedded, tmp_path):
    code, out, err = reknow(*CLUSTER, "--out", "g.csv", "--audit", "30", "--json")
    assert code == 0, err
    assert json.loads(out)["audit"] == {"pairs": 30, "sheet": "g-audit.html", "file": "g-audit.csv"}
    assert (tmp_path / "g-audit.html").read_text().count("<article") == 30
    rows = fill(tmp_path / "g-audit.csv", {0: "unsure", 1: "", 2: ""}, delimiter=";")
    answers = [row["same"] for row in rows]
    code, out, err = reknow("audit", "g-audit.csv", "--json")
    assert code == 0, err
    told = json.loads(out)
    assert {word: told[word] for word in ("yes", "no", "unsure", "empty")} == {
        word: answers.count(word if word != "empty" else "") for word in ("yes", "no", "unsure", "empty")
    }
    low, high = told["interval"]
    assert low < told["precision"] < high and told["no"] > 0
    assert low < 161 / 169 < high  # groups of 9, 8, 8, 8, 8 and 7; a picture of the first has eight pairs too many
    assert sum(part["sampled"] for part in told["strata"]) == 30
    code, out, _ = reknow("audit", "g-audit.csv", "--groups", "g.csv")
    assert f"precision of pairs {told['precision']:.2f}, 95 % interval {low:.2f} to {high:.2f}" in out
    assert "(27 answered; 1 unsure, 2 empty)" in out and "note: 2 of 30 pairs have no answer yet" in out
    assert "if all unsure were no" in out


def test_the_text_says_what_to_do_and_nothing_of_an_audit_without_one(reknow, embedded):
    assert "open groups-audit.html, or fill groups-audit.csv" in reknow(*CLUSTER, "--audit", "5")[1]
    out = reknow(*CLUSTER, "--out", "plain.csv")[1]
    assert "audit" not in out


def test_more_pairs_than_there_are_take_all(reknow, embedded, tmp_path):
    facts = json.loads(reknow(*CLUSTER, "--audit", "1000", "--json")[1])
    groups = np.bincount(
        [int(row["group"]) for row in csv.DictReader((tmp_path / "groups.csv").read_text().splitlines())]
    )
    assert facts["audit"]["pairs"] == (groups * (groups - 1) // 2).sum()


@pytest.mark.parametrize("count", ["0", "-3", "1001"])
def test_a_count_that_makes_no_audit_is_refused_before_any_work(reknow, embedded, tmp_path, count):
    code, _, err = reknow(*CLUSTER, "--audit", count)
    assert code == 2 and f"--audit: {count} pairs; expected 1 to 1,000" in err
    assert not (tmp_path / "groups.csv").exists()


@pytest.mark.parametrize("file", ["g-audit.html", "g-audit.csv"])
def test_no_file_of_an_audit_is_overwritten(reknow, embedded, tmp_path, file):
    (tmp_path / file).write_text("mine")
    code, _, err = reknow(*CLUSTER, "--out", "g.csv", "--audit", "5")
    assert code == 2 and f"{file}: already exists" in err
    assert (tmp_path / file).read_text() == "mine" and not (tmp_path / "g.csv").exists()


def test_pictures_that_moved_away_are_noticed_before_any_work(reknow, embedded, tmp_path):
    embedded.rename(tmp_path / "elsewhere")
    code, _, err = reknow(*CLUSTER, "--audit", "5")
    assert code == 2 and "person0_c0_0.png: no such file" in err
    assert not (tmp_path / "groups.csv").exists()


def test_a_picture_that_is_gone_leaves_the_groups_and_no_part_of_the_audit(reknow, embedded, tmp_path):
    (embedded / "person3_c1_2.png").unlink()
    code, _, err = reknow(*CLUSTER, "--audit", "1000")
    assert code == 2 and "person3_c1_2.png: no such file" in err
    assert "groups.csv is written, the audit is not" in err and "another --out" in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["crops", "embeddings.parquet", "groups.csv"]


def test_without_groups_the_groups_are_written_and_the_audit_says_why_not(reknow, embedded, tmp_path):
    code, out, err = reknow("cluster", "embeddings.parquet", "--min-samples", "40", "--audit", "5")
    assert "believe these groups" in out and "0 groups; 48 of 48 pictures in none" in out
    assert code == 2 and "no group: all of 48 pictures are in none. groups.csv is written, the audit is not" in err
    assert "larger --eps" in err
    assert [path.name for path in tmp_path.glob("groups*")] == ["groups.csv"]


def test_an_audit_is_not_read_with_other_groups(reknow, embedded, tmp_path):
    reknow(*CLUSTER, "--out", "g.csv", "--audit", "5")
    reknow("cluster", "embeddings.parquet", "--min-samples", "40", "--out", "other.csv")
    fill(tmp_path / "g-audit.csv", {})
    code, _, err = reknow("audit", "g-audit.csv", "--groups", "other.csv")
    assert code == 2 and "g-audit.csv: an audit of the groups" in err and "--groups" in err
    code, _, err = reknow("audit", "g-audit.csv", "--groups", "embeddings.parquet")
    assert code == 2 and "embeddings.parquet: a Parquet file; expected a CSV file" in err
    assert "one file both as the answers and as the groups" in reknow("audit", "g.csv", "--groups", "./g.csv")[2]
    (tmp_path / "g-audit.csv").rename(tmp_path / "answers.csv")
    assert "does not end with -audit.csv" in reknow("audit", "answers.csv")[2]
    (tmp_path / "answers.csv").rename(tmp_path / "h-audit.csv")
    assert "h.csv: no such file. Name the CSV of the groups with --groups" in reknow("audit", "h-audit.csv")[2]


def test_nothing_filled_in_is_said(reknow, embedded):
    reknow(*CLUSTER, "--audit", "5")
    code, _, err = reknow("audit", "groups-audit.csv")
    assert code == 2 and "groups-audit.csv: no answer: the column 'same' is empty in all 5 lines" in err
