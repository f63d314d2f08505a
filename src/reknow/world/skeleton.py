"""Skeleton: the joints of a walking person in space, seen from a viewpoint.

Body coordinates are meters: right hand of a person who faces us lies at negative x, y points up from the ground, z
toward where she looks. A viewpoint is a yaw (0 = she faces the camera, pi = she walks away) and the camera's pitch
(how far it looks down).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from reknow.world.people import Build

Point = tuple[float, float, float]


@dataclass(frozen=True)
class Pose:
    """One moment of one walk.

    Attributes:
        yaw: viewpoint, radians.
        pitch: how far the camera looks down, radians.
        phase: of the step, radians.
        stride: largest angle of the thigh, radians.
        swing: largest angle of the arms, radians.
        stoop: angle of the trunk, radians.
        x: where she stands, meters to the right.
        y: the height of the ground there.
    """

    yaw: float
    pitch: float
    phase: float
    stride: float
    swing: float
    stoop: float
    x: float = 0.0
    y: float = 0.0


class View:
    """Turns points of the body into points of the picture plane; the third number is nearness."""

    __slots__ = ("cos", "down", "level", "sin", "x", "y", "yaw")

    def __init__(self, pose: Pose) -> None:
        self.yaw = pose.yaw
        self.cos, self.sin = math.cos(pose.yaw), math.sin(pose.yaw)
        self.level, self.down = math.cos(pose.pitch), math.sin(pose.pitch)
        self.x, self.y = pose.x, pose.y

    def __call__(self, point: Point) -> Point:
        side, up, ahead = point
        near = ahead * self.cos - side * self.sin
        return self.x + side * self.cos + ahead * self.sin, self.y + up * self.level - near * self.down, near

    def width(self, side: float, deep: float) -> float:
        """Half width in the picture of an upright elliptic cylinder with these half axes."""
        return math.hypot(side * self.cos, deep * self.sin)


@dataclass(frozen=True)
class Joints:
    """Joints in body coordinates; pairs are (left, right), left at positive x."""

    pelvis: Point
    neck: Point
    head: Point
    hips: tuple[Point, Point]
    knees: tuple[Point, Point]
    ankles: tuple[Point, Point]
    shoulders: tuple[Point, Point]
    elbows: tuple[Point, Point]
    wrists: tuple[Point, Point]


def joints(build: Build, pose: Pose, *, carries: tuple[bool, bool] = (False, False)) -> Joints:
    """Where the joints are at this moment of the walk.

    Args:
        build: body measures.
        pose: the moment.
        carries: whether the left and the right hand hold something, which keeps that arm down.
    """
    thigh, shin = 0.51 * build.legs, 0.44 * build.legs
    hip_half, shoulder_half = 0.55 * build.hip, 0.88 * build.shoulder
    knees, ankles, elbows, wrists = [], [], [], []
    lowest = 0.0
    for sign in (1.0, -1.0):
        swing = sign * math.sin(pose.phase)
        thigh_angle = pose.stride * swing
        # The knee bends while its leg travels forward.
        bend = pose.stride * (0.25 + 1.5 * max(0.0, sign * math.cos(pose.phase)))
        knee = (sign * hip_half, -thigh * math.cos(thigh_angle), thigh * math.sin(thigh_angle))
        shin_angle = thigh_angle - bend
        ankle = (sign * hip_half * 0.9, knee[1] - shin * math.cos(shin_angle), knee[2] + shin * math.sin(shin_angle))
        knees.append(knee)
        ankles.append(ankle)
        lowest = min(lowest, ankle[1])
    # The hips sink so that the lower foot stands on the ground.
    hips_up = -lowest + 0.05 * build.legs
    trunk = build.height - build.legs - 2.0 * build.head - 0.05
    lean = math.sin(pose.stoop)
    neck = (0.0, hips_up + trunk, trunk * lean)
    upper_arm, forearm = 0.172 * build.height, 0.15 * build.height
    for index, sign in enumerate((1.0, -1.0)):
        angle = 0.12 if carries[index] else -sign * pose.swing * math.sin(pose.phase)
        spread = 0.05 if carries[index] else 0.16
        shoulder = (sign * shoulder_half, neck[1] - 0.07, neck[2])
        elbow = (
            shoulder[0] + sign * upper_arm * math.sin(spread),
            shoulder[1] - upper_arm * math.cos(angle),
            shoulder[2] + upper_arm * math.sin(angle) - 0.02,
        )
        flex = angle + (0.08 if carries[index] else 0.3 + 0.5 * max(0.0, angle))
        wrist = (elbow[0], elbow[1] - forearm * math.cos(flex), elbow[2] + forearm * math.sin(flex))
        elbows.append(elbow)
        wrists.append(wrist)

    def raised(points: list[Point]) -> tuple[Point, Point]:
        (a, b, c), (d, e, f) = points
        return (a, b + hips_up, c), (d, e + hips_up, f)

    return Joints(
        pelvis=(0.0, hips_up, 0.0),
        neck=neck,
        head=(0.0, neck[1] + 0.05 + build.head, neck[2] + 0.02),
        hips=((hip_half, hips_up, 0.0), (-hip_half, hips_up, 0.0)),
        knees=raised(knees),
        ankles=raised(ankles),
        shoulders=((shoulder_half, neck[1] - 0.07, neck[2]), (-shoulder_half, neck[1] - 0.07, neck[2])),
        elbows=(elbows[0], elbows[1]),
        wrists=(wrists[0], wrists[1]),
    )
