"""Sensor and compression: each step does what its name says and no more."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from reknow.world.cameras import camera_of
from reknow.world.domain import DOMAINS
from reknow.world.raster import FRONT, HEAT, KEY, NIR, PERSON, blank
from reknow.world.sensor import compress, develop

FAITHFUL = {
    "gains": (1.0, 1.0, 1.0),
    "exposure": 1.0,
    "gamma": 1.0,
    "contrast": 1.0,
    "saturation": 1.0,
    "resolution": 1.0,
}
FLAWLESS = {"ambient": 0.0, "haze": 0.0, "defocus": 0.0, "noise": 0.0, "quality": 100.0}
PERFECT = replace(camera_of(DOMAINS["source"], 0, 0), **FAITHFUL, **FLAWLESS, night=False, low=0.0, span=40.0)


def canvas_with(color=(0.2, 0.4, 0.6), nir=0.5, heat=20.0):
    canvas = blank(64, 32)
    canvas[..., :3], canvas[..., NIR], canvas[..., HEAT] = color, nir, heat
    canvas[..., KEY], canvas[..., FRONT] = 2 / 3, 1.0
    return canvas


def taken(canvas, camera, spectrum="rgb", drift=(1.0, 1.0, 1.0), motion=0.0, seed=1):
    return develop(canvas, camera, spectrum, drift=drift, motion=motion, seed=seed)


def test_a_perfect_camera_shows_the_reflectance():
    expected = np.array([0.2, 0.4, 0.6]) ** (1 / 2.2) * 255
    assert np.abs(taken(canvas_with(), PERFECT) - expected).max() <= 3


def test_each_spectrum_reads_its_own_channel():
    first, second = canvas_with(), canvas_with(nir=0.9, heat=30.0)
    np.testing.assert_array_equal(taken(first, PERFECT), taken(second, PERFECT))
    for spectrum in ("nir", "tir"):
        assert taken(second, PERFECT, spectrum).mean() > taken(first, PERFECT, spectrum).mean() + 20
    painted = canvas_with(color=(0.9, 0.1, 0.1))
    for spectrum in ("nir", "tir"):
        np.testing.assert_array_equal(taken(first, PERFECT, spectrum), taken(painted, PERFECT, spectrum))


def test_a_lamp_at_night_lights_what_is_near():
    canvas = canvas_with()
    canvas[20:40, 10:20, PERSON] = 1.0
    night = replace(PERFECT, night=True)
    image = taken(canvas, night, "nir").astype(float)
    assert image[20:40, 10:20].mean() > image[:10].mean() + 40


def test_gains_cast_a_color_and_haze_veils():
    warm = taken(canvas_with((0.4, 0.4, 0.4)), replace(PERFECT, gains=(1.4, 1.0, 0.6))).astype(float).mean((0, 1))
    assert warm[0] > warm[1] > warm[2]
    gray = taken(canvas_with((0.0, 0.0, 0.0)), replace(PERFECT, haze=0.3))
    assert gray.min() > 80


def test_noise_has_a_seed():
    noisy = replace(PERFECT, noise=0.05)
    first = taken(canvas_with(), noisy, seed=1)
    np.testing.assert_array_equal(first, taken(canvas_with(), noisy, seed=1))
    assert (first != taken(canvas_with(), noisy, seed=2)).any()
    assert 5 < first.astype(float).std(axis=(0, 1)).mean() < 18


@pytest.mark.parametrize("flaw", [{"defocus": 1.5}, {"resolution": 0.4}, {"motion": 5.0}])
def test_what_blurs_spreads_an_edge(flaw):
    canvas = canvas_with((0.05, 0.05, 0.05))
    canvas[:, 16:, :3] = 0.8
    motion = flaw.get("motion", 0.0)
    camera = replace(PERFECT, **{name: value for name, value in flaw.items() if name != "motion"})
    sharp, soft = taken(canvas, PERFECT).astype(int), taken(canvas, camera, motion=motion).astype(int)
    assert np.abs(np.diff(soft[32, :, 0])).max() < 0.8 * np.abs(np.diff(sharp[32, :, 0])).max()
    assert abs(int(soft[32, 2, 0]) - int(sharp[32, 2, 0])) <= 4


@pytest.mark.parametrize("quality", [30, 75])
def test_compression_is_close_to_a_real_encoder(quality):
    rng = np.random.default_rng(0)
    smooth = np.asarray(
        Image.fromarray(rng.integers(0, 255, (8, 8, 3), np.uint8)).resize((32, 64), Image.Resampling.BICUBIC)
    )
    file = io.BytesIO()
    Image.fromarray(smooth).save(file, "jpeg", quality=quality, subsampling=0)
    with Image.open(file) as decoded:
        expected = np.asarray(decoded).astype(float)
    ours = smooth.astype(np.float32)
    compress(ours, float(quality))
    # The encoder also rounds its colors to whole numbers, so some coefficients turn over.
    assert np.abs(np.clip(ours, 0, 255) - expected).mean() < 0.35 * max(1.0, np.abs(smooth - expected).mean())
