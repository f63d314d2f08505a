"""Light that fails: cameras at which one spectrum sees little, so that spectra complement each other.

- In the dark a color camera sees little but noise. The near-infrared camera has its own lamp, the thermal one needs
  none.
- A lamp that shines into the lens blinds the near-infrared camera.
- After a hot day everything is about equally warm; the thermal camera sees the object no better than the asphalt.

With ``day`` nothing fails. With ``night`` all cameras are in the dark. With ``mixed`` the three failures take turns
over the cameras: each spectrum fails at a third of them and the other two work there. A failure changes the camera and
not the object: identity, pose and place are those of the day.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal

from reknow.compiled import compiled
from reknow.errors import DataError, nearest
from reknow.world.cameras import Camera, camera_of
from reknow.world.draws import Draws
from reknow.world.raster import grain, scatter

Light = Literal["day", "night", "mixed"]
LIGHTS: tuple[Light, ...] = ("day", "night", "mixed")
Failure = Literal["none", "dark", "glare", "hot"]
_TURNS: tuple[Failure, ...] = ("dark", "hot", "glare")


def check_light(light: str) -> None:
    """Refuse what is no light.

    Raises:
        DataError: an unknown word.
    """
    if light not in LIGHTS:
        raise DataError(f"world light '{light}'", found="unknown light", remedy=nearest(light, LIGHTS))


def failure_at(domain: str, seed: int, camera: int, light: str) -> Failure:
    """What fails at a camera.

    Example:
        >>> sorted(failure_at("target", 0, camera, "mixed") for camera in range(3))
        ['dark', 'glare', 'hot']
    """
    if light == "mixed":
        return _TURNS[(camera + Draws("light", domain, seed).below(3)) % 3]
    return "dark" if light == "night" else "none"


def lit(domain: str, seed: int, camera: int, light: str) -> Camera:
    """The camera under this light."""
    eye, failure = camera_of(domain, seed, camera), failure_at(domain, seed, camera, light)
    draws = Draws("failure", domain, seed, camera)
    if failure == "dark":
        # Long exposures win back a part of what a street at night has less than the day, with noise.
        return replace(eye, night=True, dusk=2.0 ** -draws.uniform(5.0, 6.5), grain=draws.uniform(2.0, 3.0))
    if failure == "glare":
        return replace(eye, glare=draws.uniform(0.8, 0.93))
    if failure == "hot":
        return replace(eye, crossover=draws.uniform(0.8, 0.9))
    return eye


@compiled(nogil=True, error_model="numpy")
def dazzle(light, strength, seed):  # noqa: ANN001, ANN201
    """A lamp shines into the lens: a halo over a veil, and an exposure that closes. In place.

    Args:
        light: (height, width, 1) of the near infrared.
        strength: the share of the exposure that is lost, in [0, 1].
        seed: of the shot; sets where the lamp is.
    """
    height, width = light.shape[:2]
    x, y = scatter(1, 2, seed) * width, (0.2 + 0.6 * scatter(3, 4, seed)) * height
    for i in range(height):
        for j in range(width):
            distance = math.hypot(j - x, i - y) / height
            halo = strength * (0.15 + 0.9 / (1.0 + 12.0 * distance * distance))
            light[i, j, 0] = light[i, j, 0] * (1.0 - strength) + halo


@compiled(nogil=True, error_model="numpy")
def equalize(light, share, seed):  # noqa: ANN001, ANN201
    """Everything comes close to one temperature, that of patchy warm asphalt. In place.

    Args:
        light: (height, width, 1) of the thermal camera.
        share: how far each pixel moves, in [0, 1].
        seed: of the shot; sets the patches.
    """
    height, width = light.shape[:2]
    for i in range(height):
        for j in range(width):
            patch = 0.45 + 0.15 * (grain(6.0 * j / height, 6.0 * i / height, seed) - 0.5)
            light[i, j, 0] += share * (patch - light[i, j, 0])
