"""Cameras: how one camera of a domain sees, and what changes from shot to shot."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from reknow.world.domain import domain_named
from reknow.world.draws import Draws


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
    night: bool  # its near-infrared sight comes from its own lamp
    low: float  # temperature that a thermal picture shows black
    span: float  # degrees from black to white
    air: float
    # What fails, see `light.py`; by default nothing does.
    dusk: float = 1.0  # factor on visible light
    grain: float = 1.0  # factor on the noise of the color picture
    glare: float = 0.0  # share of the near-infrared exposure lost to a lamp in sight
    crossover: float = 0.0  # how far everything has come to one temperature


@lru_cache(maxsize=256)
def camera_of(domain_name: str, seed: int, number: int) -> Camera:
    """The camera with this number in the world of this domain and seed."""
    domain = domain_named(domain_name)
    draws = Draws("camera", domain_name, seed, number)
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
