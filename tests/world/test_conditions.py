"""Light that fails and spectra that do not align: what is asked for happens, and nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest

from reknow.data.formats import world
from reknow.data.formats.world import read as world_manifest
from reknow.errors import DataError
from reknow.observation import SPECTRA
from reknow.world import KINDS, render, render_reference, rendering_of
from reknow.world.conditions import displacement, failure_at

SIZES = {"people": (64, 32), "vehicles": (48, 96)}


def contrast(sight, spectrum) -> float:
    """How far the object stands out from what is around it, in noise-free terms: blocks of 4 x 4 are averaged."""
    gray = sight.images[spectrum].astype(float).mean(2)
    return float(gray.reshape(gray.shape[0] // 4, 4, -1, 4).mean((1, 3)).std())


def camera_with(failure: str) -> int:
    return next(camera for camera in range(3) if failure_at("target", 0, camera, "mixed") == failure)


@pytest.mark.parametrize("kind", KINDS)
def test_by_night_color_is_dark_and_thermal_is_as_by_day(kind):
    options = {"kind": kind, "spectra": SPECTRA, "size": SIZES[kind]}
    day, night = (render("target", 0, 3, 1, 0, light=light, **options) for light in ("day", "night"))
    assert night.images["rgb"].mean() < 0.4 * day.images["rgb"].mean()
    np.testing.assert_array_equal(day.images["tir"], night.images["tir"])
    np.testing.assert_array_equal(day.person, night.person)
    assert contrast(night, "nir") > 2 * contrast(night, "rgb")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("failure", "spectrum"), [("dark", "rgb"), ("glare", "nir"), ("hot", "tir")])
def test_in_mixed_light_each_spectrum_fails_somewhere_and_the_others_work(kind, failure, spectrum):
    camera = camera_with(failure)
    options = {"kind": kind, "spectra": SPECTRA, "size": SIZES[kind]}
    lost, kept = [], []
    for identity in range(4):
        day, mixed = (render("target", 0, identity, camera, 0, light=light, **options) for light in ("day", "mixed"))
        difference = {
            name: np.abs(day.images[name].astype(int) - mixed.images[name]).mean()
            for name in SPECTRA
            if (name, failure) != ("nir", "dark")  # its lamp is on by night
        }
        lost.append(difference.pop(spectrum))
        kept.append(max(difference.values()))
    assert min(lost) > 10
    assert max(kept) == 0


def test_each_spectrum_fails_at_a_third_of_the_cameras():
    for seed in range(4):
        failures = [failure_at("source", seed, camera, "mixed") for camera in range(6)]
        assert sorted(failures) == ["dark", "dark", "glare", "glare", "hot", "hot"]
    assert {failure_at("source", 0, camera, "day") for camera in range(6)} == {"none"}
    assert {failure_at("source", 0, camera, "night") for camera in range(6)} == {"dark"}


@pytest.mark.parametrize("kind", KINDS)
def test_displacement_is_seen_in_the_pixels(kind):
    """The displaced thermal picture correlates best with the aligned one where the displacement says."""
    size = (128, 64) if kind == "people" else (128, 256)
    options = {"kind": kind, "spectra": ("tir",), "size": size}
    here, there = (
        render("target", 0, 4, 2, 1, misregistration=pixels, **options).images["tir"][..., 0] for pixels in (0.0, 6.0)
    )
    right, down = displacement("target", 0, 4, 2, 1, "tir", 6.0)
    spectrum = np.fft.fft2(there - there.mean()) * np.conj(np.fft.fft2(here - here.mean()))
    correlation = np.fft.ifft2(spectrum).real
    found = np.unravel_index(correlation.argmax(), correlation.shape)
    found = [(index + length // 2) % length - length // 2 for index, length in zip(found, size, strict=True)]
    assert np.abs(np.array(found) - [down, right]).max() <= 2
    assert 3 < np.hypot(right, down) < 9


def test_the_mask_follows_the_first_spectrum():
    aligned, color, thermal = (
        render("target", 0, 4, 2, 1, kind="vehicles", spectra=spectra, misregistration=pixels).person
        for spectra, pixels in ((("rgb",), 0.0), (SPECTRA, 8.0), (("tir",), 8.0))
    )
    np.testing.assert_array_equal(aligned, color)
    right, down = displacement("target", 0, 4, 2, 1, "tir", 8.0)
    moved = np.roll(aligned, (round(down), round(right)), (0, 1))
    assert (moved != thermal).mean() < 0.5 * (aligned != thermal).mean()


def test_displacement_is_the_cameras_and_shakes_a_little():
    moves = np.array([displacement("source", 1, identity, 3, 0, "nir", 5.0) for identity in range(60)])
    assert np.hypot(*moves.mean(0)) == pytest.approx(5.0, abs=0.4)
    assert 0.2 < moves.std(0).mean() < 1.0


def test_a_reference_carries_its_conditions():
    manifest = world.read(
        "target", kind="vehicles", spectra="rgb,tir", light="mixed", misregistration="2.5", train_identities=2
    )
    reference = manifest.column("tir")[0]
    assert reference.endswith("/tir?light=mixed&misregistration=2.5")
    place = [int(number) for number in reference.split("/")[2:6]]
    options = {"kind": "vehicles", "light": "mixed", "misregistration": 2.5}
    expected = render("target", *place, spectra=("tir",), **options)
    np.testing.assert_array_equal(render_reference(reference), expected.images["tir"])


def test_occluders_stand_in_the_share_of_shots_that_is_asked_for():
    shots = [(identity, camera) for identity in range(20) for camera in range(3)]
    for share, least, most in ((0.0, 0.0, 0.0), (0.5, 0.3, 0.7), (1.0, 1.0, 1.0)):
        seen = [
            render("target", 0, *shot, 0, size=(32, 16), occlusion=share).attributes["occlusion"] != "none"
            for shot in shots
        ]
        assert least <= np.mean(seen) <= most
    usual = world.read("target", train_identities=2, test_identities=0)
    asked = world.read("target", train_identities=2, test_identities=0, occlusion="0.5")
    assert asked.column("rgb") == [f"{name}?occlusion=0.5" for name in usual.column("rgb")]
    assert asked.column("identity") == usual.column("identity")


def test_other_conditions_have_other_names_and_the_same_objects():
    worlds = [
        world_manifest("target", train_identities=2, test_identities=0, light=light, misregistration=pixels)
        for light, pixels in (("day", 0.0), ("night", 0.0), ("mixed", 0.0), ("mixed", 1.0))
    ]
    assert len({tuple(one.column("identity")) for one in worlds}) == 1
    for column in ("rgb", "observation"):
        names = [set(one.column(column)) for one in worlds]
        assert sum(map(len, names)) == len(set().union(*names))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"light": "nihgt"}, "Did you mean 'night'"),
        ({"kind": "vehicle"}, "Did you mean 'vehicles'"),
        ({"misregistration": "far"}, "a number"),
        ({"misregistration": "-1"}, "0 to 32"),
        ({"misregistration": "nan"}, "0 to 32"),
        ({"occlusion": "often"}, "a number"),
        ({"occlusion": "1.5"}, "0 to 1"),
        ({"occlusion": "nan"}, "0 to 1"),
    ],
)
def test_the_format_refuses_conditions_that_do_not_exist(options, message):
    with pytest.raises(DataError, match=message):
        world.read("target", **options)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("light=dusk", "unknown light"),
        ("ligth=night", "Did you mean 'light'"),
        ("light=day", "a picture has one name"),
        ("misregistration=2&light=night", "a picture has one name"),
        ("misregistration=2.0", "a picture has one name"),
        ("misregistration=two", "a number of pixels"),
        ("occlusion=0.5&light=night", "a picture has one name"),
        ("occlusion=often", "a share"),
        ("hidden=0.5&occlusion=0.5", "a picture has one name"),
        ("hidden=half", "a share"),
        ("", "a picture has one name"),
    ],
)
def test_a_picture_has_one_name(asked, message):
    with pytest.raises(DataError, match=message):
        rendering_of(f"world:people/target/0/1/2/3/rgb?{asked}")
