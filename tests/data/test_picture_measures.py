"""What is measured of pictures: against plain numpy, by laws, and sizes of every kind of file."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from reknow.data import pictures as pictures_module
from reknow.data.cache import Pictures
from reknow.data.formats import open_dataset
from reknow.data.manifest import Manifest
from reknow.data.picture_files import FORMATS, SUFFIXES
from reknow.data.picture_measures import PictureMeasures
from reknow.data.pictures import read_picture, upright_size
from reknow.errors import ContractError, DataError

LOWEST = float(np.log(np.float32(1e-3)))


def made(count=3, size=(9, 7), seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, *size, 3), dtype=np.uint8)


def of_pixels(images) -> PictureMeasures:
    """Measures of pictures in memory; their sizes are those of the world."""
    names = [f"world:people/source/0/{row}/0/0/rgb" for row in range(len(images))]
    manifest = Manifest.from_columns({"rgb": names}, root=Path(), name="made")
    return PictureMeasures.of(Pictures.from_arrays({"rgb": images}), manifest)


def plainly(picture) -> list[float]:
    """Color and sharpness of one picture, in whole arrays and double precision."""
    red, green, blue = picture.astype(np.float64).transpose(2, 0, 1)
    gray = 0.299 * red + 0.587 * green + 0.114 * blue
    inner = gray[:-2, 1:-1] + gray[2:, 1:-1] + gray[1:-1, :-2] + gray[1:-1, 2:] - 4 * gray[1:-1, 1:-1]
    ratio = (inner.var() if inner.size else 0.0) / max(gray.var(), 1.0)
    opponents = [(red - green).mean(), ((red + green) / 2 - blue).mean()]
    return [gray.mean(), gray.std(), *opponents, np.log(max(ratio, 1e-3))]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), height=st.integers(1, 12), width=st.integers(1, 12), contrast=st.integers(0, 255))
def test_the_plain_reference_agrees(seed, height, width, contrast):
    images = np.random.default_rng(seed).integers(0, contrast + 1, (4, height, width, 3), dtype=np.uint8)
    measures = of_pixels(images)
    got = np.column_stack([measures.color, measures.sharpness])
    np.testing.assert_allclose(got, [plainly(picture) for picture in images], rtol=1e-3, atol=2e-3)


def test_colors_have_the_directions_that_their_names_say():
    plain = np.zeros((5, 8, 8, 3), np.uint8)
    plain[0], plain[1], plain[2], plain[3], plain[4] = 200, (200, 0, 0), (0, 200, 0), (200, 200, 0), (0, 0, 200)
    brightness, contrast, red_green, yellow_blue = of_pixels(plain).color.T
    assert brightness.argmax() == 0 and not contrast.round(2).any()
    assert red_green.tolist() == [0, 200, -200, 0, 0]
    assert yellow_blue.tolist() == [0, 100, 100, 200, -200]


def test_sharpness_is_that_of_edges_and_not_of_light():
    rng = np.random.default_rng(0)
    sharp = np.repeat(rng.integers(0, 201, (40, 40, 1), dtype=np.uint8), 3, axis=2)
    soft = np.asarray(Image.fromarray(sharp).resize((10, 10), Image.Resampling.BOX).resize((40, 40)))
    dark = (sharp // 2).astype(np.uint8)
    gradient = np.repeat(np.arange(40, dtype=np.uint8)[None, :, None], 40, axis=0).repeat(3, axis=2)
    sharpness = of_pixels(np.stack([sharp, soft, dark, gradient, np.full_like(sharp, 90)])).sharpness
    assert sharpness[0] > sharpness[1] + 2
    assert sharpness[2] == pytest.approx(sharpness[0], abs=0.02)
    assert sharpness[3:] == pytest.approx([LOWEST, LOWEST])


def test_the_first_spectrum_that_a_row_has_is_measured(tmp_path):
    rgb, nir = made(3), made(3, seed=1)
    Image.fromarray(rgb[0]).save(tmp_path / "rgb.png")
    Image.fromarray(nir[0]).resize((30, 50)).save(tmp_path / "nir.png")
    manifest = Manifest.from_columns(
        {
            "rgb": ["rgb.png", None, "rgb.png"],
            "nir": ["nir.png", "nir.png", None],
            "observation": ["both", "one", "other"],
        },
        root=tmp_path,
        name="made",
    )
    present = {"rgb": np.array([True, False, True]), "nir": np.array([True, True, False])}
    measures = PictureMeasures.of(Pictures.from_arrays({"rgb": rgb, "nir": nir}, present), manifest)
    expected = of_pixels(np.stack([rgb[0], nir[1], rgb[2]]))
    assert np.array_equal(measures.color, expected.color) and np.array_equal(measures.sharpness, expected.sharpness)
    assert measures.size.tolist() == [[7, 9], [30, 50], [7, 9]]


def test_a_box_has_the_size_of_its_part_of_the_picture(tmp_path):
    Image.fromarray(made(1, (20, 10))[0]).save(tmp_path / "a.png")
    crops = ["2 3 9 17", "-5 0 4 99", None, "1 1 3 4;0 0 10 20", "0 0 10 20;1 1 3 4"]
    pictures = {"rgb": ["a.png"] * 4 + [None], "nir": [None] * 3 + ["a.png"] * 2, "tir": [None] * 4 + ["a.png"]}
    manifest = Manifest.from_columns({**pictures, "crop": crops}, root=tmp_path, name="made")
    measures = PictureMeasures.of(Pictures.open(manifest, (8, 8), folder=tmp_path / "cache"), manifest)
    assert measures.size.tolist() == [[7, 14], [4, 20], [10, 20], [2, 3], [10, 20]]


def test_no_pixel_is_decoded_again(tmp_path, monkeypatch):
    data = io.BytesIO()
    Image.fromarray(made(1)[0]).save(data, "PNG")
    (tmp_path / "a.png").write_bytes(data.getvalue())
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("c/a.png", data.getvalue())
    world = "world:vehicles/source/0/0/0/0/rgb"
    manifest = Manifest.from_columns({"rgb": ["a.png", "b.zip/c/a.png", world]}, root=tmp_path, name="made")
    pictures = Pictures.open(manifest, (8, 8), folder=tmp_path / "cache")
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("pixels were loaded"))
    monkeypatch.setattr(pictures_module, "rgb_pixels", lambda *_: pytest.fail("pixels were decoded"))
    assert PictureMeasures.of(pictures, manifest).size.tolist() == [[7, 9], [7, 9], [256, 128]]


def test_the_world_is_as_large_as_it_is_said(tmp_path):
    for kind in ("people", "vehicles"):
        reference = f"world:{kind}/target/0/0/0/0/nir"
        assert read_picture(tmp_path, reference).shape[1::-1] == upright_size(tmp_path, reference)


@pytest.mark.parametrize("orientation", [None, 1, 3, 6, 8])
@pytest.mark.parametrize("form", [form for form in FORMATS if form not in ("MPO", "DIB", "PPM", "BMP", "GIF")])
def test_an_upright_size_is_that_of_the_pixels_that_are_read(tmp_path, form, orientation):
    exif = Image.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
    path = tmp_path / f"a{SUFFIXES[form][0]}"
    Image.fromarray(made(1, (40, 24))[0]).save(path, form, exif=exif)
    assert upright_size(tmp_path, path.name) == read_picture(tmp_path, path.name).shape[1::-1]
    if form == "JPEG" and orientation == 6:
        assert upright_size(tmp_path, path.name) == (40, 24)


def test_a_file_that_is_gone_or_no_picture_is_named(tmp_path):
    (tmp_path / "b.png").write_text("Dear reader")
    with pytest.raises(DataError, match=r"a\.png: no such file"):
        upright_size(tmp_path, "a.png")
    with pytest.raises(DataError, match=r"b\.png: not a picture"):
        upright_size(tmp_path, "b.png")


def test_other_rows_than_those_of_the_pictures_are_refused():
    manifest = Manifest.from_columns({"rgb": ["a.png"]}, root=Path(), name="made")
    with pytest.raises(ContractError, match="1 rows for 3 pictures"):
        PictureMeasures.of(Pictures.from_arrays({"rgb": made()}), manifest)


def test_measures_of_a_data_set_are_selected_together(crops, tmp_path):
    manifest = open_dataset(f"folder:{crops}")
    measures = PictureMeasures.of(Pictures.open(manifest, (32, 16), folder=tmp_path / "cache"), manifest)
    assert len(measures) == 48 and (measures.size == [16, 32]).all()
    picked = measures.select(np.arange(48) % 2 == 1)
    assert np.array_equal(picked.color, measures.color[1::2])
    assert np.array_equal(picked.sharpness, measures.sharpness[1::2]) and len(picked.size) == 24
