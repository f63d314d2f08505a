"""Scenery: the size of a background scene, and what stands in it or in front of a person."""

from __future__ import annotations

from typing import NamedTuple

from reknow.world.draws import Draws
from reknow.world.shapes import BACKGROUND_LAYER, Material, Row, Surface, box, capsule, ellipse, hue


class Stage(NamedTuple):
    """The size of a background scene.

    Attributes:
        width: meters.
        top: height of its upper edge above the foot of the wall, meters.
        bottom: of its lower edge, negative.
        scale: pixels per meter.
    """

    width: float
    top: float
    bottom: float
    scale: float


def paint_of(draws: Draws, air: float, bright: float) -> Material:
    """A painted or plastered surface: any hue, mostly weak."""
    color = hue(draws.uniform(), draws.uniform(0.03, 0.5), bright * draws.uniform(0.7, 1.2))
    return Material(color, draws.uniform(0.2, 0.7), air + draws.uniform(-1.5, 2.5))


def leaf_of(draws: Draws, air: float, season: str) -> Material:
    """Leaves: very bright in the near infrared, cool to a thermal camera."""
    if season == "summer":
        color = hue(draws.uniform(0.22, 0.36), draws.uniform(0.4, 0.75), draws.uniform(0.25, 0.5))
    else:
        color = hue(draws.uniform(0.08, 0.28), draws.uniform(0.2, 0.5), draws.uniform(0.22, 0.42))
    return Material(color, draws.uniform(0.6, 0.85), air + draws.uniform(-2.0, 0.5))


def bush(
    draws: Draws,
    center: tuple[float, float],
    spread: tuple[float, float],
    air: float,
    season: str,
    *,
    count: int,
    depth: float,
    layer: int = BACKGROUND_LAYER,
) -> list[Row]:
    """Foliage: many leaf clusters of several greens."""
    rows = []
    for number in range(count):
        material = leaf_of(draws, air, season)
        # Clusters near the middle come late, so that the rim stays ragged.
        x, y = center[0] + draws.bell(0.0, spread[0] * 0.45), center[1] + draws.bell(0.0, spread[1] * 0.45)
        size = draws.uniform(0.04, 0.11)
        rows.append(
            ellipse(
                (x, y),
                (size, size * draws.uniform(0.5, 1.0)),
                Surface(material, rough=0.4, seed=number).row,
                depth=depth + number * 1e-4,
                turn=draws.uniform(0.0, 3.1),
                layer=layer,
                soft=0.03,
            )
        )
    return rows


def car(draws: Draws, x: float, ground: float, air: float, *, depth: float, layer: int = BACKGROUND_LAYER) -> list[Row]:
    """A parked car from the side; its hood is warm when it has just arrived."""
    lacquer = Material(
        hue(draws.uniform(), draws.uniform(0.0, 0.8), draws.uniform(0.15, 0.9)), draws.uniform(0.1, 0.6), air + 1
    )
    warm = Material(lacquer.color, lacquer.nir, air + draws.uniform(4.0, 26.0))
    dark = Material((0.02, 0.02, 0.022), 0.06, air)
    glass = Material((0.06, 0.075, 0.09), 0.12, air - 4)
    body, hood = Surface(lacquer, flat=0.3), Surface(warm, flat=0.3)
    facing = draws.choose((-1.0, 1.0))
    rows = [
        box((x, ground + 1.13), (0.95, 0.32), Surface(glass, flat=0.5).row, depth=depth, corner=0.25, layer=layer),
        box((x, ground + 1.40), (0.80, 0.05), body.row, depth=depth + 0.001, corner=0.05, layer=layer),
        box((x, ground + 1.13), (0.04, 0.30), body.row, depth=depth + 0.001, layer=layer),
        box((x, ground + 0.62), (2.05, 0.30), body.row, depth=depth + 0.002, corner=0.2, layer=layer),
        box((x + facing * 1.5, ground + 0.68), (0.52, 0.22), hood.row, depth=depth + 0.003, corner=0.16, layer=layer),
        box(
            (x, ground + 0.36), (1.95, 0.06), Surface(dark, flat=1.0).row, depth=depth + 0.004, corner=0.03, layer=layer
        ),
    ]
    rubber, rim = Surface(dark, flat=0.6), Surface(Material((0.16, 0.16, 0.17), 0.4, air + 2), flat=0.6)
    for side in (-1.25, 1.25):
        rows.append(ellipse((x + side, ground + 0.32), (0.32, 0.32), rubber.row, depth=depth + 0.005, layer=layer))
        rows.append(ellipse((x + side, ground + 0.32), (0.17, 0.17), rim.row, depth=depth + 0.006, layer=layer))
    return rows


def pillar(
    draws: Draws, x: float, ground: float, air: float, *, depth: float, layer: int = BACKGROUND_LAYER
) -> list[Row]:
    """A column or a lamp post."""
    half = draws.uniform(0.05, 0.17)
    second = paint_of(draws, air, 0.6)
    surface = Surface(
        paint_of(draws, air, 0.7),
        second,
        draws.choose((0, 0, 1)),
        (draws.uniform(0.3, 0.8), 0.5, 0.0),
        rough=0.15,
        seed=draws.below(999),
    )
    return [capsule((x, ground - 0.3), (x, ground + 4.5), (half, half), surface.row, depth=depth, layer=layer)]


def panel(
    draws: Draws,
    center: tuple[float, float],
    halves: tuple[float, float],
    air: float,
    *,
    bright: float,
    depth: float,
    glow: float = 0.0,
    pattern: int = 0,
) -> list[Row]:
    """A door, window, poster or sign with a frame."""
    front = paint_of(draws, air, bright)
    if glow:
        front = Material(hue(draws.uniform(0.08, 0.16), draws.uniform(0.1, 0.6), 1.0), 0.5, air + 6).scaled(glow)
    second = paint_of(draws, air, bright)
    surface = Surface(
        front, second, pattern, (draws.uniform(0.1, 0.4), draws.uniform(0.3, 0.6), 0.0), flat=1.0, seed=draws.below(999)
    )
    frame = Surface(paint_of(draws, air, 0.35), flat=1.0)
    return [
        box(center, (halves[0] + 0.05, halves[1] + 0.05), frame.row, depth=depth, layer=BACKGROUND_LAYER),
        box(center, halves, surface.row, depth=depth + 0.01, layer=BACKGROUND_LAYER),
    ]
