"""Surfaces: what a thing is made of, as a camera of any spectrum meets it.

A :class:`Material` has a color, a near-infrared reflectance and a temperature of its own. They are drawn separately,
because nature keeps them separate: most dyes are clear in the near infrared, so a black cotton shirt may be white
there, and a thermal camera sees neither. A :class:`Surface` lays a pattern of two materials over a shape.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

# Patterns, as the raster kernel numbers them. Coordinates: angle around the axis (0 is the front), meters along it.
PLAIN, STRIPES, PINSTRIPES, CHECKS, LOGO, BLOCK, PANELS, OPENING, BAND, CAMOUFLAGE, PRINT, QUILTED = range(12)


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
        """The same material, lighter or darker to the eye alone."""
        red, green, blue = (min(1.0, channel * factor) for channel in self.color)
        return Material((red, green, blue), self.nir, self.heat)


class Surface:
    """A material, or two in a pattern.

    Args:
        base: the material between the marks.
        second: the material of the marks.
        pattern: one of this module's numbers.
        size: three lengths in meters or angles in radians; their meaning depends on the pattern, see `raster.py`.
        rough: how much folds and grain change the light, in [0, 1].
        flat: 0 for a round thing, 1 for one that takes light evenly.
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
    """Linear reflectance of a color named as people see it (hue, saturation and value in [0, 1])."""
    red, green, blue = colorsys.hsv_to_rgb(hue % 1.0, saturation, value)
    return red**2.2, green**2.2, blue**2.2
