"""``reknow study``, as a user meets it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from reknow import cli
from reknow.studies import catalog
from reknow.studies.catalog import STUDIES
from reknow.training import loop


@pytest.fixture
def only_small(small, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(catalog, "STUDIES", {"small": lambda scale: small})


def test_without_a_name_all_studies_are_listed_with_their_questions(capsys):
    assert cli.main(["study"]) == 0
    printed = capsys.readouterr().out
    for name, function in STUDIES.items():
        assert f"{name} " in printed
        assert function("laptop").question in printed


def test_a_misspelt_name_is_one_line_and_exit_code_2(capsys):
    assert cli.main(["study", "tcm"]) == 2
    assert "Did you mean 'tcmm'" in capsys.readouterr().err


def test_a_study_prints_its_table_and_keeps_its_folder(only_small, capsys, tmp_path):
    assert cli.main(["study", "small", "--quick", "--seeds", "1"]) == 0
    assert "| slower" in capsys.readouterr().out
    assert (tmp_path / "runs" / "study-small-quick" / "plot.png").is_file()
    assert cli.main(["study", "small", "--quick", "--seeds", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["study"] == "small"


def test_other_data_have_a_folder_of_their_own_and_are_refused_where_rows_are_worlds(
    small, crops, monkeypatch, tmp_path, capsys
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(catalog, "STUDIES", {"small": lambda scale: replace(small, any_data=True)})
    data = rf"folder:{crops}?identity_pattern=(person\d+)"
    assert cli.main(["study", "small", "--quick", "--seeds", "1", "--data", data, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["base"]["data"] == data
    assert (tmp_path / "runs" / "study-small-crops-quick" / "table.md").is_file()
    assert cli.main(["study", "small", "--quick", "--data", "folder:nowhere"]) == 2
    assert "nowhere" in capsys.readouterr().err
    monkeypatch.setattr(catalog, "STUDIES", {"small": lambda scale: small})
    assert cli.main(["study", "small", "--quick", "--data", data]) == 2
    assert "option --data" in capsys.readouterr().err


def test_an_interrupted_study_says_how_to_continue(only_small, capsys, monkeypatch):
    def stop(self, *arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(loop.Trainer, "_step", stop)
    assert cli.main(["study", "small", "--seeds", "1", "--out", "here"]) == 130
    assert "--out here continues" in capsys.readouterr().err
