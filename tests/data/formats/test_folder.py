"""Any folder of pictures: nesting, splits, and names that say who and where."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from reknow.data.formats import open_dataset, picture_folders
from reknow.data.formats.folder import columns_of
from reknow.data.picture_files import PICTURE_SUFFIXES
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


def rows(root: Path, *names: str, options: str = "?identity=subfolder") -> tuple[list[tuple[str, str, str]], str]:
    """(picture, split, identity) of each row of such a folder, and all notes as one text."""
    touch(root, *names)
    manifest = open_dataset(f"folder:{root}{options}")
    told = [manifest.column(name) for name in ("rgb", "split", "identity")]
    return list(zip(*told, strict=True)), "\n".join(manifest.notes)


def test_three_folders_are_the_splits(tmp_path):
    found, notes = rows(tmp_path, "train/A/1.jpg", "query/B/2.jpg", "gallery/B/3.jpg")
    assert found == [
        ("gallery/B/3.jpg", "gallery", "B"),
        ("query/B/2.jpg", "query", "B"),
        ("train/A/1.jpg", "train", "A"),
    ]
    assert notes == ""


@pytest.mark.parametrize(
    "beside",
    [
        ("val/C/5.jpg", "__MACOSX/train/._1.jpg", "multi-query/B/6.jpg", "other/4.jpg", "loose.jpg"),
        ("other/4.jpg",),
        ("loose.jpg",),
    ],
)
def test_what_lies_beside_splits_is_left_out_and_said(tmp_path, beside):
    found, notes = rows(tmp_path, "Query/B/2.jpg", "GALLERY/B/3.jpg", *beside)
    assert [(split, identity) for _, split, identity in found] == [("gallery", "B"), ("query", "B")]
    for name in beside:
        assert (name.partition("/")[0] if "/" in name else "1 pictures directly in the folder") in notes


def test_train_all_is_read_in_place_of_train_and_val(tmp_path):
    names = (
        "train/A/1.jpg",
        "val/A/2.jpg",
        "train_all/A/1.jpg",
        "train_all/A/2.jpg",
        "query/B/3.jpg",
        "gallery/B/4.jpg",
    )
    found, notes = rows(tmp_path, *names)
    assert [picture for picture, split, _ in found if split == "train"] == ["train_all/A/1.jpg", "train_all/A/2.jpg"]
    assert len(found) == 4
    assert "train is left out, since train_all holds it and val" in notes
    assert "val (1 pictures)" in notes


@pytest.mark.parametrize(
    ("names", "splits", "words"),
    [
        (("train/A/1.jpg", "test/B/1.jpg"), ["train"], "test is left out, as it does not say"),
        (("query/A/1.jpg", "test/A/2.jpg"), ["query", "gallery"], "test is read as the gallery of query"),
        (("query/A/1.jpg", "bounding_box_test/A/2.jpg"), ["gallery", "query"], ""),
        (("train/A/1.jpg", "val/B/1.jpg"), ["train"], "val (1 pictures)"),
        (("train/A/1.jpg",), ["train"], "its only folder, train, is read as train"),
        (("train/A/1.jpg", "empty/notes.txt"), ["train"], "its only folder, train, is read as train"),
        (("test/A/1.jpg",), [None], "its only folder, test, is read as if it were the data set"),
        (("val/A/1.jpg", "test/B/1.jpg"), [None, None], "val name no split"),
        (("set/train/A/1.jpg", "set/query/B/1.jpg", "set/gallery/B/2.jpg", "set/x/C/1.jpg"),
         ["gallery", "query", "train"], "x (1 pictures)"),
    ],
)  # fmt: skip
def test_other_sets_of_splits(tmp_path, names, splits, words):
    found, notes = rows(tmp_path, *names)
    assert [split for _, split, _ in found] == splits
    assert {identity for _, _, identity in found} <= {"A", "B"}
    assert words in notes


def test_one_folder_that_is_called_like_a_split_is_an_individual_among_others(tmp_path):
    found, notes = rows(tmp_path, "bus/1.jpg", "train/2.jpg")
    assert [(split, identity) for _, split, identity in found] == [(None, "bus"), (None, "train")]
    assert "the folder train is read as an individual" in notes


def test_two_folders_for_one_split_are_refused(tmp_path):
    with pytest.raises(DataError, match="two folders that mean gallery: bounding_box_test and gallery"):
        rows(tmp_path, "bounding_box_test/A/1.jpg", "gallery/A/1.jpg", "query/A/2.jpg")


def test_split_folders_without_pictures_say_what_lies_beside(tmp_path):
    (tmp_path / "gallery").mkdir()
    with pytest.raises(DataError, match=r"no picture in query/, gallery/; .*left out beside the splits: a"):
        rows(tmp_path, "query/list.txt", "a/1.jpg")


@pytest.mark.parametrize("folder", ["-1", "unknown", "Unknown", "NaN", "none", "NA", "?"])
def test_names_that_mean_nobody_are_no_individuals(tmp_path, folder):
    found, notes = rows(tmp_path, f"{folder}/1.jpg", f"{folder}/2.jpg", "0001/3.jpg")
    assert sorted(str(identity) for _, _, identity in found) == ["0001", "None", "None"]
    assert f"2 of 3 rows have the identity '{folder}', which is read as not known; unknown=keep" in notes
    kept, notes = rows(tmp_path, options="?identity=subfolder&unknown=keep")
    assert {identity for _, _, identity in kept} == {folder, "0001"}
    assert notes == ""


def test_names_in_file_names_that_mean_nobody(tmp_path):
    touch(tmp_path, "-1_cnull_0.jpg", "7_c2_0.jpg")
    manifest = open_dataset(rf"folder:{tmp_path}?identity_pattern=^(-?\d+)_&camera=_c([^_]+)")
    assert manifest.column("identity") == [None, "7"]
    assert manifest.column("camera") == [None, "2"]
    assert ["'-1'" in manifest.notes[0], "'null'" in manifest.notes[1]] == [True, True]
    with pytest.raises(DataError, match=r"option 'unknown': 'yes'"):
        open_dataset(f"folder:{tmp_path}?unknown=yes")


# --- what is left out


def test_files_that_are_no_pictures_here_are_counted(tmp_path):
    names = ("a.JFIF", "b.jpe", "c.heic", "d.HEIC", "e.svg", "film.mp4", "0001_c1", "README", "list.txt", "Thumbs.db")
    found, notes = rows(tmp_path, *names, options="")
    assert [picture for picture, _, _ in found] == ["a.JFIF", "b.jpe"]
    assert "left out 5 files that are no pictures here: 2 with .heic, 1 with" in notes
    assert all(kind in notes for kind in ("1 with .svg", "1 with .mp4", "1 with no suffix"))
    assert ".txt" not in notes and ".db" not in notes


def test_every_picture_suffix_is_found_in_any_case(tmp_path):
    names = [f"{number}{suffix}" for number, suffix in enumerate(sorted(PICTURE_SUFFIXES))]
    found, notes = rows(tmp_path, *names, *(f"upper/{name.upper()}" for name in names), options="")
    assert len(found) == 2 * len(names)
    assert notes == ""


def test_a_suffix_that_this_pillow_lacks_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(picture_folders, "PICTURE_SUFFIXES", PICTURE_SUFFIXES - {".avif"})
    monkeypatch.setattr(picture_folders, "UNREAD_SUFFIXES", frozenset({".avif"}))
    found, notes = rows(tmp_path, "a.jpg", "b.avif", options="")
    assert len(found) == 1
    assert "1 with .avif; the installed Pillow was built without .avif" in notes


def test_links_and_pipes_that_hold_no_picture_are_left_out_and_said(tmp_path):
    touch(tmp_path, "a/1.jpg")
    (tmp_path / "a" / "self.jpg").symlink_to("self.jpg")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
    os.mkfifo(tmp_path / "pipe.jpg")
    found, notes = rows(tmp_path, options="")
    assert [picture for picture, _, _ in found] == ["a/1.jpg"]
    assert "left out 3 links that lead nowhere, or where you may not go, for example a/self.jpg" in notes
    assert "left out 1 pipes or devices that are named like pictures, for example pipe.jpg" in notes
    assert picture_folders.pictures_in(tmp_path / "a").pictures == ["1.jpg"]
    assert picture_folders.subfolders(tmp_path) == ["a"]
    assert picture_folders.contents(tmp_path) == "holds: a/, gone.png, loop, pipe.jpg"


def test_a_folder_inside_that_may_not_be_entered_is_left_out_and_said(tmp_path, monkeypatch):
    touch(tmp_path, "a/1.jpg", "closed/2.jpg")
    scandir = os.scandir

    def refused(path):
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refused)
    found, notes = rows(tmp_path, options="")
    assert [picture for picture, _, _ in found] == ["a/1.jpg"]
    assert "left out 1 folders that may not be entered (chmod u+rx mends that), for example closed/" in notes
    with pytest.raises(DataError, match=r"folders that may not be entered"):
        (tmp_path / "a" / "1.jpg").unlink()
        open_dataset(f"folder:{tmp_path}")
    with pytest.raises(DataError, match=r"no such folder; .*closed may not be listed"):
        open_dataset(f"folder:{tmp_path}/closed/x")


def odd(folder: Path, name: bytes) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    try:
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_bytes(b"")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")


def test_names_that_are_not_utf_8_are_left_out_and_said_printably(tmp_path):
    odd(tmp_path, b"caf\xe9.jpg")
    odd(tmp_path / os.fsdecode(b"\xfcber"), b"1.jpg")
    found, notes = rows(tmp_path, "café.jpg", options="")
    assert [picture for picture, _, _ in found] == ["café.jpg"]
    assert r"left out 2 names that are not UTF-8 (convmv -r -f latin1 -t utf8 --notest FOLDER renames such)" in notes
    assert r"caf\xe9.jpg" in notes
    assert notes.encode()  # no terminal or JSON file stumbles over it
    with pytest.raises(DataError, match=r"no such folder.*holds: café\.jpg, caf\\xe9\.jpg, \\xfcber/"):
        open_dataset(f"folder:{tmp_path}/x")


def test_a_folder_whose_own_name_is_not_utf_8_is_refused_in_words(tmp_path):
    folder = tmp_path / os.fsdecode(b"\xe9")
    odd(folder, b"a.jpg")
    with pytest.raises(DataError, match=r"\\xe9: a path that is not UTF-8.*Rename"):
        open_dataset(f"folder:{folder}")


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
        picture_folders.pictures_below(tmp_path)


def test_a_hundred_thousand_names_are_quick():
    names = [f"{number % 500:04}/c{number % 9}_{number}.jpg" for number in range(100_000)]
    start = time.process_time()
    columns, notes = columns_of(names, splits=None, by_subfolder=True, identity=None, camera=r"c(\d)_")
    assert time.process_time() - start < 5
    assert notes == []
    assert len(set(columns["identity"])) == 500
