"""Groups as a CSV: what it says, how it is read back, and where it cannot be written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reknow.data.groups import Groups, read_groups, write_groups
from reknow.data.manifest import Manifest
from reknow.errors import DataError

ROWS = Manifest.from_columns({"rgb": ["é.png", None], "nir": [None, "b.png"]}, root=Path(), name="made")


def test_every_row_has_a_line_in_utf8(tmp_path):
    write_groups(ROWS, np.array([3, -1]), tmp_path / "groups.csv")
    assert (tmp_path / "groups.csv").read_bytes().decode("utf-8").split() == ["image,group", "é.png,3", "b.png,-1"]


def test_crops_of_one_picture_are_told_apart(tmp_path):
    crops = {"rgb": ["frame.jpg", "frame.jpg", "c.jpg"], "crop": ["0 0 8 16", "8 0 16 16", "0 0 8 8"]}
    rows = Manifest.from_columns(crops, root=Path(), name="made")
    write_groups(rows, np.array([0, 1, 0]), tmp_path / "groups.csv")
    assert read_groups(tmp_path / "groups.csv").images == ("frame.jpg@0 0 8 16", "frame.jpg@8 0 16 16", "c.jpg")


@pytest.mark.parametrize("path", ["nowhere/groups.csv", "nul\0.csv", "x" * 300])
def test_where_it_cannot_be_written_that_is_said(tmp_path, path):
    with pytest.raises(DataError, match="cannot be written"):
        write_groups(ROWS, np.array([3, -1]), tmp_path / path)
    assert not list(tmp_path.iterdir())


def test_groups_are_read_back_and_known_again_in_another_order(tmp_path):
    file = tmp_path / "groups.csv"
    write_groups(ROWS, np.array([3, -1]), file)
    groups = read_groups(file)
    assert groups.images == ("é.png", "b.png") and groups.labels.tolist() == [3, -1]
    assert groups.fingerprint() == Groups.of(ROWS, np.array([3, -1])).fingerprint()
    file.write_text("group;image\n-1;b.png\n3; é.png\n", encoding="utf-8-sig")  # as a spreadsheet saves it
    assert read_groups(file).fingerprint() == groups.fingerprint()
    assert Groups(groups.images, np.array([3, 3])).fingerprint() != groups.fingerprint()
    assert Groups(("e.png", "b.png"), groups.labels).fingerprint() != groups.fingerprint()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,group\na.png,3\nb.png,x\n", r"groups.csv, row 2 below the header, column 'group': 'x'"),
        ("image,group\na.png,-2\n", "column 'group': '-2'"),
        ("image,group\n,3\n", "column 'image': ''"),
        ("image,cluster\na.png,3\n", "no column group among image, cluster"),
    ],
)
def test_what_is_no_list_of_groups_is_named(tmp_path, text, message):
    (tmp_path / "groups.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        read_groups(tmp_path / "groups.csv")
