"""Clothing: garments, shoes, bags and hats, drawn for a season.

In summer colors are bright and arms bare. In winter most colors cluster in six dark ones, so that color alone
says little: cut, pattern, bag, hat and scarf then distinguish people.
"""

from __future__ import annotations

from reknow.world.domain import Domain
from reknow.world.draws import Draws, Weights
from reknow.world.shapes import PATTERNS, Material, Surface, hue

HUES = {
    "red": 0.0,
    "orange": 0.07,
    "yellow": 0.14,
    "green": 0.33,
    "teal": 0.48,
    "blue": 0.6,
    "purple": 0.76,
    "pink": 0.92,
}
# Hue, saturation and value of the dull colors; winter coats are nearly all of these.
DULL = {
    "black": (0.6, 0.10, 0.16),
    "charcoal": (0.6, 0.06, 0.28),
    "navy": (0.63, 0.55, 0.27),
    "brown": (0.07, 0.5, 0.3),
    "olive": (0.18, 0.4, 0.3),
    "burgundy": (0.97, 0.6, 0.3),
    "gray": (0.6, 0.04, 0.5),
    "beige": (0.1, 0.25, 0.66),
    "white": (0.12, 0.05, 0.9),
}
# What people wear and carry, and how often; captions take their words from here.
UPPERS: dict[str, Weights] = {
    "summer": {"t-shirt": 4, "tank top": 1.4, "shirt": 2, "dress": 1.6, "polo": 1.2, "blouse": 1},
    "winter": {"coat": 3, "jacket": 3, "parka": 2.4, "hoodie": 1.6, "sweater": 1},
}
LOWERS: dict[str, Weights] = {
    "summer": {"shorts": 3, "jeans": 2.2, "trousers": 1.6, "skirt": 1.6, "leggings": 1, "long skirt": 0.6},
    "winter": {"trousers": 4, "jeans": 3.5, "leggings": 1.6, "long skirt": 0.9},
}
SLEEVES: Weights = {"none": 1, "short": 2, "long": 2}
BAGS: Weights = {"none": 2.4, "backpack": 2.6, "shoulder bag": 2, "handbag": 1.3, "suitcase": 0.5}
HATS: dict[str, Weights] = {
    "summer": {"none": 6, "cap": 1.8, "brim hat": 1},
    "winter": {"none": 4, "beanie": 3, "hood": 1.6, "cap": 1},
}
DENIM = "denim"  # the color of jeans
DARK_SHARE = {"summer": 0.25, "winter": 0.8}


def cloth(draws: Draws, domain: Domain, warm: float, vivid: float | None = None) -> tuple[Material, str]:
    """A dyed cloth and the name of its color.

    Args:
        draws: the stream to draw from.
        domain: sets how many cloths are bright.
        warm: how much of the body's warmth reaches the outside, in [0, 1].
        vivid: chance of a bright color; the domain's by default.
    """
    if draws.chance(domain.vivid if vivid is None else vivid):
        name = draws.choose(tuple(HUES))
        # Winter dyes are deep: with bright ones color alone would identify a person.
        value = draws.uniform(0.55, 0.95) if domain.season == "summer" else draws.uniform(0.3, 0.7)
        color = hue(HUES[name] + draws.uniform(-0.03, 0.03), draws.uniform(0.5, 0.9), value)
    else:
        dark = draws.chance(DARK_SHARE[domain.season])
        name = draws.choose(
            ("black", "charcoal", "navy", "brown", "olive", "burgundy") if dark else ("gray", "beige", "white")
        )
        tint, saturation, value = DULL[name]
        color = hue(
            tint + draws.uniform(-0.02, 0.02), saturation * draws.uniform(0.7, 1.2), value * draws.uniform(0.8, 1.2)
        )
    # Most dyes are clear in the near infrared, carbon black and some pigments are not, independent of the visible
    # color.
    nir = draws.uniform(0.08, 0.22) if draws.chance(0.35) else draws.uniform(0.35, 0.85)
    air = sum(domain.air) / 2
    return Material(color, nir, air + (33.0 - air) * warm * draws.uniform(0.5, 1.6)), name


def _pattern(
    draws: Draws, domain: Domain, base: Material, warm: float, weights: Weights, length: float
) -> tuple[Surface, str]:
    """A surface of a cloth in one of the patterns, for a garment of this length in meters."""
    name = draws.weighted(weights)
    second, _ = cloth(draws, domain, warm, vivid=domain.accent)
    # The marks must be visible: a second cloth that is close to the first becomes light or dark instead.
    if abs(sum(second.color) - sum(base.color)) < 0.3:
        dark = sum(base.color) > 0.6
        second = Material(
            (0.03, 0.03, 0.035)
            if dark
            else hue(
                draws.uniform(0.05, 0.15),
                0.12,
                draws.uniform(0.6, 0.9) if domain.season == "summer" else draws.uniform(0.38, 0.7),
            ),
            1.0 - base.nir,
            base.heat,
        )
    size = {
        "stripes": (draws.uniform(0.05, 0.15), draws.uniform(0.3, 0.6), 0.0),
        "pinstripes": (draws.uniform(0.05, 0.09), draws.uniform(0.25, 0.5), 0.0),
        "checks": (draws.uniform(0.07, 0.15), draws.uniform(0.25, 0.45), 0.0),
        "logo": (length * draws.uniform(0.55, 0.72), draws.uniform(0.05, 0.1), float(draws.below(5))),
        "block": (length * draws.uniform(0.4, 0.75), 0.0, 0.0),
        "panels": (draws.uniform(0.5, 1.1), 0.0, 0.0),
        "opening": (draws.uniform(0.2, 0.55), 0.0, 0.0),
        "band": (length * draws.uniform(0.35, 0.75), draws.uniform(0.03, 0.07), 0.0),
        "camouflage": (draws.uniform(0.06, 0.13), draws.uniform(0.4, 0.55), 0.0),
        "print": (length * draws.uniform(0.5, 0.7), draws.uniform(0.06, 0.12), draws.uniform(0.5, 0.9)),
        "quilted": (draws.uniform(0.06, 0.11), 0.2, 0.0),
    }.get(name, (0.0, 0.0, 0.0))
    if name == "quilted":
        second = base.scaled(0.45)
    surface = Surface(base, second, PATTERNS[name], size, rough=draws.uniform(0.12, 0.3), seed=draws.below(9999))
    return surface, name


def clothes(draws: Draws, domain: Domain, surfaces: dict[str, Surface], words: dict[str, str]) -> None:
    winter = domain.season == "winter"
    upper = draws.weighted(UPPERS[domain.season])
    lower = draws.weighted(LOWERS[domain.season])
    if winter:
        patterns = {
            "plain": 3,
            "block": 2,
            "panels": 1.6,
            "opening": 2.4,
            "band": 1.8,
            "stripes": 0.8,
            "checks": 1.2,
            "logo": 1,
            "print": 1.2,
            "camouflage": 0.6,
            "quilted": 1.8,
        }
        warm = 0.22
    else:
        patterns = {
            "plain": 4,
            "stripes": 1.8,
            "pinstripes": 0.8,
            "checks": 1.2,
            "logo": 2,
            "block": 1,
            "panels": 0.6,
            "opening": 0.5,
            "band": 0.8,
            "print": 1,
            "camouflage": 0.3,
        }
        warm = 0.6
    base, color = cloth(draws, domain, warm)
    surfaces["upper"], pattern = _pattern(
        draws, domain, base, warm, patterns, 1.0 if upper in ("coat", "dress") else 0.6
    )
    words.update(upper=upper, upper_color=color, upper_pattern=pattern)
    sleeve = {"t-shirt": "short", "polo": "short", "tank top": "none"}.get(upper, "long")
    if upper in ("dress", "blouse", "shirt"):
        sleeve = draws.weighted(SLEEVES)
    words["sleeve"] = sleeve
    same = pattern in ("stripes", "checks", "quilted", "camouflage", "plain") and not draws.chance(0.2)
    surfaces["sleeve"] = (
        surfaces["upper"]
        if same
        else Surface(surfaces["upper"].second if draws.chance(0.4) else base, rough=0.2, seed=draws.below(9999))
    )
    words["sleeves"] = "same" if same else "contrast" if surfaces["sleeve"].base is not base else "plain"
    base, color = cloth(draws, domain, warm * 1.1)
    if lower == "jeans":
        base = Material(
            hue(0.6, draws.uniform(0.25, 0.5), draws.uniform(0.25, 0.62)), draws.uniform(0.4, 0.75), base.heat
        )
        color = DENIM
    surfaces["lower"], pattern = _pattern(
        draws,
        domain,
        base,
        warm,
        {"plain": 9, "panels": 1.6, "checks": 0.4, "stripes": 0.25, "camouflage": 0.3, "band": 0.4},
        0.5,
    )
    words.update(lower=lower, lower_color=color, lower_pattern=pattern)
    words["shoes"] = draws.weighted(
        {"boots": 3, "sneakers": 2} if winter else {"sneakers": 4, "sandals": 1.5, "boots": 0.5}
    )
    base, color = cloth(draws, domain, 0.3, vivid=0.6 * domain.accent)
    surfaces["shoe"] = Surface(base, rough=0.1)
    words["shoe_color"] = color


def carried(draws: Draws, domain: Domain, surfaces: dict[str, Surface], words: dict[str, str]) -> None:
    winter = domain.season == "winter"
    bag = draws.weighted(BAGS)
    base, color = cloth(draws, domain, 0.12, vivid=domain.accent)
    surfaces["bag"], _ = _pattern(draws, domain, base, 0.12, {"plain": 3, "block": 1.2, "band": 1.2, "logo": 0.0}, 0.0)
    words.update(bag=bag, bag_color=color if bag != "none" else "none", bag_side=draws.choose(("left", "right")))
    hat = draws.weighted(HATS[domain.season])
    base, color = cloth(draws, domain, 0.35, vivid=domain.accent)
    surfaces["hat"] = surfaces["upper"] if hat == "hood" else Surface(base, rough=0.2, seed=draws.below(9999))
    words.update(hat=hat, hat_color=color if hat not in ("none", "hood") else "none")
    if winter and draws.chance(0.45):
        base, color = cloth(draws, domain, 0.3, vivid=domain.accent)
        surfaces["scarf"], _ = _pattern(draws, domain, base, 0.3, {"plain": 2, "stripes": 1}, 0.1)
        words["scarf"] = color
    if winter and draws.chance(0.5):
        base, _ = cloth(draws, domain, 0.3, vivid=domain.accent)
        surfaces["glove"] = Surface(base)
        words["gloves"] = "yes"
