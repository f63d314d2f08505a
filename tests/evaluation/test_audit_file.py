"""The CSV of an audit: back as it was, however a spreadsheet saves it; and what is said where it was changed."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reknow.data.groups import Groups
from reknow.errors import DataError
from reknow.evaluation.audit import ANSWERS, Audit, audit_pairs
from reknow.evaluation.audit_file import COLUMNS, WORDS, audit_lines, read_audit

NAMES = tuple(f'a, b/{number:04d}; é "{number}".jpg' for number in range(60))
GROUPS = Groups(NAMES, np.repeat([0, 1, 2, 3, -1], [2, 10, 10, 30, 8]))
FILE = Path("groups.csv")


def filled(audit: Audit) -> Audit:
    return replace(audit, answers=tuple(ANSWERS[number % 4] for number in range(len(audit.pairs))))


VECTORS = np.random.default_rng(0).normal(size=(60, 4))
AUDIT = filled(audit_pairs(GROUPS.labels, 30, vectors=VECTORS))


def table() -> list[dict[str, str]]:
    return list(csv.DictReader(audit_lines(AUDIT, GROUPS)))


def saved(path: Path, rows: list[dict[str, str]], delimiter: str = ",", end: str = "\r\n", mark: str = "") -> Path:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else COLUMNS, delimiter=delimiter, lineterminator=end)
    writer.writeheader()
    writer.writerows(rows)
    path.write_bytes((mark + text.getvalue()).encode())
    return path


@given(st.lists(st.integers(-1, 5), min_size=2, max_size=30), st.integers(1, 40), st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_written_is_read_back(tmp_path, labels, count, with_vectors):
    groups = Groups(NAMES[: len(labels)], np.array(labels))
    if not any(labels.count(label) > 1 for label in labels if label >= 0):
        return
    audit = filled(audit_pairs(groups.labels, count, vectors=VECTORS[: len(labels)] if with_vectors else None))
    file = tmp_path / "audit.csv"
    file.write_text("\n".join(audit_lines(audit, groups)), encoding="utf-8")
    assert read_audit(file, groups, FILE) == audit


@pytest.mark.parametrize(
    "saving",
    [{"delimiter": ";"}, {"delimiter": "\t"}, {"end": "\n"}, {"mark": "\ufeff"}, {"end": "\r", "delimiter": ";"}],
)
def test_it_is_read_as_spreadsheets_save_it(tmp_path, saving):
    rows = [{**row, "remark": "blurred"} for row in reversed(table())]
    assert read_audit(saved(tmp_path / "a.csv", rows, **saving), GROUPS, FILE) == AUDIT


def test_answers_in_any_case_with_spaces_and_by_their_first_letter(tmp_path):
    words = ["YES", " yes ", "y", "Y", "No", "n ", "UNSURE", "U", " "]
    rows = [{**row, "same": words[number % len(words)]} for number, row in enumerate(table())]
    read = read_audit(saved(tmp_path / "a.csv", rows), GROUPS, FILE)
    expected = ["yes"] * 4 + ["no"] * 2 + ["unsure"] * 2 + [""]
    assert list(read.answers) == [expected[number % 9] for number in range(30)]
    assert set(WORDS.values()) == set(ANSWERS)


@pytest.mark.parametrize("word", ["ja", "1", "0", "true", "maybe", "yes?", "yes no", "-"])
def test_other_words_are_refused_with_their_pair_and_column(tmp_path, word):
    rows = table()
    rows[6]["same"] = word
    with pytest.raises(DataError) as raised:
        read_audit(saved(tmp_path / "a.csv", rows), GROUPS, FILE)
    assert raised.value.where == f"{tmp_path / 'a.csv'}, pair 7, column 'same'"
    assert raised.value.found == f"'{word}'" and "yes, no, unsure" in raised.value.expected


def changed(row: int, **cells: str):
    return lambda rows: [{**line, **cells} if number == row else line for number, line in enumerate(rows)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows[:4] + rows[5:], "a.csv: no line for pair 5; expected 30 lines"),
        (lambda rows: rows[:3], "no line for pair 4, 5, .*, 13 and others"),
        (lambda rows: [*rows, rows[2]], "a.csv, row 31 below the header, column 'pair': pair 3 a second time"),
        (lambda rows: [], "no line below the header"),
        (changed(1, pair="two"), "row 2 below the header, column 'pair': 'two'; expected a number from 1 to 30"),
        (changed(1, pair="31"), "column 'pair': '31'"),
        (changed(1, image_b="new.jpg"), "pair 2, column 'image_b': 'new.jpg', which is not in group . of groups.csv"),
        (changed(1, image_a=NAMES[-1]), "pair 2, column 'image_a': .* which is not in group"),
        (changed(1, group="-1", image_a=NAMES[-1], image_b=NAMES[-2]), "pair 2, column 'image_a'"),
        (changed(1, stratum="groups of 99: far"), "pair 2, column 'stratum': 'groups of 99: far'; expected groups of"),
        (changed(1, audit="mine"), "row 2 below the header, column 'audit': 'mine'"),
        (lambda rows: [{**row, "audit": "mine"} for row in rows], "row 1 below the header, column 'audit'"),
        (lambda rows: [{**row, "same": ""} for row in rows], "no answer: the column 'same' is empty in all 30 lines"),
    ],
)  # fmt: skip
def test_what_was_changed_is_named(tmp_path, change, message):
    with pytest.raises(DataError, match=message):
        read_audit(saved(tmp_path / "a.csv", change(table())), GROUPS, FILE)


def test_one_picture_twice_is_no_pair(tmp_path):
    rows = table()
    rows[0]["image_b"] = rows[0]["image_a"]
    with pytest.raises(DataError, match=r"pair 1: the picture .* twice"):
        read_audit(saved(tmp_path / "a.csv", rows), GROUPS, FILE)


def test_two_rows_of_one_name_are_a_pair(tmp_path):
    groups = Groups(("frame.jpg", "frame.jpg"), np.array([0, 0]))
    audit = filled(audit_pairs(groups.labels, 5))
    (tmp_path / "a.csv").write_text("\n".join(audit_lines(audit, groups)), encoding="utf-8")
    assert read_audit(tmp_path / "a.csv", groups, FILE) == audit


def test_an_audit_of_other_groups_is_noticed(tmp_path):
    file = saved(tmp_path / "a.csv", table())
    regrouped = GROUPS.labels.copy()
    regrouped[-1] = 3
    for other in (Groups(NAMES, regrouped), Groups((*NAMES[:-1], "x.jpg"), GROUPS.labels)):
        with pytest.raises(DataError, match=r"an audit of the groups .* and groups.csv holds the groups"):
            read_audit(file, other, FILE)
    order = np.random.default_rng(0).permutation(60)  # a sorted file has the same groups
    again = Groups(tuple(NAMES[row] for row in order), GROUPS.labels[order])
    assert read_audit(file, again, FILE).answers == AUDIT.answers


@pytest.mark.parametrize("column", COLUMNS)
def test_a_renamed_column_is_missing(tmp_path, column):
    rows = [{("other" if name == column else name): cell for name, cell in row.items()} for row in table()]
    with pytest.raises(DataError, match=f"a.csv: no column {column} among .*other"):
        read_audit(saved(tmp_path / "a.csv", rows), GROUPS, FILE)


def test_no_file_and_a_folder_are_said(tmp_path):
    for path, content in ((tmp_path / "absent.csv", "no such file"), (tmp_path, "a folder")):
        with pytest.raises(DataError, match=content):
            read_audit(path, GROUPS, FILE)
