"""Vehicle scenes: the backgrounds of vehicles: a road, a parking lot, a gate.

As in `people_scenes.py`, heights are meters above the line where the ground ends at a wall or a hedge.
"""

from __future__ import annotations

from reknow.world import scenery
from reknow.world.domain import Domain
from reknow.world.draws import Draws
from reknow.world.scenery import Stage
from reknow.world.shapes import BACKGROUND_LAYER, CHECKS, PLAIN, STRIPES, Material, Row, Surface, box

# A picture 256 wide shows 4 to 13 meters.
STAGE = Stage(width=30.0, top=7.0, bottom=-6.0, scale=22.0)


def _area(
    low: float, high: float, material: Material, depth: float, seed: int, rough: float, second: Material | None = None
) -> Row:
    """A strip of wall or ground across the whole scene; with a second material, joints lie between its blocks."""
    pattern, size = (CHECKS, (1.3, 0.06, 0.0)) if second else (PLAIN, (1.0, 0.0, 0.0))
    surface = Surface(material, second, pattern, size, rough=rough, flat=1.0, seed=seed)
    center, halves = (STAGE.width / 2, (low + high) / 2), (STAGE.width, (high - low) / 2)
    return box(center, halves, surface.row, depth=depth, layer=BACKGROUND_LAYER)


def _ground(draws: Draws, air: float) -> list[Row]:
    """Asphalt, a little warmer than the air, and the curb behind it."""
    gray = draws.uniform(0.05, 0.2)
    asphalt = Material(
        (gray, gray, gray * draws.uniform(0.95, 1.1)), draws.uniform(0.1, 0.3), air + draws.uniform(0.0, 4.0)
    )
    curb = Material((0.3, 0.3, 0.29), 0.4, air)
    return [
        _area(STAGE.bottom, 0.0, asphalt, -9.0, draws.below(999), 0.3),
        _area(-draws.uniform(0.1, 0.3), 0.0, curb, -8.9, draws.below(999), 0.2),
    ]


def _mark(draws: Draws, x: float, y: float, halves: tuple[float, float], air: float, turn: float = 0.0) -> Row:
    """A line painted on the ground."""
    paint = Material((0.62, 0.62, 0.58) if draws.chance(0.75) else (0.6, 0.42, 0.05), 0.65, air)
    return box((x, y), halves, Surface(paint, rough=0.2, flat=1.0).row, depth=-8.8, turn=turn, layer=BACKGROUND_LAYER)


def _houses(draws: Draws, air: float) -> list[Row]:
    """Walls with windows, doors and shutters along the street."""
    rows, x = [], 0.0
    while x < STAGE.width:
        half = draws.uniform(1.5, 4.5)
        wall = scenery.paint_of(draws, air, 0.65)
        surface = Surface(wall, wall.scaled(0.75), draws.choose((PLAIN, CHECKS, STRIPES)), (0.5, 0.15, 0.0), flat=1.0)
        center = (x + half, STAGE.top / 2)
        rows.append(box(center, (half, STAGE.top / 2), surface.row, depth=-8.7, layer=BACKGROUND_LAYER))
        for _ in range(draws.below(5)):
            middle = (x + draws.uniform(0.2, 1.8) * half, draws.uniform(1.0, 5.0))
            glow = 0.9 if draws.chance(0.25) else 0.0
            halves = (draws.uniform(0.4, 0.9), draws.uniform(0.5, 0.9))
            rows += scenery.panel(draws, middle, halves, air, bright=0.4, depth=-8.2, glow=glow)
        x += 2 * half
    return rows


def _road(draws: Draws, domain: Domain, air: float) -> list[Row]:
    """A street in front of houses, with lane marks, lamp posts and bushes."""
    rows = _ground(draws, air) + _houses(draws, air)
    level = -draws.uniform(1.2, 3.0)
    for number in range(12):
        rows.append(_mark(draws, 2.6 * number, level, (0.8, 0.05), air))
    for number in range(5):
        rows += scenery.pillar(draws, draws.uniform(0.0, STAGE.width), -0.2, air, depth=-7.0 + 0.1 * number)
        center = (draws.uniform(0.0, STAGE.width), 0.3)
        rows += scenery.bush(draws, center, (1.6, 0.6), air, domain.season, count=50, depth=-6.0)
    return rows


def _parking(draws: Draws, domain: Domain, air: float) -> list[Row]:
    """Bays in front of a hedge or a wall, with other cars in some of them."""
    leaf, sky = scenery.leaf_of(draws, air, domain.season), Material((0.4, 0.45, 0.52), 0.35, air - 28)
    hedge = draws.uniform(1.2, 3.0)
    rows = [*_ground(draws, air), _area(0.0, STAGE.top, sky, -9.0, 3, 0.1), _area(0.0, hedge, leaf, -8.9, 4, 0.6)]
    for number in range(7):
        place = (draws.uniform(0.0, STAGE.width), hedge)
        rows += scenery.bush(draws, place, (2.0, 0.8), air, domain.season, count=40, depth=-8.7 + 0.01 * number)
    for number in range(12):
        rows.append(_mark(draws, 2.6 * number, -1.2, (0.05, 0.9), air, turn=-0.3))
        if draws.chance(0.35):
            rows += scenery.car(draws, 2.6 * number, -0.2, air, depth=-7.0 + 0.05 * number)
    return rows


def _gate(draws: Draws, domain: Domain, air: float) -> list[Row]:
    """The entrance of a yard: a wall, bollards, a booth and a striped barrier."""
    wall = scenery.paint_of(draws, air, 0.7)
    rows = [*_ground(draws, air), _area(0.0, STAGE.top, wall, -8.9, 5, 0.3, wall.scaled(0.75))]
    red, white = Material((0.5, 0.03, 0.03), 0.5, air), Material((0.7, 0.7, 0.68), 0.7, air)
    for number in range(4):
        x = 7.5 * number + draws.uniform(0.0, 4.0)
        rows += scenery.panel(draws, (x, 1.5), (draws.uniform(0.8, 1.8), 1.5), air, bright=0.6, depth=-8.0)
        rows += scenery.panel(draws, (x + 2.6, 2.6), (0.6, 0.5), air, bright=0.9, depth=-8.0, pattern=draws.below(4))
        beam = Surface(red, white, STRIPES, (0.5, 0.5, 0.0), flat=1.0)  # stripes run along y: the beam is turned
        center = (x + 2.0, 1.0)
        rows.append(box(center, (0.06, 1.8), beam.row, depth=-7.0, turn=1.5708, layer=BACKGROUND_LAYER))
        rows += scenery.pillar(draws, x + draws.uniform(3.0, 4.0), -0.2, air, depth=-6.5)
    return rows


# Consecutive cameras of a world have different ones.
ROADS = (_road, _parking, _gate)
