"""Shapes: the five outlines from which everything in the world is put together.

A shape is one row of numbers: 15 of geometry (kind, layer, depth, two points, five radii, yaw, softness, opacity),
then the 17 of its surface. Lengths are meters; x points right, y up. A shape with more depth is nearer and hides the
others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

CAPSULE, ELLIPSE, BOX, PROFILE, FACE = range(5)
BACKGROUND_LAYER, PERSON_LAYER, OCCLUDER_LAYER = range(3)

# One row of numbers per shape: 15 of geometry (see the makers below), then 17 of its surface (see `surfaces.py`).
Row = tuple[float | int, ...]


def capsule(
    start: tuple[float, float],
    end: tuple[float, float],
    radii: tuple[float, float],
    surface: Row,
    *,
    depth: float,
    layer: int = PERSON_LAYER,
    yaw: float = 0.0,
) -> Row:
    """A limb: a line that swells from one radius to the other, round at both ends."""
    return (CAPSULE, layer, depth, *start, *end, *radii, 0.0, 0.0, 0.0, yaw, 0.0, 1.0, *surface)


def ellipse(
    center: tuple[float, float],
    radii: tuple[float, float],
    surface: Row,
    *,
    depth: float,
    turn: float = 0.0,
    layer: int = PERSON_LAYER,
    yaw: float = 0.0,
    soft: float = 0.0,
    opacity: float = 1.0,
) -> Row:
    """An ellipse, turned counterclockwise by `turn` radians; `soft` is the width of its edge in meters."""
    return (
        ELLIPSE,
        layer,
        depth,
        *center,
        math.cos(turn),
        math.sin(turn),
        *radii,
        0.0,
        0.0,
        0.0,
        yaw,
        soft,
        opacity,
        *surface,
    )


def box(
    center: tuple[float, float],
    halves: tuple[float, float],
    surface: Row,
    *,
    depth: float,
    corner: float = 0.0,
    turn: float = 0.0,
    layer: int = PERSON_LAYER,
    yaw: float = 0.0,
    soft: float = 0.0,
    opacity: float = 1.0,
) -> Row:
    """A rectangle with half width and half height, rounded by `corner`, turned by `turn` radians."""
    return (
        BOX,
        layer,
        depth,
        *center,
        math.cos(turn),
        math.sin(turn),
        *halves,
        corner,
        0.0,
        0.0,
        yaw,
        soft,
        opacity,
        *surface,
    )


def profile(
    bottom: tuple[float, float],
    top: tuple[float, float],
    widths: Sequence[float],
    surface: Row,
    *,
    depth: float,
    layer: int = PERSON_LAYER,
    yaw: float = 0.0,
) -> Row:
    """A turned body: five half widths at equal steps from bottom to top."""
    return (PROFILE, layer, depth, *bottom, *top, *widths, yaw, 0.0, 1.0, *surface)


def face(
    corners: Sequence[tuple[float, float]],
    normal: tuple[float, float],
    surface: Row,
    *,
    depth: float,
    layer: int = PERSON_LAYER,
    opacity: float = 1.0,
) -> Row:
    """A flat piece of something in space: four corners, counterclockwise as seen, and where it faces (right, up)."""
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = corners
    return (FACE, layer, depth, x0, y0, x1, y1, x2, y2, x3, y3, *normal, 0.0, opacity, *surface)
