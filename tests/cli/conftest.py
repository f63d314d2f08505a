"""The command line, run in an empty folder."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reknow import cli
from reknow.methods import catalog


@pytest.fixture
def reknow(capsys, tmp_path, monkeypatch):
    """Run a command in an empty folder: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        try:
            code = cli.main([str(argument) for argument in arguments])
        except SystemExit as stop:
            code = stop.code
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


@pytest.fixture
def tiny_recipe(tiny, monkeypatch):
    """Make ``cluster_contrast`` the tiny recipe."""
    known = {"cluster_contrast": lambda: replace(tiny, name="cluster_contrast")}
    monkeypatch.setattr(catalog, "recipes", lambda: known)
