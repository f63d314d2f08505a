"""Folders of two spectra without pairs, wherever the spectra's folders lie; and tables of one spectrum a row."""

from __future__ import annotations

from pathlib import Path

import pytest

from reknow.data.formats import open_dataset
from reknow.errors import DataError


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def told(root: Path, options: str = "&identity=subfolder"):
    manifest = open_dataset(f"folder:{root}?spectrum=subfolder{options}")
    names = ("rgb", "nir", "split", "identity")
    return sorted(zip(*map(manifest.column, names), strict=True), key=str), manifest.notes


@pytest.mark.parametrize("form", ["{s}/{split}/{who}/a.jpg", "{split}/{s}/{who}/a.jpg", "{split}/{who}/{s}/a.jpg"])
def test_spectra_above_between_and_below_splits_and_individuals(tmp_path, form):
    names = {
        (spectrum, split, who): form.format(s=spectrum, split=split, who=who)
        for spectrum in ("rgb", "NIR")
        for split, who in (("train", "A"), ("query", "B"), ("gallery", "B"))
    }
    touch(tmp_path, *names.values())
    rows, notes = told(tmp_path)
    assert rows == sorted(
        (
            (name, None, split, who) if spectrum == "rgb" else (None, name, split, who)
            for (spectrum, split, who), name in names.items()
        ),
        key=str,
    )
    assert notes == ()


def test_equal_names_make_no_pair_and_a_camera_may_deliver_both(tmp_path):
    touch(tmp_path, "rgb/7/cam1_a.jpg", "tir/7/cam1_a.jpg")
    manifest = open_dataset(rf"folder:{tmp_path}?spectrum=subfolder&identity=subfolder&camera=cam(\d)")
    assert manifest.column("observation") == ["rgb/7/cam1_a.jpg", "tir/7/cam1_a.jpg"]
    assert manifest.column("identity") == ["7", "7"] and manifest.column("camera") == ["1", "1"]
    assert manifest.spectra == ("rgb", "tir")


def test_two_infrared_spectra_need_no_rgb(tmp_path):
    touch(tmp_path, "7/nir/a.jpg", "7/tir/a.jpg")
    manifest = open_dataset(f"folder:{tmp_path}?spectrum=subfolder")
    assert manifest.spectra == ("nir", "tir")


def test_an_expression_with_a_slash_reads_the_path_without_the_spectrum(tmp_path):
    touch(tmp_path, "rgb/north/a.jpg", "nir/south/a.jpg")
    manifest = open_dataset(f"folder:{tmp_path}?spectrum=subfolder&camera=^(\\w+)/")
    assert manifest.column("camera") == ["south", "north"]


def test_pictures_of_no_spectrum_are_left_out_with_a_note(tmp_path):
    touch(tmp_path, "rgb/7/a.jpg", "nir/7/a.jpg", "depth/7/a.jpg", "loose.jpg")
    rows, notes = told(tmp_path)
    assert len(rows) == 2
    assert "left out 2 pictures below no folder called rgb, nir, tir, for example depth/7/a.jpg." in notes[0]


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (
            ("rgb/7/a.jpg", "ir/7/a.jpg"),
            "2 pictures of one spectrum, rgb; other folders: ir, 7; expected folders called",
        ),
        (
            ("7/a.jpg", "8/a.jpg"),
            "2 pictures of no spectrum; other folders: 7, 8; expected folders called rgb, nir, tir",
        ),
        (("rgb/7/a.jpg", "rgb/8/b.jpg"), "2 pictures of one spectrum, rgb; expected"),
        (("rgb/nir/a.jpg",), "rgb/nir/a.jpg: two folders that name a spectrum, rgb and nir"),
    ],
)
def test_a_spectrum_that_is_missing_or_unknown(tmp_path, names, says):
    touch(tmp_path, *names)
    with pytest.raises(DataError, match=says):
        told(tmp_path)


def test_the_option_has_a_few_words_only(tmp_path):
    touch(tmp_path, "rgb/7/a.jpg", "nir/7/a.jpg")
    with pytest.raises(DataError, match=r"option 'spectrum': 'subfolders'\. Did you mean 'subfolder'"):
        open_dataset(f"folder:{tmp_path}?spectrum=subfolders")
    assert len(open_dataset(f"folder:{tmp_path}?spectrum=none").column("rgb")) == 2
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="the folder is empty"):
        open_dataset(f"folder:{tmp_path / 'empty'}?spectrum=subfolder")


def test_a_table_names_the_spectrum_by_its_columns(tmp_path):
    (tmp_path / "day-and-night.csv").write_text("rgb,tir,identity\na.jpg,,7\n,b.jpg,7\n")
    manifest = open_dataset(f"table:{tmp_path / 'day-and-night.csv'}?protocol=cross_spectrum")
    assert (manifest.column("rgb"), manifest.column("tir")) == (["a.jpg", None], [None, "b.jpg"])
    assert manifest.spectra == ("rgb", "tir") and manifest.protocol == "cross_spectrum"
