"""How a data set is named: FORMAT:PATH?option=value."""

from __future__ import annotations

import pytest

from reknow.data.formats import formats, open_dataset
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
