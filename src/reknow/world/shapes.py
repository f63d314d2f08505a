"""Shapes and surfaces: the five outlines from which everything in the world is put together, and what they are made of.

A shape is one row of numbers: 15 of geometry (kind, layer, depth, two points, five radii, yaw, softness, opacity),
then the 17 of its surface. Lengths are meters; x points right, y up. A shape with more depth is nearer and hides the
others.

A :class:`Material` has a color, a near-infrared reflectance and a temperature of its own. They are drawn separately,
because they are independent in nature: most dyes are clear in the near infrared, so a black cotton shirt may be white
there, and a thermal camera records neither color. A :class:`Surface` lays a pattern of two materials over a shape.
"""

from __future__ import annotations

import colorsys
import math
from collections.abc import Sequence
from dataclasses import dataclass

CAPSULE, ELLIPSE, BOX, PROFILE, FACE = range(5)
BACKGROUND_LAYER, PERSON_LAYER, OCCLUDER_LAYER = range(3)

# One row of numbers per shape: 15 of geometry (see the functions below), then 17 of its surface.
Row = tuple[float | int, ...]

# Patterns by their number in the raster kernel. Coordinates: angle around the axis (0 is the front), meters along it.
PLAIN, STRIPES, PINSTRIPES, CHECKS, LOGO, BLOCK, PANELS, OPENING, BAND, CAMOUFLAGE, PRINT, QUILTED = range(12)
_PATTERN_NAMES = [
    "plain",
    "stripes",
    "pinstripes",
    "checks",
    "logo",
    "block",
    "panels",
    "opening",
    "band",
    "camouflage",
    "print",
    "quilted",
]
PATTERNS = {name: number for number, name in enumerate(_PATTERN_NAMES)}


@dataclass(frozen=True)
class Material:
    """One material.

    Attributes:
        color: red, green, blue reflectance, linear, in [0, 1].
        nir: reflectance at 850 nm, in [0, 1].
        heat: temperature in degrees Celsius.
    """

    color: tuple[float, float, float]
    nir: float
    heat: float

    @property
    def row(self) -> tuple[float, ...]:
        """The five channels that the raster kernel blends."""
        return (*self.color, self.nir, self.heat)

    def scaled(self, factor: float) -> Material:
        """The same material, lighter or darker in color alone."""
        red, green, blue = (min(1.0, channel * factor) for channel in self.color)
        return Material((red, green, blue), self.nir, self.heat)


class Surface:
    """A material, or two in a pattern.

    Args:
        base: the material between the marks.
        second: the material of the marks.
        pattern: one of this module's numbers.
        size: three lengths in meters or angles in radians; their meaning depends on the pattern, see ``_mark`` in
            `raster.py`.
        rough: how much folds and grain change the light, in [0, 1].
        flat: 0 for a round object, 1 for one that is lit evenly.
        seed: sets folds and grain.
    """

    __slots__ = ("base", "row", "second")

    def __init__(
        self,
        base: Material,
        second: Material | None = None,
        pattern: int = PLAIN,
        size: tuple[float, float, float] = (0.0, 0.0, 0.0),
        *,
        rough: float = 0.0,
        flat: float = 0.0,
        seed: int = 0,
    ) -> None:
        self.base = base
        self.second = second or base
        # A plain tuple: rows are concatenated a thousand times a second.
        self.row = (*base.row, *self.second.row, float(pattern), *size, rough, flat, float(seed & 0xFFFF))


def hue(hue: float, saturation: float, value: float) -> tuple[float, float, float]:
    r"""Linear reflectance of a color given as \(hue, saturation and value in [0, 1])."""
    red, green, blue = colorsys.hsv_to_rgb(hue % 1.0, saturation, value)
    return red**2.2, green**2.2, blue**2.2


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
    """A limb: a line whose width grows from one radius to the other, round at both ends."""
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
    direction = (math.cos(turn), math.sin(turn))
    return (ELLIPSE, layer, depth, *center, *direction, *radii, 0.0, 0.0, 0.0, yaw, soft, opacity, *surface)


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
) -> Row:
    """A rectangle with half width and half height, rounded by `corner`, turned by `turn` radians."""
    direction = (math.cos(turn), math.sin(turn))
    return (BOX, layer, depth, *center, *direction, *halves, corner, 0.0, 0.0, yaw, 0.0, 1.0, *surface)


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
    """A plane in space: four corners, counterclockwise in the picture, and where it faces (right, up)."""
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = corners
    return (FACE, layer, depth, x0, y0, x1, y1, x2, y2, x3, y3, *normal, 0.0, opacity, *surface)
