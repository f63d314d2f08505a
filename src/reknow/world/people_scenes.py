"""People scenes: the families of backgrounds of people, each a function from draws to shapes.

Heights are meters above the line where the wall meets the ground; x runs over the width of a scene.
"""

from __future__ import annotations

from collections.abc import Callable

from reknow.world import scenery
from reknow.world.domain import Domain
from reknow.world.draws import Draws
from reknow.world.scenery import Stage
from reknow.world.shapes import BACKGROUND_LAYER, CHECKS, PLAIN, STRIPES, Material, Row, Surface, box, capsule

# A picture 128 pixels high shows about 2 meters, so a scene is slightly soft, like a far wall.
STAGE = Stage(width=14.0, top=3.6, bottom=-2.4, scale=44.0)
WIDTH, TOP, BOTTOM, _ = STAGE


def _area(
    low: float,
    high: float,
    material: Material,
    second: Material,
    pattern: int,
    period: float,
    depth: float,
    seed: int,
    rough: float = 0.35,
) -> Row:
    """A strip of wall or ground across the whole scene."""
    surface = Surface(
        material,
        second,
        pattern,
        (period, 0.06 / period if pattern == CHECKS else 0.5, 0.0),
        rough=rough,
        flat=1.0,
        seed=seed,
    )
    return box(
        (WIDTH / 2, (low + high) / 2), (WIDTH, (high - low) / 2), surface.row, depth=depth, layer=BACKGROUND_LAYER
    )


def _room(draws: Draws, air: float, wall: float, ground: float, tiles: float) -> list[Row]:
    """A wall, a plinth and a floor."""
    paint_wall, paint_floor = scenery.paint_of(draws, air, wall), scenery.paint_of(draws, air, ground)
    pattern = CHECKS if draws.chance(0.6) else PLAIN
    joints = paint_wall.scaled(0.7)
    rows = [_area(0.0, TOP, paint_wall, joints, pattern, draws.uniform(0.3, 0.8), -9.0, draws.below(999))]
    rows.append(_area(0.0, draws.uniform(0.08, 0.2), paint_wall.scaled(0.4), paint_wall, PLAIN, 1.0, -8.9, 1))
    rows.append(_area(BOTTOM, 0.0, paint_floor, paint_floor.scaled(0.75), CHECKS, tiles, -9.0, draws.below(999)))
    if draws.chance(0.6):
        stripe = scenery.paint_of(draws, air, 0.8)
        level = draws.uniform(0.9, 1.4)
        rows.append(_area(level, level + draws.uniform(0.05, 0.3), stripe, stripe, PLAIN, 1.0, -8.8, 2))
    return rows


def _corridor(draws: Draws, domain: Domain, air: float) -> list[Row]:
    rows = _room(draws, air, 0.85, 0.65, 0.6)
    x = draws.uniform(0.3, 1.0)
    while x < WIDTH:
        kind = draws.below(4)
        if kind == 0:
            rows += scenery.panel(draws, (x, 1.05), (0.45, 1.05), air, bright=0.6, depth=-8.0)
        elif kind == 1:
            rows += scenery.panel(
                draws,
                (x, 1.6),
                (draws.uniform(0.25, 0.6), draws.uniform(0.25, 0.6)),
                air,
                bright=0.9,
                depth=-8.0,
                pattern=draws.below(4),
            )
        elif kind == 2:
            rows += scenery.pillar(draws, x, 0.0, air, depth=-7.0)
        else:
            rows += scenery.panel(draws, (x, 2.7), (0.5, 0.12), air, bright=1.0, depth=-8.0, glow=1.0)
        x += draws.uniform(0.9, 1.8)
    return rows


def _mall(draws: Draws, domain: Domain, air: float) -> list[Row]:
    rows = _room(draws, air, 0.9, 0.8, 0.9)
    x = 0.6
    while x < WIDTH:
        half = draws.uniform(0.6, 1.2)
        rows += scenery.panel(
            draws, (x + half, 1.35), (half, 1.25), air, bright=0.9, depth=-8.0, glow=draws.choose((0.0, 0.7, 0.9))
        )
        rows += scenery.panel(
            draws, (x + half, 2.95), (half * 0.8, 0.18), air, bright=1.0, depth=-7.9, pattern=draws.below(4)
        )
        for _ in range(draws.below(5)):
            item = Surface(scenery.paint_of(draws, air, 0.9), rough=0.1)
            px = x + draws.uniform(0.1, 2 * half)
            rows.append(
                box(
                    (px, draws.uniform(0.4, 1.6)),
                    (draws.uniform(0.06, 0.2), draws.uniform(0.1, 0.4)),
                    item.row,
                    depth=-7.5,
                    corner=0.04,
                    layer=BACKGROUND_LAYER,
                )
            )
        x += 2 * half + draws.uniform(0.2, 0.8)
    return rows


def _plaza(draws: Draws, domain: Domain, air: float) -> list[Row]:
    rows = _room(draws, air, 0.75, 0.75, 1.1)
    for _ in range(14):
        rows += scenery.panel(
            draws,
            (draws.uniform(0.0, WIDTH), draws.uniform(1.0, 3.2)),
            (draws.uniform(0.2, 0.5), draws.uniform(0.3, 0.6)),
            air,
            bright=0.5,
            depth=-8.2 + draws.uniform(),
        )
    for _ in range(5):
        x = draws.uniform(0.0, WIDTH)
        rows += scenery.bush(draws, (x, 0.5), (0.7, 0.5), air, domain.season, count=50, depth=-6.0)
        pot = Surface(scenery.paint_of(draws, air, 0.5), rough=0.2)
        rows.append(box((x, 0.05), (0.45, 0.22), pot.row, depth=-5.9, corner=0.03, layer=BACKGROUND_LAYER))
    return rows


def _street(draws: Draws, domain: Domain, air: float) -> list[Row]:
    rows = _room(draws, air, 0.5, 0.35, draws.uniform(0.5, 1.0))
    x = 0.0
    while x < WIDTH:
        half = draws.uniform(0.8, 2.2)
        wall = scenery.paint_of(draws, air, 0.5)
        rows.append(
            box(
                (x + half, 2.0),
                (half, 2.0),
                Surface(
                    wall,
                    wall.scaled(0.6),
                    draws.choose((CHECKS, STRIPES)),
                    (draws.uniform(0.2, 0.5), 0.2, 0.0),
                    rough=0.3,
                    flat=1.0,
                ).row,
                depth=-8.7,
                layer=BACKGROUND_LAYER,
            )
        )
        for _ in range(3):
            lit = draws.chance(0.4)
            rows += scenery.panel(
                draws,
                (x + draws.uniform(0.2, 1.8) * half, draws.uniform(1.2, 2.8)),
                (0.3, 0.4),
                air,
                bright=0.3,
                depth=-8.0,
                glow=0.9 if lit else 0.0,
            )
        x += 2 * half
    for _ in range(2):
        rows += scenery.car(draws, draws.uniform(0.0, WIDTH), -0.35, air, depth=-6 + draws.uniform())
    for _ in range(3):
        rows += scenery.pillar(draws, draws.uniform(0.0, WIDTH), -0.3, air, depth=-5.0)
    return rows


def _park(draws: Draws, domain: Domain, air: float) -> list[Row]:
    grass, path = scenery.leaf_of(draws, air, domain.season), scenery.paint_of(draws, air, 0.5)
    far, sky = scenery.leaf_of(draws, air, domain.season).scaled(0.6), Material((0.35, 0.4, 0.48), 0.3, air - 28)
    rows = [
        _area(1.2, TOP, sky, sky, PLAIN, 1.0, -9.0, 3, 0.1),
        _area(0.0, 1.3, far, far, PLAIN, 1.0, -8.9, 4, 0.6),
        _area(BOTTOM, 0.0, grass, grass, PLAIN, 1.0, -8.8, 5, 0.6),
        _area(-1.6, -draws.uniform(0.3, 0.8), path, path, PLAIN, 1.0, -8.7, 6, 0.4),
    ]
    for number in range(9):
        x = draws.uniform(0.0, WIDTH)
        bark = Surface(Material((0.06, 0.045, 0.03), 0.35, air + 1), rough=0.4, seed=number)
        half = draws.uniform(0.06, 0.2)
        rows.append(
            capsule(
                (x, -0.1),
                (x + draws.uniform(-0.3, 0.3), 3.8),
                (half, half * 0.6),
                bark.row,
                depth=-8 + number * 0.1,
                layer=BACKGROUND_LAYER,
            )
        )
        rows += scenery.bush(draws, (x, 2.9), (1.2, 0.9), air, domain.season, count=70, depth=-7.9 + number * 0.1)
        rows += scenery.bush(
            draws, (draws.uniform(0.0, WIDTH), 0.25), (0.8, 0.4), air, domain.season, count=40, depth=-7 + number * 0.05
        )
    return rows


def _station(draws: Draws, domain: Domain, air: float) -> list[Row]:
    rows = _room(draws, air, 0.45, 0.4, 0.7)
    if draws.chance(0.6):
        train = scenery.paint_of(draws, air, 0.7)
        rows.append(_area(0.1, 3.0, train, train, PLAIN, 1.0, -8.5, 7, 0.1))
        rows.append(_area(0.8, 0.95, scenery.paint_of(draws, air, 0.9), train, PLAIN, 1.0, -8.4, 7, 0.1))
        for number in range(8):
            rows += scenery.panel(
                draws,
                (number * 1.8 + 0.5, 1.7),
                (0.55, 0.4),
                air,
                bright=0.3,
                depth=-8.3,
                glow=draws.choose((0.0, 0.8)),
            )
    for _ in range(5):
        rows += scenery.panel(
            draws,
            (draws.uniform(0.0, WIDTH), 1.7),
            (draws.uniform(0.3, 0.7), 0.5),
            air,
            bright=0.7,
            depth=-8.0,
            pattern=draws.below(4),
        )
    for _ in range(4):
        rows += scenery.pillar(draws, draws.uniform(0.0, WIDTH), 0.0, air, depth=-5.0)
    edge = Material((0.6, 0.5, 0.1), 0.6, air)
    rows.append(_area(-0.35, -0.22, edge, edge, PLAIN, 1.0, -8.2, 8))
    return rows


# The names that a domain lists as its places.
PLACES: dict[str, Callable[[Draws, Domain, float], list[Row]]] = {
    "corridor": _corridor,
    "plaza": _plaza,
    "mall": _mall,
    "street": _street,
    "park": _park,
    "station": _station,
}
