"""Sight: one shot of one person by one camera, in every spectrum, with the truth beside it.

A reference ``world:KIND/DOMAIN/SEED/IDENTITY/CAMERA/SHOT/SPECTRUM`` names one picture; nothing else is needed to draw
it again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, UInt8

from reknow.data.manifest import SPECTRA, Spectrum
from reknow.data.world import things
from reknow.data.world.background import SCALE, scene
from reknow.data.world.body import body
from reknow.data.world.cameras import Camera, camera_of
from reknow.data.world.domain import Domain, domain_named
from reknow.data.world.draws import Draws
from reknow.data.world.people import person
from reknow.data.world.places import BOTTOM, TOP, WIDTH
from reknow.data.world.raster import OCCLUDER, PERSON, blank, look, paint
from reknow.data.world.sensor import develop
from reknow.data.world.shapes import BACKGROUND_LAYER, OCCLUDER_LAYER, Row, ellipse
from reknow.data.world.skeleton import Pose
from reknow.data.world.surfaces import Material, Surface
from reknow.errors import DataError, nearest

KINDS = ("people",)
PASSERS_BY = 10_000_000  # identities from here on walk through pictures of others and are never anybody's own


@dataclass(frozen=True)
class Sight:
    """One shot, and what is true about it. The truth never enters training.

    Attributes:
        images: per spectrum, the picture; gray spectra repeat their channel three times.
        person: where the person is visible.
        occluder: where something stands before the person or her background.
        attributes: what she looks like and how she is seen, in words.
    """

    images: dict[Spectrum, UInt8[np.ndarray, "height width 3"]]
    person: Bool[np.ndarray, "height width"]
    occluder: Bool[np.ndarray, "height width"]
    attributes: dict[str, str]


def render(
    domain: str,
    seed: int,
    identity: int,
    camera: int,
    shot: int,
    *,
    kind: str = "people",
    spectra: Sequence[str] = ("rgb",),
    size: tuple[int, int] = (128, 64),
) -> Sight:
    """Draw one shot; equal arguments give equal pictures, on any machine and in any order.

    Args:
        domain: ``source`` or ``target``.
        seed: of the world.
        identity: number of the person.
        camera: number of the camera.
        shot: number of the picture in the tracklet.
        kind: what the identities are; ``people``.
        spectra: which pictures to draw; they are aligned.
        size: height and width in pixels.

    Raises:
        DataError: an unknown kind, domain or spectrum.
    """
    if kind not in KINDS:
        raise DataError(f"world kind '{kind}'", found="unknown kind", remedy=nearest(kind, KINDS))
    for spectrum in spectra:
        if spectrum not in SPECTRA:
            raise DataError(f"world spectrum '{spectrum}'", found="unknown spectrum", remedy=nearest(spectrum, SPECTRA))
    rules, eye = domain_named(domain), camera_of(domain, seed, camera)
    who = person(domain, seed, identity)
    draws = Draws("shot", domain, seed, identity, camera, shot)
    pose = _pose(rules, eye, who.gait, Draws("tracklet", domain, seed, identity, camera), draws, shot)
    rows = _shadows(pose, eye) + body(who, pose)
    occlusion = (
        draws.weighted({"pillar": 1, "car": 1, "foliage": 1, "pedestrian": 1.2})
        if draws.chance(rules.occlusion)
        else "none"
    )
    rows += _occluder(occlusion, rules, eye, pose, seed, draws)
    height, width = size
    left, top, scale, cut = _frame(rules, who.build.height, eye, draws, height, width)
    canvas = blank(height, width)
    behind = scene(domain, seed, camera)
    # The farther the wall, the more of it a picture shows and the higher its foot stands in the picture.
    zoom = draws.uniform(1.0, 1.6)
    foot = draws.uniform(0.15, 0.5) + 2.2 * math.sin(eye.pitch) * draws.uniform(0.6, 1.1)
    window = width / scale * zoom
    start = draws.uniform(0.0, WIDTH - window)
    upper = min(TOP - 0.05, max(BOTTOM + height / scale * zoom + 0.05, (top - foot) * zoom))
    look(behind, canvas, start * SCALE, (TOP - upper) * SCALE, SCALE / scale * zoom)
    paint(canvas, rows, left, top, scale, eye.light)
    drift = _drift(rules, draws)
    motion, noise = draws.within(rules.motion), draws.bits()
    images: dict[Spectrum, UInt8[np.ndarray, "height width 3"]] = {
        spectrum: develop(canvas, eye, spectrum, drift=drift, motion=motion, seed=noise + number)
        for number, spectrum in enumerate(SPECTRA)
        if spectrum in spectra
    }
    words = {**who.attributes, "viewpoint": viewpoint(pose.yaw), "occlusion": occlusion, "cut": cut}
    return Sight(images, canvas[..., PERSON] > 0.5, canvas[..., OCCLUDER] > 0.5, words)


def viewpoint(yaw: float) -> str:
    """One of eight viewpoints in words; a yaw of 0 is the front."""
    names = ("front", "front left", "left", "back left", "back", "back right", "right", "front right")
    return names[round(yaw / (math.pi / 4)) % 8]


def _pose(
    rules: Domain, eye: Camera, gait: tuple[float, float, float], tracklet: Draws, shot: Draws, number: int
) -> Pose:
    yaw = tracklet.uniform(0.0, 2 * math.pi) + shot.bell(0.0, rules.turning)
    standing = tracklet.chance(0.2)
    phase = tracklet.uniform(0.0, 2 * math.pi) + 1.9 * number + shot.uniform(-0.5, 0.5)
    stride, swing, stoop = gait
    return Pose(yaw, eye.pitch, phase, stride * (0.15 if standing else 1.0), swing * (0.2 if standing else 1.0), stoop)


def _drift(rules: Domain, draws: Draws) -> tuple[float, float, float]:
    """How the camera's gain on each color strays in this shot."""
    red, green, blue = (draws.bell(0.0, rules.drift / 3) + draws.bell(0.0, rules.drift) for _ in range(3))
    return 2.0**red, 2.0**green, 2.0**blue


def _shadows(pose: Pose, eye: Camera) -> list[Row]:
    """A soft shadow under the feet, thrown away from the light."""
    x, reach = pose.x - 0.25 * eye.light[0], 0.12 + 0.3 * math.sin(pose.pitch)
    opacity = 0.25 + 0.45 * (1 - eye.ambient)
    # A shadow is dark to the eye and nearly as dark in the near infrared, but no colder than the ground.
    surface = Surface(Material((0.01, 0.01, 0.012), 0.05, eye.air), flat=1.0).row
    return [
        ellipse(
            (x, pose.y + 0.02),
            (0.34, 0.4 * reach),
            surface,
            depth=-4.0,
            layer=BACKGROUND_LAYER,
            soft=0.12,
            opacity=opacity,
        )
    ]


def _occluder(kind: str, rules: Domain, eye: Camera, pose: Pose, seed: int, draws: Draws) -> list[Row]:
    """Something that stands before the person and hides a part of her, never all."""
    side = draws.pick((-1.0, 1.0))
    if kind == "pillar":
        return things.pillar(draws, side * draws.uniform(0.08, 0.3), -0.5, eye.air, depth=2.0, layer=OCCLUDER_LAYER)
    if kind == "car":
        return things.car(
            draws, side * draws.uniform(0.6, 1.9), -draws.uniform(0.55, 0.9), eye.air, depth=2.0, layer=OCCLUDER_LAYER
        )
    if kind == "foliage":
        low = draws.chance(0.7)
        center = (side * draws.uniform(0.1, 0.4), draws.uniform(0.1, 0.45) if low else 1.2)
        spread = (draws.uniform(0.35, 0.6), 0.45 if low else 0.8)
        return things.bush(draws, center, spread, eye.air, rules.season, count=45, depth=2.0, layer=OCCLUDER_LAYER)
    if kind == "pedestrian":
        other = person(rules.name, seed, PASSERS_BY + draws.below(100_000))
        place = replace(
            pose,
            x=side * draws.uniform(0.3, 0.48),
            y=-draws.uniform(0.05, 0.3),
            yaw=draws.uniform(0.0, 6.28),
            phase=draws.uniform(0.0, 6.28),
        )
        return body(other, place, layer=OCCLUDER_LAYER, nearness=2.0)
    return []


def _frame(
    rules: Domain, tall: float, eye: Camera, draws: Draws, height: int, width: int
) -> tuple[float, float, float, str]:
    """The detector's box: its left, its top, pixels per meter, and what it misses."""
    seen = tall * math.cos(eye.pitch)
    extent = (seen + 0.12) * draws.within(rules.zoom)
    middle = 0.5 * seen + draws.bell(0.0, rules.shift * 0.5) * extent
    cut = "none"
    if draws.chance(rules.cut):
        cut = "feet" if draws.chance(0.75) else "head"
        lost = draws.uniform(0.1, 0.3) if cut == "feet" else draws.uniform(0.03, 0.08)
        extent *= 1 - lost
        middle += (0.5 if cut == "feet" else -0.5) * lost * seen
    scale = height / extent
    left = draws.bell(0.0, rules.shift) * extent * 0.5 - 0.5 * width / scale
    return left, middle + 0.5 * extent, scale, cut


def parse_reference(reference: str) -> tuple[str, str, int, int, int, int, Spectrum]:
    """Kind, domain, seed, identity, camera, shot and spectrum of a picture reference.

    Raises:
        DataError: it is not one.
    """
    form = "world:KIND/DOMAIN/SEED/IDENTITY/CAMERA/SHOT/SPECTRUM"
    parts = reference.removeprefix("world:").split("/")
    if not reference.startswith("world:") or len(parts) != 7 or not all(part.isdecimal() for part in parts[2:6]):
        raise DataError(reference, found="not a picture of the world", expected=form, remedy="Numbers count from 0.")
    kind, domain, spectrum = parts[0], parts[1], parts[6]
    for word, known in ((kind, KINDS), (spectrum, SPECTRA)):
        if word not in known:
            raise DataError(reference, found=f"'{word}'", expected=form, remedy=nearest(word, known))
    domain_named(domain)
    seed, identity, number, shot = (int(part) for part in parts[2:6])
    return kind, domain, seed, identity, number, shot, spectrum  # type: ignore[return-value]


def sight_of(reference: str, *, size: tuple[int, int] = (128, 64)) -> Sight:
    """The shot that a reference names, with its truth.

    Raises:
        DataError: the reference is wrong.
    """
    kind, domain, seed, identity, number, shot, spectrum = parse_reference(reference)
    return render(domain, seed, identity, number, shot, kind=kind, spectra=(spectrum,), size=size)


def render_reference(reference: str) -> UInt8[np.ndarray, "height width 3"]:
    """The picture that a reference names.

    Raises:
        DataError: the reference is wrong.
    """
    (image,) = sight_of(reference).images.values()
    return image
