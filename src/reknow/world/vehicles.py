"""Vehicles: the appearance of a vehicle, drawn from (domain, seed, identity) and the same for every camera.

As for people, identities are made of many independent parts: type and measures, paint, roof, cladding, panels of
another color, stripes, stickers, dents, rims, lamps, grille, plate, rack. Each part has its own color, near-infrared
reflectance and temperature, so a mark that is invisible in one spectrum is visible in another. How warm the engine, the
brakes and the exhaust are depends on the drive. Where they are and how much of their heat comes through depends on the
vehicle.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from reknow.world.clothing import HUES
from reknow.world.domain import Domain
from reknow.world.draws import Draws
from reknow.world.shapes import Material, Surface, hue

NEUTRALS = {"white": 0.92, "silver": 0.7, "gray": 0.45, "black": 0.17}


@dataclass(frozen=True)
class Paint:
    """A part's material, relative to the air and to how warm the drive has made it.

    Attributes:
        color: red, green, blue reflectance, linear.
        nir: reflectance at 850 nm.
        over: temperature above the air, degrees.
        drive: further degrees when the engine is hot.
        rough: grain of the surface.
    """

    color: tuple[float, float, float]
    nir: float
    over: float = 0.0
    drive: float = 0.0
    rough: float = 0.0

    def surface(self, air: float, warmth: float) -> Surface:
        """The surface at this temperature of the air, after a drive that left this share of the heat."""
        return Surface(Material(self.color, self.nir, air + self.over + self.drive * warmth), rough=self.rough)


@dataclass(frozen=True)
class Chassis:
    """Measures in meters; those along the vehicle are shares of its length, from -0.5 (rear) to 0.5 (front).

    Attributes:
        length: over all.
        width: over all.
        belt: height where windows begin.
        height: of the roof.
        clearance: under the sill.
        wheel: radius.
        axles: rear and front.
        cabin: rear foot, rear top, front top and front foot of what lies above the belt.
        inset: how much narrower the roof is on each side.
        load: rear end, front end and top of what is carried behind the cabin, top in meters; None for nothing.
    """

    length: float
    width: float
    belt: float
    height: float
    clearance: float
    wheel: float
    axles: tuple[float, float]
    cabin: tuple[float, float, float, float]
    inset: float
    load: tuple[float, float, float] | None = None


CHASSIS = {
    "sedan": Chassis(4.6, 1.82, 0.88, 1.44, 0.2, 0.32, (-0.3, 0.31), (-0.37, -0.2, 0.07, 0.23), 0.2),
    "hatchback": Chassis(4.0, 1.74, 0.9, 1.48, 0.2, 0.31, (-0.32, 0.32), (-0.49, -0.38, 0.08, 0.26), 0.18),
    "wagon": Chassis(4.7, 1.82, 0.88, 1.48, 0.2, 0.32, (-0.29, 0.31), (-0.49, -0.42, 0.07, 0.22), 0.19),
    "suv": Chassis(4.5, 1.9, 1.06, 1.74, 0.3, 0.38, (-0.3, 0.31), (-0.49, -0.44, 0.09, 0.24), 0.16),
    "coupe": Chassis(4.3, 1.84, 0.84, 1.32, 0.17, 0.33, (-0.3, 0.31), (-0.43, -0.14, 0.02, 0.2), 0.22),
    "van": Chassis(4.9, 1.96, 1.12, 2.1, 0.25, 0.33, (-0.31, 0.33), (-0.5, -0.48, 0.26, 0.41), 0.08),
    "pickup": Chassis(
        5.2, 1.92, 1.0, 1.74, 0.34, 0.39, (-0.29, 0.31), (-0.1, -0.07, 0.09, 0.22), 0.17, (-0.5, -0.1, 1.2)
    ),
    "truck": Chassis(6.4, 2.2, 1.15, 2.3, 0.45, 0.43, (-0.28, 0.34), (0.24, 0.25, 0.45, 0.49), 0.06, (-0.5, 0.2, 2.9)),
    "bus": Chassis(8.0, 2.4, 1.2, 2.9, 0.32, 0.46, (-0.28, 0.3), (-0.5, -0.5, 0.49, 0.5), 0.04),
}
TYPES = {
    "sedan": 3,
    "hatchback": 3,
    "wagon": 2,
    "suv": 3,
    "coupe": 1.2,
    "van": 2.4,
    "pickup": 1.8,
    "truck": 1.6,
    "bus": 1,
}


@dataclass(frozen=True)
class Mark:
    """Something on one of the vehicle's faces, in shares of the face.

    Attributes:
        face: ``flank`` (both sides), ``left``, ``right``, ``hood``, ``tail`` or ``load``.
        corners: four points (along, up).
        paint: of what.
    """

    face: str
    corners: tuple[tuple[float, float], ...]
    paint: str


@dataclass(frozen=True)
class Vehicle:
    """Everything about a vehicle that cameras and drives cannot change.

    Attributes:
        chassis: its measures.
        paints: body, roof, sill, glass, rim, lamp, rear lamp, grille, bumper, plate, rack, load, ...: each part's.
        marks: stripes, stickers, dents and panels of another color, later ones over earlier ones.
        exhaust: where the pipe leaves, in shares of the half width, left at positive.
        attributes: the same in words: the ground truth of the picture.
    """

    chassis: Chassis
    paints: dict[str, Paint]
    marks: tuple[Mark, ...]
    exhaust: float
    attributes: dict[str, str]


@lru_cache(maxsize=4096)
def vehicle(domain: Domain, seed: int, identity: int) -> Vehicle:
    """The vehicle with this number in the world of this domain and seed."""
    draws = Draws("vehicle", domain.name, seed, identity)
    words = {"type": draws.weighted(TYPES)}
    chassis = _measured(draws, CHASSIS[words["type"]])
    paints: dict[str, Paint] = {}
    _coats(draws, domain, paints, words)
    _fittings(draws, paints, words)
    marks = _marks(draws, domain, paints, words)
    return Vehicle(chassis, paints, tuple(marks), draws.uniform(-0.7, 0.7), words)


def _measured(draws: Draws, usual: Chassis) -> Chassis:
    """The usual measures of a type, a little off: makes and years differ."""
    rear, rear_top, front_top, front = usual.cabin
    return Chassis(
        length=usual.length * draws.bell(1.0, 0.04),
        width=usual.width * draws.bell(1.0, 0.02),
        belt=usual.belt * draws.bell(1.0, 0.03),
        height=usual.height * draws.bell(1.0, 0.03),
        clearance=usual.clearance * draws.bell(1.0, 0.08),
        wheel=usual.wheel * draws.bell(1.0, 0.05),
        axles=(usual.axles[0] + draws.bell(0.0, 0.012), usual.axles[1] + draws.bell(0.0, 0.012)),
        cabin=(rear, rear_top + draws.uniform(-0.02, 0.05), front_top + draws.uniform(-0.04, 0.03), front),
        inset=usual.inset * draws.uniform(0.7, 1.3),
        load=None if usual.load is None else (*usual.load[:2], usual.load[2] * draws.bell(1.0, 0.06)),
    )


def _paint(draws: Draws, vivid: float, *, least: float = 0.0) -> tuple[Paint, str]:
    """Lacquer and the name of its color: its near-infrared reflectance is independent of it.

    Args:
        draws: the stream to draw from.
        vivid: chance of a bright color.
        least: how dark it may be at least.
    """
    if draws.chance(vivid):
        name = draws.choose(tuple(HUES))
        color = hue(HUES[name] + draws.uniform(-0.03, 0.03), draws.uniform(0.55, 0.95), draws.uniform(0.4, 0.9))
    else:
        name = draws.choose(tuple(NEUTRALS))
        value = max(least, NEUTRALS[name] * draws.uniform(0.85, 1.1))
        color = hue(draws.uniform(), draws.uniform(0.0, 0.12), min(1.0, value))
    return Paint(color, draws.uniform(0.06, 0.85), over=draws.uniform(-5.0, 11.0), rough=0.06), name


def _coats(draws: Draws, domain: Domain, paints: dict[str, Paint], words: dict[str, str]) -> None:
    """Lacquer of the body, the roof, the sills and the load; black plastic, glass and tires."""
    vivid = 0.75 * domain.vivid
    paints["body"], words["color"] = _paint(draws, vivid)
    body = paints["body"]
    # Steel over a hot engine; how much comes through depends on the insulation.
    paints["hood"] = Paint(
        body.color, body.nir, body.over + draws.uniform(-2.0, 2.0), draws.uniform(6.0, 20.0), body.rough
    )
    paints["roof"], words["roof"] = (body, "same") if draws.chance(0.7) else _paint(draws, vivid)
    roof = paints["roof"]
    paints["roof"] = Paint(roof.color, roof.nir, draws.uniform(-7.0, 9.0), 0.0, roof.rough)
    trim, dark = (
        Paint((0.03, 0.03, 0.032), draws.uniform(0.05, 0.4), draws.uniform(-2.0, 2.0)),
        draws.uniform(0.02, 0.07),
    )
    paints["sill"], words["sill"] = (trim, "dark") if draws.chance(0.4) else (body, "same")
    paints["bumper"], words["bumper"] = (trim, "dark") if draws.chance(0.4) else (body, "same")
    paints["load"], words["load"] = _paint(draws, vivid, least=0.4)
    # Glass mirrors the cold sky; tints differ more in the near infrared than in color.
    paints["glass"] = Paint((dark, dark * 1.15, dark * 1.3), draws.uniform(0.04, 0.4), draws.uniform(-6.0, 1.0))
    paints["tire"] = Paint((0.016, 0.016, 0.017), draws.uniform(0.04, 0.12), 1.0, draws.uniform(4.0, 12.0))
    paints["under"] = Paint((0.008, 0.008, 0.009), 0.03, 1.0, draws.uniform(4.0, 14.0))
    paints["exhaust"] = Paint((0.05, 0.05, 0.05), 0.1, 2.0, draws.uniform(25.0, 50.0))
    paints["seam"] = Paint((0.01, 0.01, 0.011), 0.04, draws.uniform(-1.5, 1.5))


def _fittings(draws: Draws, paints: dict[str, Paint], words: dict[str, str]) -> None:
    """Rims, lamps, grille, plate and rack, and the words that say which form they have."""
    shade = draws.choose((0.03, 0.25, 0.5, 0.75))
    rim = (shade, shade, shade * 1.03) if draws.chance(0.85) else hue(draws.uniform(), 0.8, 0.7)
    paints["rim"] = Paint(rim, draws.uniform(0.05, 0.8), 1.0, draws.uniform(5.0, 25.0))
    words["rim"] = draws.weighted({"disc": 2, "spokes": 3, "ring": 1.5})
    paints["lamp"] = Paint((0.75, 0.76, 0.8), 0.75, draws.uniform(0.0, 5.0))
    paints["rear lamp"] = Paint((0.4, 0.015, 0.015), draws.uniform(0.2, 0.6), draws.uniform(0.0, 4.0))
    words["lamps"] = draws.choose(("round", "wide", "tall"))
    words["rear_lamps"] = draws.choose(("wide", "tall", "bar"))
    chrome = Paint((0.6, 0.6, 0.62), 0.7, -4.0)
    words["grille"] = draws.weighted({"dark": 2, "chrome": 1, "slit": 1, "none": 0.6})
    paints["grille"] = chrome if words["grille"] == "chrome" else Paint((0.015, 0.015, 0.016), 0.05, 2.0, 20.0)
    plates = {"white": (0.8, 0.8, 0.8), "yellow": (0.75, 0.55, 0.05), "blue": (0.05, 0.12, 0.5)}
    words["plate"] = draws.weighted({"white": 3, "yellow": 1, "blue": 0.7})
    paints["plate"] = Paint(plates[words["plate"]], draws.uniform(0.5, 0.9), 0.0)
    words["rack"] = draws.weighted({"none": 5, "rails": 1.6, "box": 1.2, "ladder": 0.8, "sign": 0.8, "deck": 0.8})
    paints["rack"], _ = _paint(draws, 0.4)
    words["windows"] = draws.weighted({"all": 3, "front": 1}) if words["type"] == "van" else "all"
    words["frame"] = "chrome" if draws.chance(0.25) else "none"
    paints["frame"] = chrome


def _marks(draws: Draws, domain: Domain, paints: dict[str, Paint], words: dict[str, str]) -> list[Mark]:
    """What owners, workshops and sign painters leave on a vehicle."""
    marks: list[Mark] = []

    def add(face: str, corners: tuple[tuple[float, float], ...], vivid: float | None = None) -> None:
        name = f"mark {len(marks)}"
        paints[name], _ = _paint(draws, domain.accent if vivid is None else vivid)
        marks.append(Mark(face, corners, name))

    if draws.chance(0.25):  # a door or fender from another car
        start = draws.choose((0.02, 0.3, 0.5, 0.76))
        add(draws.choose(("left", "right", "flank")), _upright(start, 0.0, start + 0.21, 1.0))
        words["panel"] = "other"
    if draws.chance(0.5):
        low, high, slant = draws.uniform(0.1, 0.7), draws.uniform(0.08, 0.3), draws.uniform(-0.2, 0.2)
        end = draws.uniform(0.5, 1.0)
        start = draws.uniform(0.0, end - 0.35)
        add("flank", ((start, low), (end, low + slant), (end, low + slant + high), (start, low + high)))
        words["stripe"] = "yes"
    if draws.chance(0.3):
        middle, half = draws.uniform(0.3, 0.7), draws.uniform(0.06, 0.2)
        add("hood", _upright(0.0, middle - half, 1.0, middle + half))
        words["hood"] = "striped"
    for _ in range(draws.below(4)):  # stickers and signs, the same on both sides
        x, y, half = draws.uniform(0.15, 0.85), draws.uniform(0.3, 0.75), draws.uniform(0.03, 0.07)
        tall = draws.uniform(0.12, 0.25)
        diamond = ((x - half, y), (x, y - tall), (x + half, y), (x, y + tall))
        square = _upright(x - half, y - tall, x + half, y + tall)
        add("flank", draws.choose((diamond, square)))
    words["stickers"] = str(len(marks))
    for _ in range(draws.below(3)):  # dents and rust on one side alone
        x, y, half = draws.uniform(0.05, 0.9), draws.uniform(0.1, 0.7), draws.uniform(0.02, 0.05)
        name = f"dent {len(marks)}"
        brown = draws.uniform(0.3, 0.8)
        paints[name] = Paint(
            (0.16 * brown, 0.07 * brown, 0.03 * brown), draws.uniform(0.1, 0.5), draws.uniform(-5.0, 5.0)
        )
        marks.append(Mark(draws.choose(("left", "right", "tail")), _upright(x, y, x + 2 * half, y + 5 * half), name))
    for _ in range(1 + draws.below(3)):  # livery of what is carried, and of the sides of vans and buses
        left, low = draws.uniform(0.0, 0.7), draws.uniform(0.0, 0.6)
        right, high = left + draws.uniform(0.12, 0.6), low + draws.uniform(0.15, 0.5)
        slant = draws.choose((0.0, 0.0, 0.2, -0.2))
        add(
            "load",
            (
                (left, low),
                (right, low),
                (min(1.0, right + slant), min(1.0, high)),
                (max(0.0, left + slant), min(1.0, high)),
            ),
        )
    return marks


def _upright(left: float, low: float, right: float, high: float) -> tuple[tuple[float, float], ...]:
    """The corners of an upright rectangle."""
    return (left, low), (right, low), (right, high), (left, high)
