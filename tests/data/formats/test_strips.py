"""RGBNT100 and RGBN300: one wide picture a row, cut into panels by boxes that come from its own header."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reknow.data.cache import Pictures
from reknow.data.doctor import check_manifest
from reknow.data.formats import market_layout, open_dataset, rgbnt100
from reknow.data.formats.published import Count, compared, counts
from reknow.data.formats.strips import boxes, is_strip
from reknow.data.manifest import Manifest
from reknow.data.pictures import parse_boxes, read_picture
from reknow.errors import DataError

NAMES = (
    "bounding_box_train/0501_c0001_000.png",
    "bounding_box_train/0501_c0002_000.png",
    "query/0502_c0001_000.png",
    "bounding_box_test/0502_c0001_000.png",
    "bounding_box_test/0502_c0008_000.png",
)


def strip(path: Path, panels: int = 3, width: int = 256, height: int = 128) -> None:
    """Panels whose brightness says which they are: 10, 20, 30 plus a little noise of their own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng([*path.name.encode(), *path.parent.name.encode()]).integers(0, 9, (height, width, 3))
    pixels = np.concatenate([noise + 10 * (panel + 1) for panel in range(panels)], axis=1)
    Image.fromarray(pixels.astype(np.uint8)).save(path)


def test_all_names_of_rgbnt100(shared):
    lists = shared / "data" / "layouts"
    train, test = (
        (lists / f"RGBNT100_{half}_RGB_names.txt").read_text().split() for half in ("train", "test")
    )  # fmt: skip
    for half, names in (("train", train), ("test", test)):
        for spectrum in ("NI", "TI"):  # one file holds all three, so the lists must agree
            assert (lists / f"RGBNT100_{half}_{spectrum}_names.txt").read_text().split() == names
    # The lists do not say which 1,715 of the 8,575 test pictures are queries; every fifth is as many.
    rows = market_layout.rows_of({"train": train, "query": test[::5], "gallery": test})
    assert rows.unread == []
    manifest = compared(Manifest.from_columns(rows.columns(), root=Path(), name="m"), rgbnt100.PUBLISHED)
    assert counts(manifest) == {"train": Count(8_675, 50), "query": Count(1_715, 50), "gallery": Count(8_575, 50)}
    assert manifest.notes == ()
    assert sorted(set(rows.camera)) == [f"{camera:04}" for camera in range(1, 9)]
    assert {int(identity) % 2 for identity in manifest.split("train").column("identity")} == {1}
    assert {int(identity) % 2 for identity in manifest.split("gallery").column("identity")} == {0}


@pytest.mark.parametrize("inner", ["", "rgbir"])
def test_three_panels(tmp_path, inner):
    for name in NAMES:
        strip(tmp_path / inner / name)
    manifest = open_dataset(f"rgbnt100:{tmp_path}")
    assert manifest.column("observation") == list(NAMES)
    assert manifest.column("rgb") == manifest.column("nir") == manifest.column("tir") == list(NAMES)
    assert set(manifest.column("crop")) == {"0 0 256 128;256 0 512 128;512 0 768 128"}
    assert (manifest.column("identity")[2], manifest.column("camera")[4]) == ("0502", "0008")
    pictures = Pictures.open(manifest, (128, 256))
    assert [int(pictures.images[spectrum][0].min()) for spectrum in ("rgb", "nir", "tir")] == [10, 20, 30]
    assert [int(pictures.images[spectrum][0].max()) for spectrum in ("rgb", "nir", "tir")] == [18, 28, 38]
    assert len(manifest.notes) == 3  # the published counts
    assert "box" not in {finding.kind for finding in check_manifest(manifest)}


def test_two_panels_leave_the_third_spectrum_empty(tmp_path):
    for name in NAMES:
        strip(tmp_path / name, panels=2)
    manifest = open_dataset(f"rgbn300:{tmp_path}")
    assert manifest.spectra == ("rgb", "nir")
    assert set(manifest.column("crop")) == {"0 0 256 128;256 0 512 128"}
    drawn = parse_boxes(manifest.column("crop")[0], manifest.spectra, "row 0")
    assert read_picture(manifest.root, NAMES[0], drawn["nir"]).min() == 20
    assert not manifest.notes  # no counts of its splits are known


def test_strips_of_another_scale_are_cut_at_their_own_thirds(tmp_path):
    for name in NAMES:
        strip(tmp_path / name, width=32, height=16)
    manifest = open_dataset(f"rgbnt100:{tmp_path}")
    assert set(manifest.column("crop")) == {"0 0 32 16;32 0 64 16;64 0 96 16"}


@pytest.mark.parametrize(("spec", "panels"), [("rgbnt100", 3), ("rgbn300", 2)])
@pytest.mark.parametrize("size", [(256, 128), (640, 128), (1024, 128), (128, 768), (768, 640), (767, 128), (513, 128)])
def test_other_pictures_are_no_strips(tmp_path, spec, panels, size):
    for name in NAMES:
        strip(tmp_path / name, panels=panels)
    wrong = tmp_path / NAMES[1]
    Image.new("RGB", size).save(wrong)
    with pytest.raises(DataError) as caught:
        open_dataset(f"{spec}:{tmp_path}")
    assert caught.value.where == str(wrong)
    assert caught.value.found == f"{size[0]} x {size[1]} pixels"
    assert caught.value.expected.endswith(f"such as {panels * 256} x 128")


def test_one_data_set_is_not_taken_for_the_other(tmp_path):
    for name in NAMES:
        strip(tmp_path / "three" / name, panels=3)
        strip(tmp_path / "two" / name, panels=2)
    with pytest.raises(DataError, match=r"768 x 128 pixels \(the first of 5 such files\); expected 2 panels"):
        open_dataset(f"rgbn300:{tmp_path}/three")
    with pytest.raises(DataError, match=r"512 x 128 pixels \(the first of 5 such files\); expected 3 panels"):
        open_dataset(f"rgbnt100:{tmp_path}/two")


def test_a_damaged_strip_is_the_doctors_business(tmp_path):
    for name in NAMES:
        strip(tmp_path / name)
    (tmp_path / NAMES[0]).write_bytes(b"not a picture")
    manifest = open_dataset(f"rgbnt100:{tmp_path}")
    told = [finding for finding in check_manifest(manifest) if finding.severity == "error"]
    assert {(finding.kind, finding.row) for finding in told} == {("picture", 0)}
    with pytest.raises(DataError, match=r"row 0 .observation 'bounding_box_train/0501_c0001_000\.png'.*not a picture"):
        Pictures.open(manifest, (128, 256))


@pytest.mark.parametrize("panels", [2, 3])
@pytest.mark.parametrize("height", [1, 7, 64, 128])
def test_boxes_cover_a_strip_without_gap_or_overlap(panels, height):
    size = (2 * height * panels, height)
    assert is_strip(size, panels)
    seen = np.zeros(size[::-1], int)
    for left, top, right, bottom in (map(int, box.split()) for box in boxes(size, panels).split(";")):
        seen[top:bottom, left:right] += 1
    assert (seen == 1).all()
