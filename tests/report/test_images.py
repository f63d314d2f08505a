"""Images of a page: every spectrum in its place, selected patches, and thumbnails within their budget."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from reknow.data.manifest import Manifest
from reknow.errors import DataError
from reknow.report.images import (
    LONGEST,
    PANELS_AT_MOST,
    PANELS_BUDGET,
    marked_pictures,
    observation_image,
    spectra_shown,
    thumbnails,
)


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
    spectra = spectra_shown(manifest)
    assert spectra == ("rgb", "nir", "tir")
    whole = observation_image(manifest, 0, spectra)
    assert whole.shape == (32, 3 * 16 + 2 * 2, 3)
    assert [int(whole[5, column, 0]) for column in (0, 15, 16, 18, 33, 36, 51)] == [10, 10, 255, 120, 120, 200, 200]


def test_wide_pictures_lie_below_each_other(night):
    manifest = night(16, 32)
    whole = observation_image(manifest, 0, spectra_shown(manifest))
    assert whole.shape == (3 * 16 + 2 * 2, 32, 3)
    assert whole[[0, 18, 36], 4, 0].tolist() == [10, 120, 200]


def test_a_spectrum_that_is_not_there_keeps_its_place(night):
    manifest = night(32, 16)
    lacking = observation_image(manifest, 1, spectra_shown(manifest))
    assert lacking.shape == observation_image(manifest, 0, spectra_shown(manifest)).shape
    assert (lacking[:, 36:] == lacking[0, 36, 0]).all() and lacking[0, 36, 0] not in (200, 255)


def test_an_observation_is_shown_beside_others_that_have_more_spectra(night):
    whole = night(32, 16)
    thermal = Manifest.from_columns({"tir": ["tir.png"]}, root=whole.root, name="thermal")
    spectra = spectra_shown(thermal, whole)
    assert spectra == ("rgb", "nir", "tir")
    assert observation_image(thermal, 0, spectra)[3, -1, 0] == 200


def test_where_each_row_has_one_spectrum_its_picture_is_the_observation_image(night):
    root = night(32, 16).root
    columns = {"rgb": ["rgb.png", None], "nir": [None, "nir.png"]}
    crossing = Manifest.from_columns(columns, root=root, name="visible to infrared")
    assert spectra_shown(crossing) == ()
    assert [observation_image(crossing, row).mean() for row in (0, 1)] == [10, 120]
    assert observation_image(crossing, 1).shape == (32, 16, 3)


def test_a_picture_that_cannot_be_read_is_named(night):
    manifest = night(32, 16)
    (manifest.root / "nir.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"nir\.png"):
        observation_image(manifest, 0, spectra_shown(manifest))


# --- Thumbnails -------------------------------------------------------------------------------------------------------


def decode(thumbnail) -> Image.Image:
    head, body = thumbnail.address.split(",")
    assert head == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(base64.b64decode(body)))


def test_small_pictures_keep_their_size_large_ones_their_proportions(picture):
    small, large = thumbnails([picture(0, 64, 32), picture(1, 400, 100)])
    assert (small.width, small.height) == (32, 64) == decode(small).size
    assert (large.width, large.height) == (LONGEST // 4, LONGEST) == decode(large).size


def test_a_budget_makes_them_smaller_all_alike(picture):
    pictures = [picture(seed, 200, 100) for seed in range(4)]
    free, bound = thumbnails(pictures), thumbnails(pictures, budget=20_000)
    assert sum(len(each.address) for each in bound) <= 20_000 < sum(len(each.address) for each in free)
    assert len({each.height for each in bound}) == 1


def test_no_pictures_no_thumbnails():
    assert thumbnails([]) == []


# --- Selected patches -------------------------------------------------------------------------------------------------


def test_panels_keep_their_budget(chosen):
    pictures = marked_pictures(chosen)
    assert 0 < sum(shown.bytes for shown in pictures) <= PANELS_BUDGET


def test_many_panels_mean_fewer_observations(kept, kept_in, chosen):
    pictures = marked_pictures(kept)
    panels = sum(len(panels) for _, panels in pictures[0].lines)
    assert panels == 14 and len(pictures) == 6
    assert len(marked_pictures(kept_in(("rgb", "nir", "tir")))) == PANELS_AT_MOST // 21 == 4
    assert len(marked_pictures(chosen)) == 2
