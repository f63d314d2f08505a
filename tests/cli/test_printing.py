"""Whatever standard output is, a command ends as it should: any encoding, a closed pipe, a full disk, nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from reknow import machine
from reknow.errors import ReknowError

NAME = "bär 識"


def run(*arguments, encoding=None, **streams):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONIOENCODING"}
    if encoding:
        environment["PYTHONIOENCODING"] = encoding
    command = [sys.executable, "-m", "reknow.cli", *map(str, arguments)]
    return subprocess.run(command, env=environment, stderr=subprocess.PIPE, **streams)


@pytest.fixture
def animals(crops):
    return crops.rename(crops.parent / NAME)


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("ascii", rb"b\xe4r \u8b58"),
        ("latin-1", b"b\xe4r \\u8b58"),
        ("utf-8", NAME.encode()),
    ],
)
def test_letters_that_a_terminal_lacks_are_shown_as_codes(animals, encoding, shown):
    done = run("data", "show", f"folder:{animals}", encoding=encoding, stdout=subprocess.PIPE)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(shown + b": ")
    done = run("data", "show", f"folder:{animals}/nowhere", encoding=encoding, stdout=subprocess.PIPE)
    assert done.returncode == 2 and b"no such folder" in done.stderr and shown in done.stderr


def test_a_reader_that_leaves_early_ends_it_without_a_word():
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as gone:
        done = run("recipes", stdout=gone)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_told_in_words():
    with Path("/dev/full").open("wb") as full:
        done = run("recipes", stdout=full)
    assert done.returncode == 2
    assert done.stderr.decode().startswith("reknow: standard output: cannot be written (No space left on device)")
    assert b"Traceback" not in done.stderr


def test_without_standard_output_it_works_and_is_silent():
    command = f"{sys.executable} -m reknow.cli recipes >&-"
    done = subprocess.run(["sh", "-c", command], capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_without_standard_output_training_reads_its_options(tmp_path):
    command = f"{sys.executable} -m reknow.cli train tcmm --data folder:missing >&-"
    done = subprocess.run(["sh", "-c", command], capture_output=True, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(b"reknow: missing: no such folder")


def test_help_has_words_for_empty_defaults_and_keeps_its_frame():
    out = run("train", "supervised/market1501", "--help", encoding="utf-8", stdout=subprocess.PIPE).stdout.decode()
    frame = [line for line in out.splitlines() if line and line[0] in "│╭╰"]
    assert len(frame) > 100
    assert len({len(line) for line in frame}) == 1
    assert "(default: empty)" in out and "(default: none)" in out
    assert "(default: '')" not in out and "(default: )" not in out


@pytest.mark.parametrize("arguments", ["--help", "train tcmm --help", "data --help", "recipes"])
def test_help_without_standard_output_is_silent(arguments):
    command = f"{sys.executable} -m reknow.cli {arguments} >&-"
    done = subprocess.run(["sh", "-c", command], capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_without_standard_error_nothing_of_an_error_is_in_the_output():
    command = f"{sys.executable} -m reknow.cli data check folder:missing --json 2>&-"
    done = subprocess.run(["sh", "-c", command], capture_output=True)
    assert (done.returncode, done.stdout) == (2, b"")


@pytest.mark.parametrize("system", ["win32", "cygwin"])
def test_windows_is_refused_with_one_sentence(reknow, monkeypatch, system):
    monkeypatch.setattr(machine.sys, "platform", system)
    code, out, err = reknow("recipes")
    assert code == 2 and out == ""
    assert err.startswith("reknow: Windows: ") and len(err.splitlines()) == 1 and "Subsystem for Linux" in err


def test_importing_on_windows_says_so_too(monkeypatch):
    import reknow

    monkeypatch.setattr(machine.sys, "platform", "win32")
    with pytest.raises(ReknowError, match="Subsystem for Linux"):
        reknow.load  # noqa: B018
    monkeypatch.setattr(machine.sys, "platform", "darwin")
    assert callable(reknow.load)
