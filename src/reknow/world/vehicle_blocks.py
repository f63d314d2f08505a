"""Vehicle blocks: the boxes of which a vehicle is built, projected into the picture as shapes.

A vehicle is three to five blocks: the lower body in two layers, the cabin, what it carries, what lies on its roof. Each
block has a rectangle below and one above; only its faces turned to the camera are drawn, and what lies on a face
(windows, lamps, doors, marks) is placed in shares of it. Depth counts upward in the order of drawing, since blocks of a
vehicle hide each other in a known order: rear before front when it approaches, front before rear when it drives away,
low before high.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from reknow.world.pose import Point, Pose, View
from reknow.world.shapes import PERSON_LAYER, Row, ellipse, face
from reknow.world.vehicles import Vehicle

Corners = Sequence[tuple[float, float]]
_STEP = 1e-3  # of depth from one shape to the next


class Face:
    """One face of a block, viewed from outside: corners in shares (along, up) become points of the picture."""

    def __init__(self, board: Board, corners: tuple[Point, Point, Point, Point], outward: Point) -> None:
        self.board, self.corners = board, corners
        projected = [board.projected(corner) for corner in corners]
        first = [b - a for a, b in zip(projected[0], projected[1], strict=True)]
        last = [b - a for a, b in zip(projected[0], projected[3], strict=True)]
        normal = (
            first[1] * last[2] - first[2] * last[1],
            first[2] * last[0] - first[0] * last[2],
            first[0] * last[1] - first[1] * last[0],
        )
        away = board.rotated(outward)
        length = max(math.hypot(*normal), 1e-9)
        sign = 1.0 if sum(n * a for n, a in zip(normal, away, strict=True)) > 0 else -1.0
        self.normal = tuple(sign * n / length for n in normal)
        self.shown = self.normal[2] > 0.03

    def at(self, along: float, up: float) -> tuple[float, float]:
        """A point of the picture."""
        a, b, c, d = self.corners
        low = [p + along * (q - p) for p, q in zip(a, b, strict=True)]
        high = [p + along * (q - p) for p, q in zip(d, c, strict=True)]
        x, y, z = (p + up * (q - p) for p, q in zip(low, high, strict=True))
        return self.board.projected((x, y, z))[:2]

    def patch(self, corners: Corners, paint: str, opacity: float = 1.0) -> None:
        """Lay a quadrilateral on the face, given counterclockwise or clockwise."""
        if self.shown:
            points = [self.at(*corner) for corner in corners]
            self.board.polygon(points, (self.normal[0], self.normal[1]), paint, opacity)

    def strip(self, left: float, low: float, right: float, high: float, paint: str) -> None:
        """Lay an upright rectangle on the face."""
        self.patch(((left, low), (right, low), (right, high), (left, high)), paint)


class Board:
    """The drawing board of one vehicle.

    Args:
        vehicle: which.
        pose: viewpoint.
        air: temperature around.
        warmth: how hot the drive has left it, in [0, 1].
    """

    def __init__(self, vehicle: Vehicle, pose: Pose, air: float, warmth: float) -> None:
        self.vehicle, self.view = vehicle, View(pose)
        self.rows: list[Row] = []
        self._surfaces = {name: paint.surface(air, warmth).row for name, paint in vehicle.paints.items()}

    def rotated(self, point: Point) -> Point:
        """A direction in the camera's coordinates: right, up, toward the camera."""
        side, up, ahead = point
        near = ahead * self.view.cos - side * self.view.sin
        right = side * self.view.cos + ahead * self.view.sin
        return right, up * self.view.level - near * self.view.down, near * self.view.level + up * self.view.down

    def projected(self, point: Point) -> Point:
        """A point in the camera's coordinates."""
        right, up, near = self.rotated(point)
        return right + self.view.x, up + self.view.y, near

    @property
    def coming(self) -> bool:
        """Whether the front is nearer than the rear."""
        return self.view.cos > 0

    def polygon(self, points: Corners, normal: tuple[float, float], paint: str, opacity: float = 1.0) -> None:
        """Four corners in the picture, over everything drawn so far."""
        turn = sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(points, [*points[1:], points[0]], strict=True))
        corners = points if turn > 0 else points[::-1]
        depth = _STEP * len(self.rows)
        self.rows.append(face(corners, normal, self._surfaces[paint], depth=depth, opacity=opacity))

    def disc(self, center: Point, radius: float, paint: str, *, thick: float = 0.0) -> None:
        """An upright disc that faces the side, as a wheel; `thick` is half its thickness in meters."""
        x, y, _ = self.projected(center)
        radii = (max(0.02, radius * abs(self.view.sin) + thick * abs(self.view.cos)), radius * self.view.level)
        depth = _STEP * len(self.rows)
        self.rows.append(ellipse((x, y), radii, self._surfaces[paint], depth=depth, layer=PERSON_LAYER))

    def block(
        self,
        low: tuple[float, float, float, float],
        high: tuple[float, float, float, float],
        paints: Mapping[Any, str],
    ) -> dict[str, Face]:
        """Draw a block and return its faces.

        Args:
            low: height, half width, rear and front of its lower rectangle, meters.
            high: the same of its upper one.
            paints: of ``front``, ``rear``, ``side`` and ``top``.

        Returns:
            ``front`` and ``rear`` (along runs from right to left of the vehicle), ``left`` and ``right`` (from rear to
            front), ``top`` (from rear to front, up from right to left).
        """
        (y0, w0, r0, f0), (y1, w1, r1, f1) = low, high
        faces = {
            "front": Face(self, ((-w0, y0, f0), (w0, y0, f0), (w1, y1, f1), (-w1, y1, f1)), (0.0, 0.1, 1.0)),
            "rear": Face(self, ((-w0, y0, r0), (w0, y0, r0), (w1, y1, r1), (-w1, y1, r1)), (0.0, 0.1, -1.0)),
            "left": Face(self, ((w0, y0, r0), (w0, y0, f0), (w1, y1, f1), (w1, y1, r1)), (1.0, 0.1, 0.0)),
            "right": Face(self, ((-w0, y0, r0), (-w0, y0, f0), (-w1, y1, f1), (-w1, y1, r1)), (-1.0, 0.1, 0.0)),
            "top": Face(self, ((-w1, y1, r1), (-w1, y1, f1), (w1, y1, f1), (w1, y1, r1)), (0.0, 1.0, 0.0)),
        }
        # Slightly larger than they are, or the background shows through the seams.
        lap = 0.012
        for name, outside in faces.items():
            paint = paints["side" if name in ("left", "right") else name]
            outside.patch(((-lap, -lap), (1 + lap, -lap), (1 + lap, 1 + lap), (-lap, 1 + lap)), paint)
        return faces
