"""Cameras: the optics and the sensor of one camera of a domain, and one shot by it before it is painted."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from reknow.world.domain import Domain
from reknow.world.draws import Draws
from reknow.world.shapes import Row


@dataclass(frozen=True)
class Camera:
    """One camera; see :class:`reknow.world.domain.Domain` for the meaning of the numbers."""

    light: tuple[float, float, float]  # unit vector to the key light
    ambient: float
    gains: tuple[float, float, float]  # red, green, blue
    exposure: float
    gamma: float
    contrast: float
    saturation: float
    haze: float
    defocus: float
    resolution: float
    noise: float
    quality: float
    pitch: float
    night: bool  # its near-infrared light comes from its own lamp
    low: float  # temperature that a thermal picture shows black
    span: float  # degrees from black to white
    air: float
    # What fails, see `conditions.py`; by default nothing does.
    dusk: float = 1.0  # factor on visible light
    grain: float = 1.0  # factor on the noise of the color picture
    glare: float = 0.0  # share of the near-infrared exposure lost to a lamp in the picture
    crossover: float = 0.0  # how far all temperatures have come together, in [0, 1]


@lru_cache(maxsize=256)
def camera_of(domain: Domain, seed: int, number: int) -> Camera:
    """The camera with this number in the world of this domain and seed."""
    draws = Draws("camera", domain.name, seed, number)
    azimuth, height = draws.uniform(-1.4, 1.4), draws.uniform(0.3, 1.1)
    light = (math.sin(azimuth) * math.cos(height), math.sin(height), math.cos(azimuth) * math.cos(height))
    warmth = draws.within(domain.warmth)
    gains = [2.0 ** (0.5 * share * warmth + draws.bell(0.0, domain.cast)) for share in (1.0, 0.1, -1.0)]
    mean = sum(gains) / 3
    air = draws.within(domain.air)
    return Camera(
        light=light,
        ambient=draws.within(domain.ambient),
        gains=(gains[0] / mean, gains[1] / mean, gains[2] / mean),
        exposure=2.0 ** draws.within(domain.exposure),
        gamma=draws.within(domain.gamma),
        contrast=draws.within(domain.contrast),
        saturation=draws.within(domain.saturation),
        haze=draws.within(domain.haze),
        defocus=draws.within(domain.defocus),
        resolution=draws.within(domain.resolution),
        noise=draws.within(domain.noise),
        quality=draws.within(domain.quality),
        pitch=draws.within(domain.pitch),
        night=draws.chance(domain.night),
        low=air - draws.uniform(6.0, 12.0),
        span=33 - air + draws.uniform(8.0, 16.0),
        air=air,
    )


class Box(NamedTuple):
    """A detector's box: x of its left edge and y of its upper edge in meters, and pixels per meter."""

    left: float
    top: float
    scale: float


class Window(NamedTuple):
    """The part of a scene that a picture shows: its left and upper edge and its step per pixel, in scene pixels."""

    left: float
    top: float
    step: float


@dataclass(frozen=True)
class Shot:
    """One shot, not yet painted.

    Attributes:
        rows: shapes of the object, its shadow and what stands before it.
        box: where the picture lies among them.
        behind: where it lies in the camera's scene.
        drift: how the camera's gains on red, green and blue vary in this shot.
        motion: horizontal blur, pixels of a picture 128 high.
        noise: the seed of the noise.
        words: attributes of the object, the viewpoint and the occlusion, in words.
    """

    rows: list[Row]
    box: Box
    behind: Window
    drift: tuple[float, float, float]
    motion: float
    noise: int
    words: dict[str, str]


def drift(rules: Domain, draws: Draws) -> tuple[float, float, float]:
    """How the camera's gain on each color varies in this shot."""
    red, green, blue = (draws.bell(0.0, rules.drift / 3) + draws.bell(0.0, rules.drift) for _ in range(3))
    return 2.0**red, 2.0**green, 2.0**blue
