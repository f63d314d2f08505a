"""Driving: one shot of one vehicle: its direction, its temperature, what stands in front of it, and the box.

Boxes keep the shape of the picture, twice as wide as high, so a vehicle with its front to the camera leaves room at its
sides.
"""

from __future__ import annotations

import math

from reknow.world import scenery
from reknow.world.background import window
from reknow.world.cameras import Box, Camera, Shot, drift
from reknow.world.domain import Domain
from reknow.world.draws import Draws
from reknow.world.pose import Pose, viewpoint
from reknow.world.shapes import BACKGROUND_LAYER, OCCLUDER_LAYER, Material, Row, Surface, box, ellipse
from reknow.world.vehicle_parts import vehicle_shapes
from reknow.world.vehicle_scenes import STAGE
from reknow.world.vehicles import Vehicle, vehicle
from reknow.world.walking import NEAR, pedestrian


def drive(
    rules: Domain, camera: Camera, seed: int, identity: int, camera_number: int, shot: int, size: tuple[int, int]
) -> Shot:
    """One shot of a vehicle, not yet painted; arguments as in :func:`reknow.world.walking.walk`."""
    what = vehicle(rules, seed, identity)
    draws = Draws("pass", rules.name, seed, identity, camera_number, shot)
    passing = Draws("passing", rules.name, seed, identity, camera_number)
    pose = _pose(camera, Draws("lane", rules.name, seed, camera_number), passing, draws)
    # From a cold start to a long drive; it cools or warms a little from shot to shot.
    warmth = min(1.0, max(0.0, passing.uniform(-0.1, 1.1) + draws.bell(0.0, 0.05)))
    rows = [*_shadow(what, pose, camera), *vehicle_shapes(what, pose, camera.air, warmth)]
    frame, cut = _frame(what, pose, rules, draws, size)
    occlusion = (
        draws.weighted({"post": 1, "barrier": 1, "foliage": 1, "pedestrian": 1.2})
        if draws.chance(rules.occlusion)
        else "none"
    )
    rows += _occluder(occlusion, what, rules, camera, pose, seed, draws)
    zoom = draws.uniform(1.0, 1.4)
    foot = 0.4 + 3.0 * math.sin(pose.pitch) * draws.uniform(0.7, 1.2)
    behind = window(STAGE, frame, size, zoom, foot, draws)
    heat = "cold" if warmth < 0.2 else "hot" if warmth > 0.7 else "warm"
    words = {**what.attributes, "viewpoint": viewpoint(pose.yaw), "occlusion": occlusion, "cut": cut, "drive": heat}
    return Shot(rows, frame, behind, drift(rules, draws), draws.within(rules.motion), draws.bits(), words)


def _pose(camera: Camera, lane: Draws, passing: Draws, shot: Draws) -> Pose:
    """A lane has a direction; vehicles drive along it in either direction, some of them across."""
    along = lane.choose((0.65, 0.95, 1.25)) * lane.choose((-1.0, 1.0))
    yaw = along + (math.pi if passing.chance(0.4) else 0.0)
    if passing.chance(0.2):
        yaw = passing.uniform(0.0, 2 * math.pi)
    yaw += passing.bell(0.0, 0.2) + shot.bell(0.0, 0.15)
    # Cameras on roads hang higher than those for people.
    return Pose(yaw, camera.pitch + 0.1, phase=0.0, stride=0.0, swing=0.0, stoop=0.0)


def _extent(what: Vehicle, pose: Pose) -> tuple[float, float, float]:
    """Half width, lowest and highest point of a vehicle in the picture, meters."""
    chassis, across, ahead = what.chassis, abs(math.cos(pose.yaw)), abs(math.sin(pose.yaw))
    half = 0.5 * (chassis.length * ahead + chassis.width * across)
    reach = 0.5 * (chassis.length * across + chassis.width * ahead) * math.sin(pose.pitch)
    tall = max(chassis.height, chassis.load[2] if chassis.load else 0.0)
    tall += {"box": 0.3, "sign": 0.2}.get(what.attributes["rack"], 0.1)
    return half, -reach, tall * math.cos(pose.pitch) + 0.5 * reach


def _frame(what: Vehicle, pose: Pose, rules: Domain, draws: Draws, size: tuple[int, int]) -> tuple[Box, str]:
    """The detector's box and what it misses."""
    height, width = size
    half, low, high = _extent(what, pose)
    extent = max(high - low + 0.15, (2 * half + 0.25) * height / width) * draws.within(rules.zoom)
    middle, center = 0.5 * (low + high), draws.bell(0.0, rules.shift * 0.5) * extent
    cut = "none"
    if draws.chance(rules.cut):
        cut = draws.choose(("left", "right"))
        lost = draws.uniform(0.08, 0.22)
        extent *= 1 - 0.5 * lost
        center += (lost if cut == "left" else -lost) * half
    scale = height / extent
    middle += draws.bell(0.0, rules.shift * 0.4) * extent
    return Box(center - 0.5 * width / scale, middle + 0.5 * extent, scale), cut


def _shadow(what: Vehicle, pose: Pose, camera: Camera) -> list[Row]:
    """The shadow under and beside the vehicle, which the sky does not light."""
    half, low, _ = _extent(what, pose)
    opacity = 0.4 + 0.4 * (1 - camera.ambient)
    surface = Surface(Material((0.008, 0.008, 0.01), 0.04, camera.air), flat=1.0).row
    center, radii = (-0.2 * camera.light[0], 0.1), (half * 1.04, max(0.12, -low * 0.95))
    below = ellipse(center, radii, surface, depth=-4.0, layer=BACKGROUND_LAYER, soft=0.3, opacity=opacity)
    return [below]


def _occluder(
    kind: str, what: Vehicle, rules: Domain, camera: Camera, pose: Pose, seed: int, draws: Draws
) -> list[Row]:
    """Something in front of the vehicle that hides a part of it, never all."""
    half, low, _ = _extent(what, pose)
    x = draws.choose((-1.0, 1.0)) * draws.uniform(0.15, 0.8) * half
    ground = low - draws.uniform(0.1, 0.4)
    if kind == "post":
        return scenery.pillar(draws, x, ground, camera.air, depth=NEAR, layer=OCCLUDER_LAYER)
    if kind == "barrier":
        rail = Surface(scenery.paint_of(draws, camera.air, 0.8), rough=0.1, flat=0.5).row
        level = draws.uniform(0.1, 0.5)
        place, halves = (x, level), (draws.uniform(0.6, 1.2) * half, draws.uniform(0.06, 0.12))
        return [box(place, halves, rail, depth=NEAR, corner=0.03, layer=OCCLUDER_LAYER)]
    if kind == "foliage":
        spread = (0.5 * half, 0.45)
        return scenery.bush(
            draws, (x, ground + 0.2), spread, camera.air, rules.season, count=60, depth=NEAR, layer=OCCLUDER_LAYER
        )
    if kind == "pedestrian":
        return pedestrian(rules, seed, pose, draws, (x, x + 0.3), 0.4 - low)
    return []
