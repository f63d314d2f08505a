"""How a data set is named: FORMAT:PATH?option=value."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
from importlib import import_module

import pytest

import reknow.data.formats
from reknow.data.formats import FORMATS, formats, open_dataset
from reknow.errors import DataError


def test_every_reader_is_listed_with_a_sentence():
    known = formats()
    assert {
        "folder",
        "table",
        "market1501",
        "msmt17",
        "personx",
        "dukemtmc",
        "occluded_duke",
        "cuhk03",
        "omniglot",
        "rgbnt201",
        "rgbnt100",
        "rgbn300",
        "msvr310",
        "market1501_mm",
    } <= set(known)
    assert not {"listing", "published", "market_layout", "spectrum_folders", "strips"} & set(known)
    assert all(line.endswith((".", ":")) and len(line) <= 120 for line in known.values())


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("market:/x", "format 'market': unknown format.*Did you mean 'market1501'"),
        ("listing:/x", "unknown format"),
        ("os.path:/x", "unknown format"),
        ("folder:", "no path after the colon"),
        ("folder:/x?camera", "'camera'; expected option=value"),
        ("folder:/x?camera=a&camera=b", "option 'camera' twice"),
        ("folder:/x?camrea=(a)", "option 'camrea': unknown option. Did you mean 'camera'"),
        ("market1501:/x?a=b", "The format market1501 has no options"),
        ("/nowhere/at/all", "no format before the path; expected FORMAT:PATH.*Known formats: cuhk03"),
        ("nothing", "no format before the path"),
    ],
)
def test_wrong_specs(spec, message):
    with pytest.raises(DataError, match=message):
        open_dataset(spec)


def test_a_bare_path_is_told_its_format(tmp_path):
    (tmp_path / "m.csv").touch()
    for spec, suggestion in ((f"{tmp_path}", "folder"), (f"{tmp_path}/m.csv", "table")):
        with pytest.raises(DataError) as caught:
            open_dataset(spec)
        assert caught.value.remedy == f"Did you mean {suggestion}:{spec}?"


def test_question_marks_in_paths(tmp_path):
    odd = tmp_path / "who?" / "a=b?c"
    odd.mkdir(parents=True)
    (odd.parent / "a=b").mkdir()  # exists too, but the longer path is meant
    (odd / "x_c1.jpg").touch()
    assert len(open_dataset(f"folder:{odd}")) == 1
    assert open_dataset(rf"folder:{odd}?camera=_c(\d+?)\.").column("camera") == ["1"]
    assert open_dataset(rf"folder:{tmp_path}?camera=_c(\d+?)\.").column("camera") == ["1"]


def test_home_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "x.jpg").touch()
    assert len(open_dataset("folder:~?identity=none")) == 1


def test_every_module_with_a_reader_is_in_the_table():
    names = [found.name for found in pkgutil.iter_modules(reknow.data.formats.__path__)]
    modules = {name: import_module(f"reknow.data.formats.{name}") for name in names}
    assert {name: module for name, module in modules.items() if hasattr(module, "read")} == FORMATS


def test_the_table_does_not_wait_for_what_draws_the_world():
    code = "import sys, reknow.data.formats; sys.exit('numba' in sys.modules or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


STALLS = """
from reknow.data.formats.folder import read as read_folder

def read(path, *, camera=None):
    return read_folder(path, identity="none")

def lot(path, **anything):
    return read_folder(path, identity="none")
"""


def test_a_format_of_another_package_is_read(install, crops):
    install(
        "reknow-stalls", {"outside_stalls": STALLS}, formats={"stalls": "outside_stalls", "lot": "outside_stalls:lot"}
    )
    assert len(open_dataset(f"stalls:{crops}?protocol=no_camera")) == 48
    assert open_dataset(f"stalls:{crops}?protocol=no_camera").protocol == "no_camera"
    assert len(open_dataset(f"lot:{crops}?anything=goes")) == 48
    with pytest.raises(DataError, match=r"option 'camrea': unknown option. Did you mean 'camera'"):
        open_dataset(f"stalls:{crops}?camrea=x")
    with pytest.raises(DataError, match=r"Did you mean 'stalls'.*Of other packages: lot .package reknow-stalls"):
        open_dataset("stall:x")
    with pytest.raises(DataError, match=r"Known formats: .*, stalls, .*Of other packages"):
        open_dataset("nothing")
    assert "stalls" not in formats()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("import a_module_that_nobody_has", "cannot be imported .ModuleNotFoundError.*Reinstall the package"),
        ("", "'outside_bad' has no function read; expected read.path"),
        ("read = 3", "'outside_bad' has no function read"),
        ("def read(): ...", "its read takes no path"),
        ("def read(*, path): ...", "its read takes no path"),
        ("def read(path, *, camera): ...", "its read needs camera; expected .*each option with a default"),
        ("def read(path): return []", "its read returns a list; expected .*-> Manifest"),
    ],
)
def test_a_format_that_breaks_the_contract_is_refused_by_its_package_s_name(install, crops, text, says):
    install("reknow-bad", {"outside_bad": text}, formats={"bad": "outside_bad"})
    assert len(open_dataset(f"folder:{crops}")) == 48
    assert "outside_bad" not in sys.modules
    with pytest.raises(DataError, match=f"format 'bad' of the package reknow-bad: .*{says}") as caught:
        open_dataset("bad:x")
    assert "pip uninstall reknow-bad" in caught.value.remedy


def test_a_format_that_takes_a_name_is_refused(install, crops):
    install("reknow-a", {"outside_a": "raise RuntimeError"}, formats={"folder": "outside_a", "twice": "outside_a"})
    install("reknow-b", {"outside_b": "raise RuntimeError"}, formats={"twice": "outside_b"})
    assert len(open_dataset(f"folder:{crops}")) == 48
    with pytest.raises(DataError, match="Left out: format 'folder' of the package reknow-a takes the name of a format"):
        open_dataset("foldr:x")
    with pytest.raises(DataError, match=r"format 'twice' of the package reknow-[ab]: is brought by another package"):
        open_dataset("twice:x")
