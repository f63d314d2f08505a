"""Take: one shot before it is painted, whatever it shows: shapes, the detector's box, the window on the background."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from reknow.world.domain import Domain
from reknow.world.draws import Draws
from reknow.world.shapes import Row


class Box(NamedTuple):
    """A detector's box: x of its left edge and y of its upper edge in meters, and pixels per meter."""

    left: float
    top: float
    scale: float


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


class Window(NamedTuple):
    """The part of a scene that a picture shows: its left and upper edge and its step per pixel, in scene pixels."""

    left: float
    top: float
    step: float


@dataclass(frozen=True)
class Take:
    """One shot, not yet painted.

    Attributes:
        rows: shapes of the object, its shadow and what stands before it.
        box: where the picture lies among them.
        behind: where it lies in the camera's scene.
        drift: how the camera's gains on red, green and blue stray in this shot.
        motion: horizontal blur, pixels of a picture 128 high.
        noise: the seed of the noise.
        words: what the object looks like and how it is seen.
    """

    rows: list[Row]
    box: Box
    behind: Window
    drift: tuple[float, float, float]
    motion: float
    noise: int
    words: dict[str, str]


def viewpoint(yaw: float) -> str:
    """One of eight viewpoints in words; a yaw of 0 is the front."""
    names = ("front", "front left", "left", "back left", "back", "back right", "right", "front right")
    return names[round(yaw / (math.pi / 4)) % 8]


def drift(rules: Domain, draws: Draws) -> tuple[float, float, float]:
    """How the camera's gain on each color strays in this shot."""
    red, green, blue = (draws.bell(0.0, rules.drift / 3) + draws.bell(0.0, rules.drift) for _ in range(3))
    return 2.0**red, 2.0**green, 2.0**blue


def window(stage: Stage, box: Box, size: tuple[int, int], zoom: float, foot: float, draws: Draws) -> Window:
    """A window somewhere along a scene.

    Args:
        stage: the size of the scene.
        box: the detector's.
        size: height and width of the picture in pixels.
        zoom: the farther the wall, the more of it a picture shows.
        foot: height of the wall's foot in the picture, meters.
        draws: of the shot.
    """
    height, width = size
    start = draws.uniform(0.0, stage.width - width / box.scale * zoom)
    highest = stage.top - 0.05
    upper = min(highest, max(stage.bottom + height / box.scale * zoom + 0.05, (box.top - foot) * zoom))
    return Window(start * stage.scale, (stage.top - upper) * stage.scale, stage.scale / box.scale * zoom)
