"""Any folder of pictures: nesting, splits, and names that say who and where."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from reknow.data.formats import listing, open_dataset
from reknow.data.formats.folder import columns_of
from reknow.errors import DataError


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_nothing_but_pictures(tmp_path):
    touch(tmp_path, "b.JPG", "a/deep/er/c.png", "a/notes.txt", ".hidden.jpg", ".git/x.jpg", "a/.b.jpg")
    manifest = open_dataset(f"folder:{tmp_path}")
    assert manifest.column("rgb") == ["a/deep/er/c.png", "b.JPG"]
    assert manifest.column("observation") == manifest.column("rgb")
    assert not any(manifest.has(column) for column in ("identity", "camera", "split"))
    assert manifest.name == tmp_path.name
    assert len(manifest.training()) == 2


def test_identity_by_subfolder(tmp_path):
    touch(tmp_path, "0815/x/left.jpg", "0815/right.jpg", "0816/left.jpg", "stray.jpg")
    manifest = open_dataset(f"folder:{tmp_path}?identity=subfolder")
    assert manifest.column("identity") == ["0815", "0815", "0816", None]
    assert "1 of 4 pictures lie in no sub-folder, for example stray.jpg" in manifest.notes[0]


def test_identity_and_camera_by_name(tmp_path):
    touch(tmp_path, "p7_cam02_a.jpg", "p8_cam03_b.jpg", "sub/other.jpg")
    manifest = open_dataset(rf"folder:{tmp_path}?identity_pattern=p(\d+)_&camera=cam(\d+?)_")
    assert manifest.column("identity") == ["7", "8", None]
    assert manifest.column("camera") == ["02", "03", None]
    assert len(manifest.notes) == 2


def test_a_pattern_with_a_slash_reads_the_path(tmp_path):
    touch(tmp_path, "cam1/a_cam9.jpg", "cam2/b_cam9.jpg")
    assert open_dataset(rf"folder:{tmp_path}?camera=cam(\d)").column("camera") == ["9", "9"]
    assert open_dataset(rf"folder:{tmp_path}?camera=cam(\d)/").column("camera") == ["1", "2"]


def test_splits_need_exactly_the_three_folders(tmp_path):
    touch(tmp_path, "train/A/1.jpg", "query/B/2.jpg", "gallery/B/3.jpg")
    manifest = open_dataset(f"folder:{tmp_path}?identity=subfolder")
    assert manifest.column("split") == ["gallery", "query", "train"]
    assert manifest.column("identity") == ["B", "B", "A"]
    touch(tmp_path, "other/4.jpg")
    assert not open_dataset(f"folder:{tmp_path}").has("split")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("camera=(", "is no regular expression"),
        ("camera=cam", "has 0 groups; expected exactly one"),
        ("camera=(c)(a)", "has 2 groups"),
        ("camera=lens(x)", r"all 1 pictures do not match 'lens\(x\)', for example a.jpg"),
        ("identity=subfolder", "all 1 pictures lie in no sub-folder"),
        ("identity=subfolders", "Did you mean 'subfolder'"),
        ("identity=subfolder&identity_pattern=(a)", "two ways"),
    ],
)
def test_wrong_options(tmp_path, options, message):
    touch(tmp_path, "a.jpg")
    with pytest.raises(DataError, match=message):
        open_dataset(f"folder:{tmp_path}?{options}")


def test_folders_without_pictures_say_what_they_hold(tmp_path):
    with pytest.raises(DataError, match="no file; the folder is empty"):
        open_dataset(f"folder:{tmp_path}")
    touch(tmp_path, "film.mp4", "a/film.mp4", "list.txt")
    with pytest.raises(DataError, match=r"no picture among its files \(2 with \.mp4, 1 with \.txt\)"):
        open_dataset(f"folder:{tmp_path}")


def test_links_in_a_circle_end(tmp_path):
    touch(tmp_path, "a/1.jpg")
    (tmp_path / "a" / "again").symlink_to(tmp_path)
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    assert open_dataset(f"folder:{tmp_path}").column("rgb") == ["a/1.jpg"]


def test_a_folder_that_may_not_be_listed(tmp_path, monkeypatch):
    def refused(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", refused)
    with pytest.raises(DataError, match=r"cannot be listed \(Permission denied\)"):
        listing.pictures_below(tmp_path)


def test_a_hundred_thousand_names_are_quick():
    names = [f"{number % 500:04}/c{number % 9}_{number}.jpg" for number in range(100_000)]
    start = time.perf_counter()
    columns, notes = columns_of(names, has_splits=False, by_subfolder=True, identity=None, camera=r"c(\d)_")
    assert time.perf_counter() - start < 5
    assert notes == []
    assert len(set(columns["identity"])) == 500
