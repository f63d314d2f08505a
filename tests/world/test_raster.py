"""The raster kernel: areas, order, patterns and light that can be computed by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from reknow.world.raster import FRONT, HEAT, KEY, NIR, OCCLUDER, PERSON, blank, copy_window, paint
from reknow.world.shapes import BLOCK, LOGO, OCCLUDER_LAYER, STRIPES, Material, Surface, box, capsule, ellipse, profile

RED = Material((1.0, 0.0, 0.0), 0.25, 30.0)
BLUE = Material((0.0, 0.0, 1.0), 0.75, 5.0)
LIGHT = (0.0, 0.0, 1.0)
PLAIN = Surface(RED).row
OTHER = Surface(BLUE).row


def painted(*rows):
    """100 x 100 pixels for 1 x 1 meter."""
    canvas = blank(100, 100)
    paint(canvas, list(rows), 0.0, 1.0, 100.0, LIGHT)
    return canvas


@pytest.mark.parametrize(
    ("row", "area"),
    [
        (ellipse((0.5, 0.5), (0.3, 0.2), PLAIN, depth=0.0), math.pi * 0.3 * 0.2),
        (ellipse((0.5, 0.5), (0.3, 0.2), PLAIN, depth=0.0, turn=0.7), math.pi * 0.3 * 0.2),
        (box((0.5, 0.5), (0.3, 0.2), PLAIN, depth=0.0), 0.24),
        (box((0.5, 0.5), (0.3, 0.2), PLAIN, depth=0.0, turn=0.7), 0.24),
        (box((0.5, 0.5), (0.3, 0.2), PLAIN, depth=0.0, corner=0.1), 0.24 - (4 - math.pi) * 0.01),
        (capsule((0.3, 0.3), (0.7, 0.6), (0.1, 0.1), PLAIN, depth=0.0), 0.5 * 0.2 + math.pi * 0.01),
        (profile((0.5, 0.2), (0.5, 0.8), [0.2] * 5, PLAIN, depth=0.0), 0.24),
        (profile((0.5, 0.2), (0.5, 0.8), [0.1, 0.15, 0.2, 0.25, 0.3], PLAIN, depth=0.0), 0.24),
    ],
)
def test_covered_area(row, area):
    assert painted(row)[..., PERSON].sum() / 100**2 == pytest.approx(area, rel=0.02)


def test_the_nearer_shape_hides_the_farther_in_any_order():
    far = box((0.4, 0.5), (0.2, 0.2), PLAIN, depth=0.0)
    near = box((0.6, 0.5), (0.2, 0.2), OTHER, depth=1.0, layer=OCCLUDER_LAYER)
    canvas = painted(near, far)
    np.testing.assert_array_equal(canvas, painted(far, near))
    both, alone = canvas[50, 50], canvas[50, 30]
    assert (both[OCCLUDER], both[PERSON]) == (1.0, 0.0)
    assert (alone[OCCLUDER], alone[PERSON]) == (0.0, 1.0)
    np.testing.assert_allclose(both[[0, 2, NIR, HEAT]], [0.0, 1.0, 0.75, 5.0])


def test_one_pixel_can_hold_half_a_shape():
    canvas = painted(box((0.5, 0.5), (0.2, 0.105), PLAIN, depth=0.0))
    assert canvas[39, 50, PERSON] == pytest.approx(0.5, abs=0.01)


def test_a_round_thing_faces_the_light_in_its_middle():
    canvas = painted(capsule((0.5, 0.1), (0.5, 0.9), (0.2, 0.2), PLAIN, depth=0.0))
    assert canvas[50, 50, KEY] > canvas[50, 35, KEY] > canvas[50, 31, KEY]
    assert canvas[50, 50, FRONT] == pytest.approx(1.0, abs=0.01)
    canvas = blank(100, 100)
    paint(canvas, [capsule((0.5, 0.1), (0.5, 0.9), (0.2, 0.2), PLAIN, depth=0.0)], 0.0, 1.0, 100.0, (1.0, 0.0, 0.0))
    assert canvas[50, 68, KEY] > 2 * canvas[50, 40, KEY]


@pytest.mark.parametrize(
    ("yaw", "shows"), [(0.0, True), (math.pi, False), (math.pi / 4, True), (-3 * math.pi / 4, False)]
)
def test_a_logo_shows_from_the_front_alone(yaw, shows):
    surface = Surface(RED, BLUE, LOGO, (0.3, 0.08, 0.0)).row
    canvas = painted(profile((0.5, 0.2), (0.5, 0.8), [0.2] * 5, surface, depth=0.0, yaw=yaw))
    assert (canvas[..., 2] > 0.5).any() == shows


def test_patterns_follow_the_axis():
    half = painted(
        profile((0.5, 0.2), (0.5, 0.8), [0.2] * 5, Surface(RED, BLUE, BLOCK, (0.3, 0.0, 0.0)).row, depth=0.0)
    )
    assert half[60, 50, 0] == 1.0
    assert half[40, 50, 2] == 1.0
    striped = painted(box((0.5, 0.5), (0.2, 0.3), Surface(RED, BLUE, STRIPES, (0.1, 0.5, 0.0)).row, depth=0.0))
    changes = np.diff(striped[20:80, 50, 2] > 0.5).sum()
    assert changes in (11, 12)


def test_looking_at_a_scene_without_zoom_copies_it():
    scene = np.random.default_rng(0).uniform(size=(40, 60, 9)).astype(np.float32)
    canvas = blank(16, 8)
    copy_window(scene, canvas, 5.0, 7.0, 1.0)
    np.testing.assert_allclose(canvas[..., :7], scene[7:23, 5:13, :7], atol=1e-5)
    assert not canvas[..., 7:].any()
