"""What is written is there whole, or not at all, and what was there before stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from reknow.errors import DataError, RunError
from reknow.writing import write_file, written_whole


def test_a_file_gets_its_name_at_the_end_and_replaces_what_had_it(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("before")
    with written_whole(path) as beside:
        beside.write_text("after")
        assert beside.parent == tmp_path
        assert beside.name.startswith(".words.txt.")
        assert path.read_text() == "before"
    assert path.read_text() == "after"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("what", [ValueError, OSError, KeyboardInterrupt])
def test_where_writing_fails_nothing_is_left_and_what_was_there_stays(tmp_path, what):
    path = tmp_path / "words.txt"
    path.write_text("before")
    with pytest.raises(RunError if what is OSError else what, match="half way"), written_whole(path) as beside:
        beside.write_text("af")
        raise what("half way")
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_is_there_with_all_that_it_holds(tmp_path):
    path = tmp_path / "above" / "folder"
    with written_whole(path) as beside:
        beside.mkdir(parents=True)
        (beside / "a.txt").write_text("a")
        assert not path.exists()
    assert [file.name for file in path.iterdir()] == ["a.txt"]
    assert list(path.parent.iterdir()) == [path]


def test_half_a_folder_is_removed_and_so_is_one_whose_name_is_taken(tmp_path):
    path = tmp_path / "folder"
    with pytest.raises(RuntimeError, match="half way"), written_whole(path) as beside:
        beside.mkdir()
        (beside / "a.txt").write_text("a")
        raise RuntimeError("half way")
    assert not list(tmp_path.iterdir())
    path.mkdir()
    (path / "mine.txt").write_text("mine")
    with pytest.raises(RunError, match=r"cannot be written .*not empty"), written_whole(path) as beside:
        beside.mkdir()
        (beside / "a.txt").write_text("a")
    assert [file.name for file in tmp_path.rglob("*")] == ["folder", "mine.txt"]


def test_the_first_failure_is_told_where_removing_fails_too(tmp_path, monkeypatch):
    def refuse(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError("removing")

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(ValueError, match="half way"), written_whole(tmp_path / "words.txt") as beside:
        beside.write_text("af")
        raise ValueError("half way")


def test_a_file_where_a_folder_should_be_is_told_as_such(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="Not a directory"), written_whole(tmp_path / "file" / "words.txt") as beside:
        beside.write_text("words")


def test_a_null_character_is_told_as_all_others_are():
    with pytest.raises(RunError, match="null character"), written_whole(Path("nul\0")):
        raise AssertionError("nothing may be begun")


def test_the_kind_of_error_and_its_remedy_are_the_callers(tmp_path):
    message = r"words\.txt: cannot be written \(torn\)\. Sew it\."
    writing = written_whole(tmp_path / "words.txt", DataError, "Sew it.", also=(ValueError,))
    with pytest.raises(DataError, match=message), writing:
        raise ValueError("torn")
    assert not list(tmp_path.iterdir())


def test_a_file_is_written_with_its_folders_or_refused_in_words(tmp_path):
    assert write_file(tmp_path / "a" / "b.txt", "é").read_bytes() == b"\xc3\xa9"
    with pytest.raises(RunError, match=r"cannot be written.*Check the folder"):
        write_file(tmp_path / "a" / "b.txt" / "c", b"")
