"""Groups as a CSV: what it says, and what is said where cannot be written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reknow.data.embeddings import write_groups
from reknow.data.manifest import Manifest
from reknow.errors import DataError

ROWS = Manifest.from_columns({"rgb": ["é.png", None], "nir": [None, "b.png"]}, root=Path(), name="made")


def test_every_row_has_a_line_in_utf8(tmp_path):
    write_groups(ROWS, np.array([3, -1]), tmp_path / "groups.csv")
    assert (tmp_path / "groups.csv").read_bytes().decode("utf-8").split() == ["image,group", "é.png,3", "b.png,-1"]


@pytest.mark.parametrize("path", ["nowhere/groups.csv", "nul\0.csv", "x" * 300])
def test_where_it_cannot_be_written_that_is_said(tmp_path, path):
    with pytest.raises(DataError, match="cannot be written"):
        write_groups(ROWS, np.array([3, -1]), tmp_path / path)
    assert not list(tmp_path.iterdir())
