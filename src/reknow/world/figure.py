"""Figure: the drawing board on which a person is put together.

Every shape's depth is how near it is to the camera, in meters, so that an arm, a bag or the hair hides what lies
behind it from each viewpoint. Where two parts share a joint, `over` says which lies outside; the parts' numbers, from
the skin outward: trunk 0.15, arms 0.17, head 0.18, face 0.21, hat and fringe 0.27, long hair over the back 0.28.
"""

from __future__ import annotations

from collections.abc import Sequence

from reknow.world.people import Person
from reknow.world.shapes import PERSON_LAYER, Row, box, capsule, ellipse, profile
from reknow.world.skeleton import Point, Pose, View, joints


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
