"""Any command, as a user meets it: exit codes, messages, help, and how soon it answers."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["train", "cluster_contrst", "--data", "folder:x"], "Did you mean 'cluster_contrast'"),
        (["train", "cluster_contrast"], "--data"),
        (["train", "cluster_contrast", "--data", "folder:nowhere"], "nowhere"),
        (["train", "--resume", "nowhere"], "no recipe.yaml"),
        (["embed", "nowhere", "--data", "folder:x"], "no recognizer.json"),
        (["cluster", "nothing.parquet"], "no such file"),
        (["data", "show", "foldr:x"], "Did you mean 'folder'"),
        (["data", "check", "folder:nowhere"], "nowhere"),
    ],
)
def test_what_is_wrong_is_one_line_and_exit_code_2(reknow, arguments, says, tmp_path):
    code, out, err = reknow(*arguments)
    assert code == 2
    assert out == ""
    assert says in err
    assert "Traceback" not in err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", [[], ["train"], ["embed"], ["cluster"], ["evaluate"], ["data", "check"], ["demo"]])
def test_help_says_what_a_newcomer_needs(reknow, command):
    code, out, _ = reknow(*command, "--help")
    assert code == 0
    assert "usage" in out.lower()
    assert len(out.splitlines()) >= 5


def test_importing_the_package_takes_less_than_a_second():
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import reknow, sys; assert 'torch' not in sys.modules"], check=True)
    assert time.perf_counter() - start < 1.0


def test_a_launcher_finds_it_as_a_module_and_help_does_not_wait_for_torch():
    command = [sys.executable, "-X", "importtime", "-m", "reknow.cli", "--help"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout.startswith("usage: reknow")
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "reknow.cli.training" in imported
    assert not imported & {"torch", "numpy", "pyarrow"}
