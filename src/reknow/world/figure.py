"""Figure: the joints of a walking person, and the board on which the parts of the person are drawn.

Coordinates are those of `pose.py`. The depth of a shape is how near it is to the camera, in meters, so that an arm, a
bag or the hair hides what lies behind it from each viewpoint. Where two parts share a joint, `over` says which lies
outside; the parts' numbers, from the skin outward: trunk 0.15, arms 0.17, head 0.18, face 0.21, hat and fringe 0.27,
long hair over the back 0.28.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from reknow.world.people import Build, Person
from reknow.world.pose import Point, Pose, View
from reknow.world.shapes import PERSON_LAYER, Row, box, capsule, ellipse, profile


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


class Figure:
    """One person under construction: the parts share the view and the joints.

    Args:
        person: who.
        pose: viewpoint and moment of the walk.
        layer: which mask the shapes fill.
        nearness: added to every depth.
    """

    def __init__(self, person: Person, pose: Pose, layer: int = PERSON_LAYER, nearness: float = 0.0) -> None:
        words = person.attributes
        holds = words["bag"] in ("handbag", "suitcase")
        left = words["bag_side"] == "left"
        self.person, self.words, self.build = person, words, person.build
        self.at = joints(person.build, pose, carries=(holds and left, holds and not left))
        self.view = View(pose)
        self.layer, self.nearness, self.yaw = layer, nearness, pose.yaw
        self.rows: list[Row] = []

    def surface(self, name: str) -> Row:
        """What a part is made of."""
        return self.person.surfaces[name].row

    def wears(self, name: str) -> bool:
        """Whether there is such a part."""
        return name in self.person.surfaces

    def limb(
        self, start: Point, end: Point, radii: tuple[float, float], surface: Row, over: float = 0.0, share: float = 1.0
    ) -> None:
        """A tapered limb from one joint to another, or a cover of the first share of it."""
        x0, y0, near0 = self.view(start)
        x1, y1, near1 = self.view(end)
        # A cover takes its depth from the whole limb, or a forward swing would bring the limb before its cover.
        depth = self.nearness + 0.5 * (near0 + near1) + over
        x1, y1 = x0 + share * (x1 - x0), y0 + share * (y1 - y0)
        self.rows.append(capsule((x0, y0), (x1, y1), radii, surface, depth=depth, layer=self.layer, yaw=self.yaw))

    def blob(self, center: Point, radii: tuple[float, float], surface: Row, over: float = 0.0) -> None:
        """An ellipse around a point of the body."""
        x, y, near = self.view(center)
        depth = self.nearness + near + over
        self.rows.append(ellipse((x, y), radii, surface, depth=depth, layer=self.layer, yaw=self.yaw))

    def case(self, center: Point, halves: tuple[float, float], surface: Row, over: float, corner: float) -> None:
        """A box around a point of the body."""
        x, y, near = self.view(center)
        depth = self.nearness + near + over
        self.rows.append(box((x, y), halves, surface, depth=depth, corner=corner, layer=self.layer, yaw=self.yaw))

    def tube(self, bottom: Point, top: Point, widths: Sequence[float], surface: Row, depth: float) -> None:
        """Cloth around the trunk or the legs, with five half widths from bottom to top."""
        x0, y0, _ = self.view(bottom)
        x1, y1, _ = self.view(top)
        depth += self.nearness
        self.rows.append(profile((x0, y0), (x1, y1), widths, surface, depth=depth, layer=self.layer, yaw=self.yaw))
