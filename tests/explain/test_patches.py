"""Boxes tile the picture in the order of tokens, and masks, areas and clutter are those of the world."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reknow.data.formats import open_dataset
from reknow.data.manifest import Manifest
from reknow.explain.patches import (
    Truth,
    boxes,
    covered,
    gradient,
    is_known,
    object_masks,
    person_mask,
    truth_of,
)
from reknow.world import rendering_of


@given(st.tuples(st.integers(1, 9), st.integers(1, 9)), st.tuples(st.integers(9, 40), st.integers(9, 40)))
def test_boxes_cover_every_pixel_once_in_the_order_of_tokens(grid, size):
    times, order = np.zeros(size, dtype=int), []
    for left, top, right, bottom in boxes(grid, size):
        times[top:bottom, left:right] += 1
        order.append((top, left))
    assert (times == 1).all()
    assert order == sorted(order) and len(order) == grid[0] * grid[1]


def test_boxes_of_a_picture_that_the_grid_divides_are_the_stems_patches():
    assert boxes((2, 2), (32, 16)) == [(0, 0, 8, 16), (8, 0, 16, 16), (0, 16, 8, 32), (8, 16, 16, 32)]


@given(st.integers(0, 2**32 - 1), st.tuples(st.integers(1, 6), st.integers(1, 6)))
def test_shares_add_up_to_the_mask(seed, grid):
    mask = np.random.default_rng(seed).random((24, 12)) < 0.4
    areas = [(right - left) * (bottom - top) for left, top, right, bottom in boxes(grid, mask.shape)]
    shares = covered(mask, grid)
    assert ((shares >= 0) & (shares <= 1)).all()
    assert shares @ areas == pytest.approx(mask.sum())


def test_a_mask_by_hand():
    mask = np.zeros((8, 4), dtype=bool)
    mask[1:6, 2:] = True  # the right column: three quarters of the upper box, half of the lower one
    assert covered(mask, (2, 2)).tolist() == [0.0, 0.75, 0.0, 0.5]


# --- Where the truth is known -----------------------------------------------------------------------------------------

WORLD = "world:target?train_identities=2&test_identities=2&spectra=rgb,nir,tir"


def rows_of(data: str, count: int = 4) -> Manifest:
    return open_dataset(data).select(np.arange(count))


def test_only_pictures_of_the_world_have_a_mask():
    reference = "world:people/target/0/3/1/0/rgb"
    assert np.array_equal(person_mask(reference), rendering_of(reference).person)
    assert person_mask("query/0001_c1s1_001051_00.jpg") is None


@pytest.mark.parametrize("data", [WORLD, f"{WORLD}&misregistration=12"])
def test_each_spectrum_has_the_mask_of_its_own_picture(data):
    sample = rows_of(data)
    truth = truth_of(sample, ("rgb", "nir", "tir"), (8, 4))
    for name in ("rgb", "nir", "tir"):
        masks = [person_mask(reference) for reference in sample.column(name)]
        expected = np.stack([covered(mask, (8, 4)) for mask in masks])
        assert np.array_equal(truth.object_share[name], expected)
    aligned = np.array_equal(truth.object_share["rgb"], truth.object_share["tir"])
    assert aligned == ("misregistration" not in data)
    first = [rendering_of(sample.column(name)[0]).person.mean() for name in ("rgb", "nir", "tir")]
    assert truth.area[0] == pytest.approx(np.mean(first))


def test_a_spectrum_that_is_missing_shows_nothing():
    sample = rows_of("world:target?train_identities=2&test_identities=2&spectra=nir,tir", 2)
    truth = truth_of(sample, ("rgb", "tir"), (4, 2))
    assert not truth.object_share["rgb"].any() and truth.object_share["tir"].any()


@pytest.mark.parametrize("light", ["day", "night"])
def test_clutter_is_that_of_the_place_in_color_and_good_light(light):
    sample = rows_of(f"world:target?train_identities=2&test_identities=2&spectra=nir,tir&light={light}", 2)
    truth = truth_of(sample, ("rgb", "tir"), (4, 2))
    by_day = rows_of(WORLD, 1)
    sight = rendering_of(by_day.column("rgb")[0])
    assert truth.clutter[0] == gradient(sight.images["rgb"], ~sight.person)


def test_nothing_is_known_of_other_pictures_and_of_parts(tmp_path):
    sample = rows_of(WORLD, 2)
    assert is_known(sample, ("rgb", "nir"))
    references = sample.column("rgb")
    cropped = Manifest.from_columns({"rgb": references, "crop": ["0 0 32 64"] * 2}, root=tmp_path, name="cropped")
    mixed = Manifest.from_columns({"rgb": [references[0], "a.jpg"]}, root=tmp_path, name="mixed")
    assert not is_known(cropped, ("rgb",)) and not is_known(mixed, ("rgb",))


def test_a_gradient_is_that_of_the_area_without_its_edge():
    picture = np.zeros((6, 8, 3), dtype=np.uint8)
    picture[:, 4:] = 200
    left = np.zeros((6, 8), dtype=bool)
    left[:, :4] = True
    assert gradient(picture, left) == 0.0
    assert gradient(picture, np.ones((6, 8), dtype=bool)) == pytest.approx(2 * 100 / 8)
    assert np.isnan(gradient(picture, np.zeros((6, 8), dtype=bool)))


def test_groups_part_at_the_median_and_leave_out_what_has_no_value():
    truth = Truth({}, np.array([0.1, 0.2, 0.3, 0.4]), np.array([3.0, np.nan, 1.0, 2.0]))
    groups = {name: np.flatnonzero(rows).tolist() for name, rows in truth.groups().items()}
    assert groups == {"small": [0, 1], "large": [2, 3], "low_clutter": [2, 3], "high_clutter": [0]}


def test_masks_and_occlusion_are_those_of_the_renderings():
    sample = rows_of("world:target?train_identities=2&test_identities=2&occlusion=0.5", 12)
    masks = object_masks(sample, ("rgb",))
    renderings = [rendering_of(reference) for reference in sample.column("rgb")]
    for mask, rendering in zip(masks.visible["rgb"], renderings, strict=True):
        assert np.array_equal(mask, rendering.person)
    occluded = [rendering.attributes["occlusion"] != "none" for rendering in renderings]
    assert masks.occluded.tolist() == occluded and 0 < sum(occluded) < 12
    some = masks.select(np.array([5, 2]))
    assert some.visible["rgb"][0] is masks.visible["rgb"][5]
    assert some.occluded.tolist() == [occluded[5], occluded[2]]
    np.testing.assert_array_equal(some.object_share((4, 2))["rgb"][1], covered(renderings[2].person, (4, 2)))


def test_an_observation_without_a_spectrum_has_no_mask_in_it(tmp_path):
    whole = rows_of(WORLD, 2)
    rows = {"rgb": [whole.column("rgb")[0], None], "tir": [None, whole.column("tir")[1]]}
    masks = object_masks(Manifest.from_columns(rows, root=tmp_path, name="made"), ("rgb", "nir", "tir"))
    assert [[mask is None for mask in of_all] for of_all in masks.visible.values()] == [
        [False, True],
        [True, True],
        [True, False],
    ]
    assert not masks.object_share((4, 2))["nir"].any()
