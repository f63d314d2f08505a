"""Conditions: what makes a world harder than its plain form: light that fails, spectra that do not align, and
occluders.

Light, so that spectra complement each other. At some cameras one spectrum records little:

- In the dark a color camera records little but noise. The near-infrared camera has its own lamp, the thermal one needs
  none.
- A lamp that shines into the lens blinds the near-infrared camera.
- After a hot day everything is about equally warm, and the object is as warm as the asphalt in a thermal picture.

With ``day`` nothing fails. With ``night`` all cameras are in the dark. With ``mixed`` the three failures take turns
over the cameras: each spectrum fails at a third of them and the other two work there. A failure changes the camera and
not the object: identity, pose and place are those of the day.

Misregistration. Cameras of different spectra stand side by side, so their pictures of one moment do not align. Near
infrared and thermal are displaced against color: by a constant of the camera, of the length that the world names and
in a direction of its own for each spectrum, and by a little more from shot to shot, because objects are not all
equally far. Lengths are pixels of a picture 128 high.

Occlusion. A pillar, a car, foliage or a passer-by stands in front of the object in a share of the shots. Or, in every
shot, a wall, a fence or a hedge hides a stated share of the object (:mod:`reknow.world.hiding`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from reknow.compiled import compiled
from reknow.errors import DataError, nearest
from reknow.observation import Spectrum
from reknow.world.cameras import Camera, camera_of
from reknow.world.domain import DIFFICULTIES, Domain, check_difficulty, check_occlusion, check_share
from reknow.world.draws import Draws
from reknow.world.raster import grain, scatter

Light = Literal["day", "night", "mixed"]
LIGHTS: tuple[Light, ...] = ("day", "night", "mixed")
Failure = Literal["none", "dark", "glare", "hot"]
_FAILURES_IN_TURN: tuple[Failure, ...] = ("dark", "hot", "glare")

LARGEST_DISPLACEMENT = 32.0
JITTER = 0.1  # deviation from shot to shot, in shares of the displacement


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """In which conditions a world departs from its plain form; they are part of the name of every picture.

    Attributes:
        difficulty: ``easy`` or ``hard``; see :mod:`reknow.world.domain`.
        light: where light fails; ``day``, ``night`` or ``mixed``, see above.
        misregistration: displacement of the spectra against each other, pixels of a picture 128 high.
        occlusion: share of shots with an occluder in front of the object; None: the domain's own, about a sixth.
        hidden: share of the object that something hides in every shot, in place of these occluders; None: no such
            thing.

    Raises:
        DataError: an unknown difficulty or light, a displacement outside 0 to 32, or a share outside 0 to 1.

    Example:
        >>> Conditions(light="night").suffix, Conditions().suffix
        ('?light=night', '')
    """

    difficulty: str = "easy"
    light: str = "day"
    misregistration: float = 0.0
    occlusion: float | None = None
    hidden: float | None = None

    def __post_init__(self) -> None:
        check_difficulty(self.difficulty)
        check_light(self.light)
        check_misregistration(self.misregistration)
        check_occlusion(self.occlusion)
        check_share(self.hidden, "hidden", "of each object that something hides")

    @property
    def suffix(self) -> str:
        """What follows the plain form."""
        words = [f"difficulty={self.difficulty}"] if self.difficulty != DIFFICULTIES[0] else []
        words += [f"light={self.light}"] if self.light != LIGHTS[0] else []
        words += [f"misregistration={self.misregistration:g}"] if self.misregistration else []
        words += [f"occlusion={self.occlusion:g}"] if self.occlusion is not None else []
        words += [f"hidden={self.hidden:g}"] if self.hidden is not None else []
        return "?" + "&".join(words) if words else ""


def check_light(light: str) -> None:
    """Refuse a word that names no light.

    Raises:
        DataError: an unknown word.
    """
    if light not in LIGHTS:
        raise DataError(f"world light '{light}'", found="unknown light", remedy=nearest(light, LIGHTS))


def check_misregistration(pixels: float) -> None:
    """Refuse a displacement that no picture can have.

    Raises:
        DataError: not between 0 and 32.
    """
    if not 0 <= pixels <= LARGEST_DISPLACEMENT:
        raise DataError(
            "world option 'misregistration'",
            found=f"{pixels:g}",
            expected=f"0 to {LARGEST_DISPLACEMENT:g} pixels",
            remedy="Give a small number: pixels of a picture 128 high.",
        )


def failure_at(domain: str, seed: int, camera: int, light: str) -> Failure:
    """What fails at a camera.

    Example:
        >>> sorted(failure_at("target", 0, camera, "mixed") for camera in range(3))
        ['dark', 'glare', 'hot']
    """
    if light == "mixed":
        return _FAILURES_IN_TURN[(camera + Draws("light", domain, seed).below(3)) % 3]
    return "dark" if light == "night" else "none"


def lit(rules: Domain, seed: int, camera: int, light: str) -> Camera:
    """The camera under this light."""
    by_day, failure = camera_of(rules, seed, camera), failure_at(rules.name, seed, camera, light)
    draws = Draws("failure", rules.name, seed, camera)
    if failure == "dark":
        # Long exposures win back a part of what a street at night has less than the day, with noise.
        return replace(by_day, night=True, dusk=2.0 ** -draws.uniform(5.0, 6.5), grain=draws.uniform(2.0, 3.0))
    if failure == "glare":
        return replace(by_day, glare=draws.uniform(0.8, 0.93))
    if failure == "hot":
        return replace(by_day, crossover=draws.uniform(0.8, 0.9))
    return by_day


def displacement(
    domain: str, seed: int, identity: int, camera: int, shot: int, spectrum: Spectrum, pixels: float
) -> tuple[float, float]:
    """How far right and down the picture of a spectrum lies from the color picture.

    Example:
        >>> displacement("target", 0, 1, 2, 3, "rgb", 4.0), displacement("target", 0, 1, 2, 3, "tir", 0.0)
        ((0.0, 0.0), (0.0, 0.0))
    """
    if spectrum == "rgb" or pixels == 0:
        return 0.0, 0.0
    angle = Draws("aside", domain, seed, camera, spectrum).uniform(0.0, 2 * math.pi)
    shaken = Draws("shaken", domain, seed, identity, camera, shot, spectrum)
    right = math.cos(angle) + shaken.bell(0.0, JITTER)
    return pixels * right, pixels * (math.sin(angle) + shaken.bell(0.0, JITTER))


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
