"""Pose: how an object stands before a camera, and how its points are projected into the picture plane.

Coordinates of a body are meters: the right hand of a person who faces the camera lies at negative x, y points up from
the ground, z toward where the person faces. A viewpoint is a yaw (0: facing the camera, pi: walking away) and the
camera's pitch (its angle below the horizontal).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

Point = tuple[float, float, float]


@dataclass(frozen=True)
class Pose:
    """One moment of one walk.

    Attributes:
        yaw: viewpoint, radians.
        pitch: the camera's angle below the horizontal, radians.
        phase: of the step, radians.
        stride: largest angle of the thigh, radians.
        swing: largest angle of the arms, radians.
        stoop: angle of the trunk, radians.
        x: where the person stands, meters to the right.
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
    """Projects points of the body into the picture plane; the third number is nearness."""

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


def viewpoint(yaw: float) -> str:
    """One of eight viewpoints in words; a yaw of 0 is the front."""
    names = ("front", "front left", "left", "back left", "back", "back right", "right", "front right")
    return names[round(yaw / (math.pi / 4)) % 8]
