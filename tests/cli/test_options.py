"""Every --out is checked before any work: what is refused, in which words, and that nothing was touched."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reknow.cli import options
from reknow.cli.options import check_count, check_folder, check_new_file, check_new_folder, new_folder
from reknow.errors import RunError
from reknow.writing import beside_of


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("mine")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    (tmp_path / "empty").mkdir()
    (tmp_path / "dangling").symlink_to("nowhere")
    before = held(tmp_path)
    yield
    assert held(tmp_path) == before


def held(folder):
    return {str(path): path.read_bytes() if path.is_file() else b"" for path in folder.rglob("*")}


FILES = [
    ("file", "file: already exists. Name another file"),
    ("dangling", "dangling: already exists"),
    ("full", "full: a folder; expected the name of a new file"),
    ("no/such/x.csv", "no/such: no such folder. Make it: mkdir -p no/such"),
    ("no such/x.csv", "Make it: mkdir -p 'no such'"),
    ("file/x.csv", "file: a file; expected a folder"),
    ("file/deeper/x.csv", "file: a file; expected a folder"),
    ("x" * 300, "cannot be written (File name too long)"),
    ("nul\0.csv", r"nul\0.csv: cannot be written"),
]
FOLDERS = [
    ("file", "file: a file; expected a folder that is new or empty"),
    ("file/deeper", "file/deeper: file is a file"),
    ("x" * 300, "cannot be written (File name too long)"),
    (f"new/{'x' * 300}/deeper", "cannot be written (File name too long)"),
    ("nul\0", "cannot be written"),
]


@pytest.mark.parametrize(("path", "says"), FILES)
def test_a_new_file(path, says):
    with pytest.raises(RunError) as caught:
        check_new_file(Path(path))
    assert says in str(caught.value)


@pytest.mark.parametrize(("path", "says"), [*FOLDERS, ("full", "full: already exists and is not empty")])
def test_a_new_folder(path, says):
    with pytest.raises(RunError) as caught:
        check_new_folder(Path(path))
    assert says in str(caught.value)


@pytest.mark.parametrize(("path", "says"), FOLDERS)
def test_a_folder_that_may_hold_something(path, says):
    with pytest.raises(RunError) as caught:
        check_folder(Path(path))
    assert says in str(caught.value)
    check_folder(Path("full"))


def test_what_is_right_is_let_through_and_leaves_nothing():
    before = sorted(Path().rglob("*"))
    for path in ("x.csv", "empty/x.csv", "ümläut 識.csv"):
        check_new_file(Path(path))
    for path in ("empty", "new", "new/below/it"):
        check_new_folder(Path(path))
    assert sorted(Path().rglob("*")) == before


def test_a_suffix_is_checked_with_the_rest():
    with pytest.raises(RunError, match=r"suffix '.txt'; expected .csv or .parquet"):
        check_new_file(Path("x.txt"), ".csv", ".parquet")
    check_new_file(Path("x.parquet"), ".csv", ".parquet")


@pytest.mark.parametrize("check", [check_new_file, check_new_folder, check_folder])
def test_a_disk_that_may_not_be_written_shows_before_the_work(check, monkeypatch):
    def refuse(path, *rest):
        raise OSError(30, "Read-only file system", str(path))

    monkeypatch.setattr(options.os, "open", refuse)
    with pytest.raises(RunError, match=r"empty.new: cannot be written \(Read-only file system\)"):
        check(Path("empty/new"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_refused():
    Path("empty").chmod(0o500)
    with pytest.raises(RunError, match="Permission denied"):
        check_new_file(Path("empty/x"))
    Path("empty").chmod(0o700)


def test_the_next_free_run(monkeypatch):
    assert new_folder(None, "demo") == Path("runs/demo-1")
    monkeypatch.setattr(options.os.path, "lexists", lambda path: str(path) in ("runs/demo-1", "runs/demo-2", "."))
    monkeypatch.setattr(options, "check_new_folder", lambda folder: None)
    assert new_folder(None, "demo") == Path("runs/demo-3")


def test_a_count_is_at_least_one():
    check_count(1)
    with pytest.raises(RunError, match="--count: 0; expected 1 or more"):
        check_count(0)


def test_another_process_s_half_file_is_left_alone():
    beside = beside_of(Path("empty/x"))
    assert beside.parent == Path("empty") and beside.name.startswith(".") and str(os.getpid()) in beside.name


COMMANDS = {
    ("cluster", "e.parquet"): "file",
    ("embed", "shipped", "--data", "folder:nowhere"): "file",
    ("export", "shipped"): "file",
    ("explain", "ranks", "run"): "file",
    ("explain", "tokens", "run"): "file",
    ("data", "import", "folder:nowhere"): "file.csv",
    ("evaluate", "shipped", "--data", "folder:nowhere"): "file",
    ("train", "supervised", "--data", "folder:nowhere"): "file",
    ("demo", "--quick"): "file",
    ("study", "tcmm", "--quick"): "file",
}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_checks_before_it_looks_at_anything_else(reknow, command):
    code, out, err = reknow(*command, "--out", f"file/below/{COMMANDS[command]}")
    assert code == 2 and out == ""
    assert err.startswith("reknow: file") and "a file" in err, err
