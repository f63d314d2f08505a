"""Hiding: something opaque stands in front of an object and hides a stated share of it.

The occluders of a domain hide what they happen to hide, of some objects. To draw a score over how much is hidden, every
object must lose the same share: a wall comes from the left or the right, a fence or a hedge from below, as far as that
share of the object's pixels is behind it.

Photographs have no true outline of their object. There the same things are pasted, and the share is that of the whole
picture (:func:`pasted`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, UInt8

from reknow.world.cameras import Box, Shot
from reknow.world.draws import Draws
from reknow.world.raster import OCCLUDER, PERSON, blank, paint
from reknow.world.scenery import leaf_of, paint_of
from reknow.world.shapes import OCCLUDER_LAYER, PATTERNS, Row, Surface, box, ellipse

Side = Literal["left", "right", "below"]

AIR = 18.0
"""Degrees Celsius of the air around what is pasted."""

TALL = 1.9
"""Meters that a pasted-over picture is taken to be high."""

_DEPTH = 60.0  # nearer than every other occluder
_LAYER = 1  # the number in a row of shapes that is its layer


def hidden(
    shot: Shot,
    share: float,
    size: tuple[int, int],
    draws: Draws,
    *,
    air: float,
    season: str,
    light: tuple[float, float, float],
) -> Shot:
    """The shot with this share of its object hidden, in place of the occluders that it had.

    Args:
        shot: not yet painted.
        share: of the object's pixels in the frame, from 0 to 1.
        size: height and width of the picture in pixels.
        draws: which thing, from which side.
        air: degrees Celsius.
        season: of the leaves.
        light: as of :func:`~reknow.world.raster.paint`.
    """
    rows = [row for row in shot.rows if row[_LAYER] != OCCLUDER_LAYER]
    canvas = blank(*size)
    paint(canvas, rows, *shot.box, light)
    kind, before = _before(canvas[..., PERSON] > 0.5, share, shot.box, draws, air, season)
    return replace(shot, rows=[*rows, *before], words={**shot.words, "occlusion": kind})


def pasted(picture: UInt8[np.ndarray, "height width 3"], share: float, *key: str | int) -> UInt8[np.ndarray, "..."]:
    """A color picture with this share of it behind something that the world draws.

    Args:
        picture: left as it is.
        share: of the picture, from 0 to 1.
        key: equal keys give equal things.

    Example:
        >>> gray = np.full((64, 32, 3), 128, np.uint8)
        >>> float((pasted(gray, 0.25, "example") != gray).any(axis=2).mean().round(2))
        0.25
    """
    height, width = picture.shape[:2]
    frame, canvas = Box(0.0, TALL, height / TALL), blank(height, width)
    everything = np.ones((height, width), dtype=bool)
    _, before = _before(everything, share, frame, Draws("pasted", *key), AIR, "summer")
    paint(canvas, before, *frame, (0.3, 0.6, 0.74))
    drawn = (255 * np.clip(canvas[..., :3], 0, 1) ** (1 / 2.2)).astype(np.uint8)
    return np.where(canvas[..., OCCLUDER, None] > 0.5, drawn, picture)


def _before(
    body: Bool[np.ndarray, "height width"], share: float, frame: Box, draws: Draws, air: float, season: str
) -> tuple[str, list[Row]]:
    """What hides this share of the pixels of `body`, and its name."""
    if share * body.sum() < 0.5:  # less than half a pixel
        return "none", []
    kind = draws.weighted({"wall": 1, "fence": 1, "hedge": 1})
    side: Side = draws.choose(("left", "right")) if kind == "wall" else "below"
    center, halves = _place(body, share, frame, side)
    if kind == "hedge":
        return kind, _hedge(center, halves, draws, air, season)
    pattern = PATTERNS[draws.choose(("plain", "stripes", "checks", "pinstripes"))]
    surface = Surface(
        paint_of(draws, air, 0.6),
        paint_of(draws, air, 0.6),
        pattern,
        (draws.uniform(0.1, 0.4), draws.uniform(0.3, 0.6), 0.0),
        rough=0.15,
        flat=0.7,
        seed=draws.below(999),
    )
    return kind, [box(center, halves, surface.row, depth=_DEPTH, layer=OCCLUDER_LAYER)]


def _place(
    body: Bool[np.ndarray, "height width"], share: float, frame: Box, side: Side
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Center and half sizes, in meters, of the rectangle that comes from this side and covers the share of `body`."""
    height, width = body.shape
    across, upright = width / frame.scale / 2, height / frame.scale / 2
    middle = (frame.left + across, frame.top - upright)
    lines = body.sum(axis=1)[::-1] if side == "below" else body.sum(axis=0)[:: 1 if side == "left" else -1]
    reach = _reach(lines, share) / frame.scale / 2
    if side == "below":
        return (middle[0], middle[1] - upright + reach), (across, reach)
    x = middle[0] - across + reach if side == "left" else middle[0] + across - reach
    return (x, middle[1]), (reach, upright)


def _reach(lines: Float[np.ndarray, "lines"] | np.ndarray, share: float) -> float:
    """How many lines, the last one perhaps in part, hold this share of their sum."""
    held = np.concatenate([[0.0], np.cumsum(lines) / lines.sum()])
    first, last = np.flatnonzero(held == 0)[-1], np.flatnonzero(held >= 1 - 1e-12)[0]
    return float(np.interp(share, held[first : last + 1], np.arange(first, last + 1)))


def _hedge(
    center: tuple[float, float], halves: tuple[float, float], draws: Draws, air: float, season: str
) -> list[Row]:
    """Leaves before a dark green ground, whose upper edge is as ragged above as below the line."""
    ground = Surface(leaf_of(draws, air, season), rough=0.4).row
    rows = [box(center, halves, ground, depth=_DEPTH, layer=OCCLUDER_LAYER)]
    top = center[1] + halves[1]
    for number in range(120):
        size = draws.uniform(0.03, 0.08)
        place = (
            center[0] + draws.uniform(-1, 1) * halves[0],
            top - size - draws.uniform() * (2 * halves[1] - size),
        )
        leaf = Surface(leaf_of(draws, air, season), rough=0.4, seed=number).row
        rows.append(
            ellipse(
                place,
                (size, size * draws.uniform(0.5, 1.0)),
                leaf,
                depth=_DEPTH + number * 1e-4,
                turn=draws.uniform(0.0, 3.1),
                layer=OCCLUDER_LAYER,
            )
        )
    return rows
