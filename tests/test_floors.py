"""The house stands: nothing imports upwards, rooms on one floor do not import each other (contracts in pyproject)."""

from __future__ import annotations

from pathlib import Path

from importlinter.cli import lint_imports


def test_no_room_imports_upwards():
    assert lint_imports(config_filename=str(Path(__file__).parent.parent / "pyproject.toml"), no_cache=True) == 0
