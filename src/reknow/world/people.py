"""People: the body and the clothes of a person, drawn from (domain, seed, identity) and the same for every camera.

Identities must not collide, so a person is made of many independent parts: build, skin, hair, four to six garments
with color, pattern and cut, shoes, bag, hat. In winter most colors cluster in dark ones; cut, pattern, bag and hat
then distinguish people.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from reknow.world.clothing import carried, clothes
from reknow.world.domain import Domain
from reknow.world.draws import Draws, Weights
from reknow.world.shapes import Material, Surface

SKINS = ((0.72, 0.50, 0.40), (0.60, 0.38, 0.28), (0.45, 0.27, 0.18), (0.28, 0.15, 0.09), (0.14, 0.07, 0.045))
HAIRS = {
    "black": (0.012, 0.010, 0.010),
    "brown": (0.06, 0.032, 0.018),
    "chestnut": (0.14, 0.06, 0.03),
    "blond": (0.48, 0.33, 0.14),
    "red": (0.32, 0.10, 0.035),
    "gray": (0.38, 0.37, 0.36),
    "white": (0.68, 0.66, 0.63),
}
STYLES: Weights = {
    "short": 4,
    "cropped": 2,
    "bald": 0.8,
    "bob": 2,
    "long": 2.4,
    "ponytail": 1.4,
    "bun": 0.9,
    "afro": 0.8,
}
"""How hair is worn, and how often."""


@dataclass(frozen=True)
class Build:
    """Body measures, in meters."""

    height: float
    legs: float  # height of the hips
    shoulder: float  # half width
    waist: float
    hip: float
    chest: float  # half depth
    limb: float  # thickness, 1 is usual
    head: float  # half height of the head


@dataclass(frozen=True)
class Person:
    """Everything about a person that cameras cannot change.

    Attributes:
        build: body measures.
        surfaces: skin, hair, upper, lower, shoe, bag, hat, scarf, beard, sleeve, ...: what each part is made of.
        attributes: the same in words: the ground truth of the picture.
        gait: stride, arm swing and stoop.
    """

    build: Build
    surfaces: dict[str, Surface]
    attributes: dict[str, str]
    gait: tuple[float, float, float]


@lru_cache(maxsize=4096)
def person(domain: Domain, seed: int, identity: int) -> Person:
    """The person with this number in the world of this domain and seed."""
    draws = Draws("person", domain.name, seed, identity)
    build = _build(draws)
    surfaces: dict[str, Surface] = {}
    words: dict[str, str] = {}
    _head(draws, domain, surfaces, words)
    clothes(draws, domain, surfaces, words)
    carried(draws, domain, surfaces, words)
    gait = (draws.uniform(0.25, 0.5), draws.uniform(0.3, 1.1), draws.uniform(-0.02, 0.07))
    return Person(build, surfaces, words, gait)


def _build(draws: Draws) -> Build:
    height = draws.bell(1.70, 0.05)
    stout = draws.bell(1.0, 0.09)
    return Build(
        height=height,
        legs=height * draws.uniform(0.47, 0.53),
        shoulder=0.195 * draws.bell(1.0, 0.06) * (0.6 + 0.4 * stout),
        waist=0.140 * stout * draws.bell(1.0, 0.06),
        hip=0.165 * (0.3 + 0.7 * stout) * draws.bell(1.0, 0.05),
        chest=0.118 * stout,
        limb=(0.5 + 0.5 * stout) * draws.bell(1.0, 0.06),
        head=height * draws.uniform(0.066, 0.076),
    )


def _head(draws: Draws, domain: Domain, surfaces: dict[str, Surface], words: dict[str, str]) -> None:
    tone = draws.below(len(SKINS))
    red, green, blue = SKINS[tone]
    light = draws.uniform(0.85, 1.15)
    # Skin is about equally bright in the near infrared whatever its tone: melanin is nearly clear there.
    skin = Material((red * light, green * light, blue * light), draws.uniform(0.55, 0.68), draws.uniform(31.0, 34.0))
    surfaces["skin"] = Surface(skin, rough=0.05, seed=draws.below(9999))
    surfaces["lips"] = Surface(Material((red * 0.7, green * 0.4, blue * 0.4), 0.5, 33.5), flat=1.0)
    surfaces["eye"] = Surface(Material((0.02, 0.015, 0.015), 0.25, 34.0), flat=1.0)
    color = draws.weighted({"black": 3, "brown": 3, "chestnut": 2, "blond": 2, "red": 0.7, "gray": 1.2, "white": 0.6})
    shade = draws.uniform(0.8, 1.25)
    red, green, blue = (channel * shade for channel in HAIRS[color])
    # Hair insulates: its outside lies between the air and the skin.
    air = sum(domain.air) / 2
    hair = Material((red, green, blue), draws.uniform(0.25, 0.6), air + 0.6 * (32.0 - air))
    surfaces["hair"] = Surface(hair, rough=0.35, seed=draws.below(9999))
    style = draws.weighted(STYLES)
    words.update(skin=str(tone), hair=style, hair_color=color if style != "bald" else "none")
    if style in ("short", "cropped", "bald") and draws.chance(0.3):
        surfaces["beard"] = Surface(hair, rough=0.3)
        words["beard"] = "yes"
    if draws.chance(0.2):
        dark = draws.chance(0.4)
        surfaces["glasses"] = Surface(Material((0.02, 0.02, 0.02), 0.1, 24.0), flat=1.0, seed=int(dark))
        words["glasses"] = "dark" if dark else "clear"
