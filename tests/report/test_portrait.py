"""Portraits: every spectrum in its place, and one picture where there is one."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from reknow.data.manifest import Manifest
from reknow.errors import DataError
from reknow.report.portrait import panels_of, portrait


@pytest.fixture
def night(tmp_path):
    """Two observations, one without a thermal picture, of (height, width) pixels in flat gray."""

    def made(height: int, width: int) -> Manifest:
        for name, (tall, across), level in (
            ("rgb", (height, width), 10),
            ("nir", (height, width), 120),
            ("tir", (height // 2, width // 2), 200),
        ):
            Image.fromarray(np.full((tall, across, 3), level, np.uint8)).save(tmp_path / f"{name}.png")
        columns = {
            "observation": ["whole", "lacking"],
            "rgb": ["rgb.png"] * 2,
            "nir": ["nir.png"] * 2,
            "tir": ["tir.png", None],
        }
        return Manifest.from_columns(columns, root=tmp_path, name="night")

    return made


def test_tall_pictures_stand_side_by_side_each_in_the_first_ones_size(night):
    manifest = night(32, 16)
    panels = panels_of(manifest)
    assert panels == ("rgb", "nir", "tir")
    whole = portrait(manifest, 0, panels)
    assert whole.shape == (32, 3 * 16 + 2 * 2, 3)
    assert [int(whole[5, column, 0]) for column in (0, 15, 16, 18, 33, 36, 51)] == [10, 10, 255, 120, 120, 200, 200]


def test_wide_pictures_lie_below_each_other(night):
    manifest = night(16, 32)
    whole = portrait(manifest, 0, panels_of(manifest))
    assert whole.shape == (3 * 16 + 2 * 2, 32, 3)
    assert whole[[0, 18, 36], 4, 0].tolist() == [10, 120, 200]


def test_a_spectrum_that_is_not_there_keeps_its_place(night):
    manifest = night(32, 16)
    lacking = portrait(manifest, 1, panels_of(manifest))
    assert lacking.shape == portrait(manifest, 0, panels_of(manifest)).shape
    assert (lacking[:, 36:] == lacking[0, 36, 0]).all() and lacking[0, 36, 0] not in (200, 255)


def test_an_observation_is_shown_beside_others_that_have_more_spectra(night):
    whole = night(32, 16)
    thermal = Manifest.from_columns({"tir": ["tir.png"]}, root=whole.root, name="thermal")
    panels = panels_of(thermal, whole)
    assert panels == ("rgb", "nir", "tir")
    assert portrait(thermal, 0, panels)[3, -1, 0] == 200


def test_where_each_row_has_one_spectrum_its_picture_is_the_portrait(night):
    root = night(32, 16).root
    columns = {"rgb": ["rgb.png", None], "nir": [None, "nir.png"]}
    crossing = Manifest.from_columns(columns, root=root, name="visible to infrared")
    assert panels_of(crossing) == ()
    assert [portrait(crossing, row).mean() for row in (0, 1)] == [10, 120]
    assert portrait(crossing, 1).shape == (32, 16, 3)


def test_a_picture_that_cannot_be_read_is_named(night):
    manifest = night(32, 16)
    (manifest.root / "nir.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"nir\.png"):
        portrait(manifest, 0, panels_of(manifest))
