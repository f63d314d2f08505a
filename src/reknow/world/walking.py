"""Walking: one shot of one person: pose, shadow, what stands in front of the person, and the detector's box.

The order of the draws is part of the world: the shipped recognizer was trained on the pictures that result.
"""

from __future__ import annotations

import math
from dataclasses import replace

from reknow.world import scenery
from reknow.world.background import window
from reknow.world.body import body
from reknow.world.cameras import Box, Camera, Shot, drift
from reknow.world.domain import Domain
from reknow.world.draws import Draws
from reknow.world.people import person
from reknow.world.people_scenes import STAGE
from reknow.world.pose import Pose, viewpoint
from reknow.world.shapes import BACKGROUND_LAYER, OCCLUDER_LAYER, Material, Row, Surface, ellipse

NEAR = 2.0  # depth of what stands in front of the person, meters toward the camera
PEDESTRIANS = 10_000_000  # identities from here on walk through pictures of others and belong to no data set


def walk(
    rules: Domain, camera: Camera, seed: int, identity: int, camera_number: int, shot: int, size: tuple[int, int]
) -> Shot:
    """One shot of a person, not yet painted.

    Args:
        rules: the domain.
        camera: the camera.
        seed: of the world.
        identity: number of the person.
        camera_number: the camera's number.
        shot: number of the picture in the tracklet.
        size: height and width of the picture in pixels.
    """
    who = person(rules, seed, identity)
    draws = Draws("shot", rules.name, seed, identity, camera_number, shot)
    pose = _pose(rules, camera, who.gait, Draws("tracklet", rules.name, seed, identity, camera_number), draws, shot)
    rows = _shadows(pose, camera) + body(who, pose)
    occlusion = (
        draws.weighted({"pillar": 1, "car": 1, "foliage": 1, "pedestrian": 1.2})
        if draws.chance(rules.occlusion)
        else "none"
    )
    rows += _occluder(occlusion, rules, camera, pose, seed, draws)
    box, cut = _frame(rules, who.build.height, camera, draws, size)
    zoom = draws.uniform(1.0, 1.6)
    foot = draws.uniform(0.15, 0.5) + 2.2 * math.sin(camera.pitch) * draws.uniform(0.6, 1.1)
    behind = window(STAGE, box, size, zoom, foot, draws)
    words = {**who.attributes, "viewpoint": viewpoint(pose.yaw), "occlusion": occlusion, "cut": cut}
    return Shot(rows, box, behind, drift(rules, draws), draws.within(rules.motion), draws.bits(), words)


def pedestrian(
    rules: Domain, seed: int, pose: Pose, draws: Draws, across: tuple[float, float], low: float
) -> list[Row]:
    """A pedestrian who walks through the picture and is none of the data set's identities.

    Args:
        rules: the domain.
        seed: of the world.
        pose: of the camera and the walk; viewpoint and step are drawn anew.
        draws: of the shot.
        across: how far to the right the person stands, meters; drawn from this range.
        low: the ground there lies at most this many meters below the ground of the picture.
    """
    other = person(rules, seed, PEDESTRIANS + draws.below(100_000))
    place = replace(
        pose,
        x=draws.within(across),
        y=-draws.uniform(0.05, low),
        yaw=draws.uniform(0.0, 6.28),
        phase=draws.uniform(0.0, 6.28),
    )
    return body(other, place, layer=OCCLUDER_LAYER, nearness=NEAR)


def _pose(
    rules: Domain, camera: Camera, gait: tuple[float, float, float], tracklet: Draws, shot: Draws, number: int
) -> Pose:
    yaw = tracklet.uniform(0.0, 2 * math.pi) + shot.bell(0.0, rules.turning)
    standing = tracklet.chance(0.2)
    phase = tracklet.uniform(0.0, 2 * math.pi) + 1.9 * number + shot.uniform(-0.5, 0.5)
    stride, swing, stoop = gait
    return Pose(
        yaw, camera.pitch, phase, stride * (0.15 if standing else 1.0), swing * (0.2 if standing else 1.0), stoop
    )


def _shadows(pose: Pose, camera: Camera) -> list[Row]:
    """A soft shadow under the feet, thrown away from the light."""
    x, reach = pose.x - 0.25 * camera.light[0], 0.12 + 0.3 * math.sin(pose.pitch)
    opacity = 0.25 + 0.45 * (1 - camera.ambient)
    # A shadow is dark to the camera and nearly as dark in the near infrared, but no colder than the ground.
    surface = Surface(Material((0.01, 0.01, 0.012), 0.05, camera.air), flat=1.0).row
    return [
        ellipse(
            (x, pose.y + 0.02),
            (0.34, 0.4 * reach),
            surface,
            depth=-4.0,
            layer=BACKGROUND_LAYER,
            soft=0.12,
            opacity=opacity,
        )
    ]


def _occluder(kind: str, rules: Domain, camera: Camera, pose: Pose, seed: int, draws: Draws) -> list[Row]:
    """Something in front of the person that hides a part, never all."""
    side = draws.choose((-1.0, 1.0))
    if kind == "pillar":
        return scenery.pillar(
            draws, side * draws.uniform(0.08, 0.3), -0.5, camera.air, depth=NEAR, layer=OCCLUDER_LAYER
        )
    if kind == "car":
        return scenery.car(
            draws,
            side * draws.uniform(0.6, 1.9),
            -draws.uniform(0.55, 0.9),
            camera.air,
            depth=NEAR,
            layer=OCCLUDER_LAYER,
        )
    if kind == "foliage":
        low = draws.chance(0.7)
        center = (side * draws.uniform(0.1, 0.4), draws.uniform(0.1, 0.45) if low else 1.2)
        spread = (draws.uniform(0.35, 0.6), 0.45 if low else 0.8)
        return scenery.bush(draws, center, spread, camera.air, rules.season, count=45, depth=NEAR, layer=OCCLUDER_LAYER)
    if kind == "pedestrian":
        return pedestrian(rules, seed, pose, draws, (side * 0.3, side * 0.48), 0.3)
    return []


def _frame(rules: Domain, tall: float, camera: Camera, draws: Draws, size: tuple[int, int]) -> tuple[Box, str]:
    """The detector's box and what it misses."""
    height, width = size
    projected_height = tall * math.cos(camera.pitch)
    extent = (projected_height + 0.12) * draws.within(rules.zoom)
    middle = 0.5 * projected_height + draws.bell(0.0, rules.shift * 0.5) * extent
    cut = "none"
    if draws.chance(rules.cut):
        cut = "feet" if draws.chance(0.75) else "head"
        lost = draws.uniform(0.1, 0.3) if cut == "feet" else draws.uniform(0.03, 0.08)
        extent *= 1 - lost
        middle += (0.5 if cut == "feet" else -0.5) * lost * projected_height
    scale = height / extent
    left = draws.bell(0.0, rules.shift) * extent * 0.5 - 0.5 * width / scale
    return Box(left, middle + 0.5 * extent, scale), cut
