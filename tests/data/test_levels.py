"""Levels: which numbers of deep pictures are black and white, and how a data set's option says so."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from reknow.data.formats import open_dataset
from reknow.data.levels import Levels, parse_levels, written
from reknow.data.pictures import decode, deep_values, open_bytes
from reknow.errors import DataError
from reknow.observation import SPECTRA


def deep(values: list[float], dtype: type) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.array([values], dtype)).save(buffer, "TIFF")
    return buffer.getvalue()


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32])
def test_levels_hold_for_every_depth(dtype):
    pixels = decode(deep([0, 30_000, 30_500, 31_000, 40_000], dtype), "x", Levels(30_000.0, 31_000.0))
    assert pixels[0, :, 0].tolist() == [0, 0, 128, 255, 255]
    assert (pixels == pixels[:, :, :1]).all()


def test_levels_do_not_concern_eight_bits():
    buffer = io.BytesIO()
    Image.fromarray(np.array([[0, 100, 255]], np.uint8)).save(buffer, "PNG")
    assert decode(buffer.getvalue(), "x", Levels(90.0, 110.0))[0, :, 0].tolist() == [0, 100, 255]
    assert deep_values(open_bytes(buffer.getvalue(), "x"), "x") is None


def test_what_is_not_a_number_is_black():
    pixels = decode(deep([np.nan, np.inf, -np.inf, 5.0], np.float32), "x", Levels(0.0, 10.0))
    assert pixels[0, :, 0].tolist() == [0, 255, 0, 128]


@pytest.mark.parametrize(
    ("values", "dtype", "words"),
    [
        ([0, 65_536], np.int32, "numbers that 16 bits cannot hold, from 0 to 65536"),
        ([-1, 5], np.int32, "numbers that 16 bits cannot hold, from -1 to 5"),
        ([0.5, np.nan], np.float32, "floating-point pixels of unknown range, from 0.5 to 0.5"),
        ([np.nan], np.float32, "floating-point pixels of unknown range, none of them finite"),
    ],
)
def test_numbers_that_would_be_clipped_are_refused_with_the_option(values, dtype, words):
    with pytest.raises(DataError, match=rf"x: {words}.*levels=BLACK\.\.WHITE; reknow data check measures"):
        decode(deep(values, dtype), "x")


def test_numbers_of_32_bits_that_16_can_hold_are_read_as_such():
    assert decode(deep([0, 257, 65_535], np.int32), "x")[0, :, 0].tolist() == [0, 1, 255]


@pytest.mark.parametrize("text", ["0..4095", "-20.5..41.25", "nir:0..4095,tir:28000..31500", "1e-05..1e+06"])
def test_an_option_is_read_as_it_is_written(text):
    levels = parse_levels(text, "x", SPECTRA)
    assert parse_levels(written(levels), "x", SPECTRA) == levels
    assert set(levels) == ({"nir", "tir"} if ":" in text else set(SPECTRA))


@pytest.mark.parametrize("text", ["5", "a..b", "1..", "..2", "uv:1..2", "nan..3", "0..inf", "9..3", "4..4", "1..2,"])
def test_wrong_options_are_refused_in_words(tmp_path, text):
    (tmp_path / "a.jpg").touch()
    with pytest.raises(DataError, match=r"folder, option 'levels': '.*'; expected (levels=BLACK|black below white)"):
        open_dataset(f"folder:{tmp_path}?levels={text}")
