"""Vehicles: the same everywhere, told apart by more than one thing, warm where they have been driven."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from reknow.data.formats.world import read as world_manifest
from reknow.observation import SPECTRA
from reknow.world import DOMAINS, SIZES, render, render_reference, rendering_of
from reknow.world.pose import Pose
from reknow.world.raster import HEAT, PERSON, blank, paint
from reknow.world.vehicle_parts import vehicle_shapes
from reknow.world.vehicles import CHASSIS, vehicle

PINNED = Path(__file__).parent / "pinned_vehicles.png"
SMALL = (32, 64)


def pinned_sheet() -> np.ndarray:
    """(192, 384, 3): two vehicles of each domain, one line each, in the three spectra."""
    lines = []
    for domain, identity in (("source", 3), ("source", 7), ("target", 2), ("target", 100_001)):
        images = render(domain, 0, identity, identity % 6, 1, kind="vehicles", spectra=SPECTRA, size=(48, 96)).images
        lines.append(np.concatenate([images[spectrum] for spectrum in SPECTRA], 1))
    return np.concatenate(lines, 0)


def test_pictures_stay_as_they_are():
    """Another processor may round differently in the last place, as for people: see `test_sight.py`."""
    with Image.open(PINNED) as file:
        expected = np.asarray(file)
    assert (pinned_sheet() != expected).any(axis=2).mean() < 1e-3


def test_equal_arguments_give_equal_pictures_in_any_company():
    alone = render("target", 3, 5, 1, 2, kind="vehicles").images["rgb"]
    render("target", 3, 6, 2, 0, kind="vehicles")
    again = render("target", 3, 5, 1, 2, kind="vehicles", spectra=SPECTRA).images
    np.testing.assert_array_equal(alone, again["rgb"])
    np.testing.assert_array_equal(alone, render_reference("world:vehicles/target/3/5/1/2/rgb"))
    assert alone.shape == (*SIZES["vehicles"], 3) == (128, 256, 3)


def test_the_mask_is_where_the_vehicle_is():
    """The picture has edges where the mask has its rim: more than elsewhere, and more than at a mask put elsewhere."""
    at_rim, astray, anywhere = [], [], []
    for identity in range(8):
        sight = render("source", 0, identity, identity % 6, 0, kind="vehicles", size=(64, 128))
        assert 0.08 < sight.person.mean() < 0.75
        assert not (sight.person & sight.occluder).any()
        steps = np.abs(np.diff(sight.images["rgb"].astype(float).mean(2), axis=1))
        rim = np.diff(sight.person, axis=1)
        at_rim.append(steps[rim].mean())
        astray.append(steps[np.roll(rim, 8, axis=1)].mean())
        anywhere.append(steps.mean())
    assert np.mean(at_rim) > 1.5 * np.mean(anywhere)
    assert np.mean(at_rim) > 1.3 * np.mean(astray)


def test_the_mask_of_a_reference_is_that_of_its_picture():
    sight = rendering_of("world:vehicles/source/0/1/2/3/nir")
    expected = render("source", 0, 1, 2, 3, kind="vehicles", spectra=("nir",))
    np.testing.assert_array_equal(sight.person, expected.person)
    np.testing.assert_array_equal(sight.images["nir"], expected.images["nir"])


def test_identities_differ_more_than_shots_of_one():
    """Mean color of what is visible, in one camera by day: shots of one vehicle are close, vehicles are far apart."""
    colors = np.array([[_mean_color(identity, shot) for shot in range(2)] for identity in range(16)])
    within = np.abs(colors[:, 0] - colors[:, 1]).mean()
    between = np.abs(colors[:, None, 0] - colors[None, :, 1])[~np.eye(16, dtype=bool)].mean()
    assert between > 2 * within


def _mean_color(identity: int, shot: int) -> np.ndarray:
    sight = render("source", 0, identity, 0, shot, kind="vehicles", size=SMALL)
    return sight.images["rgb"][sight.person].astype(float).mean(0)


def test_no_two_vehicles_are_described_alike():
    words = [tuple(sorted(vehicle(DOMAINS["target"], 0, identity).attributes.items())) for identity in range(150)]
    assert len(set(words)) >= 148
    assert {dict(word)["type"] for word in words} == set(CHASSIS)


def test_a_drive_warms_the_hood_and_the_wheels_and_not_the_roof():
    what, pose = vehicle(DOMAINS["target"], 0, 3), Pose(0.9, 0.3, 0.0, 0.0, 0.0, 0.0)
    canvases = []
    for warmth in (0.0, 1.0):
        canvas = blank(64, 128)
        paint(canvas, vehicle_shapes(what, pose, 0.0, warmth), -3.2, 2.4, 20.0, (0.0, 0.0, 1.0))
        canvases.append(canvas)
    cold, hot = canvases
    np.testing.assert_array_equal(cold[..., PERSON], hot[..., PERSON])
    np.testing.assert_array_equal(cold[..., :3], hot[..., :3])
    warmed = (hot - cold)[..., HEAT][cold[..., PERSON] > 0.9]
    assert warmed.max() > 5
    assert 0.02 < (warmed > 3).mean() < 0.8


def test_near_infrared_says_nothing_about_the_color():
    bodies = [vehicle(DOMAINS["source"], 0, identity).paints["body"] for identity in range(300)]
    assert abs(np.corrcoef([sum(body.color) for body in bodies], [body.nir for body in bodies])[0, 1]) < 0.15


def test_vehicles_have_names_of_their_own():
    people, vehicles = (
        world_manifest("target", train_identities=3, test_identities=0, kind=kind) for kind in ("people", "vehicles")
    )
    for column in ("identity", "camera", "observation", "rgb"):
        assert not set(people.column(column)) & set(vehicles.column(column))
