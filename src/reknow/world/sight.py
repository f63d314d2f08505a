"""Sight: one shot of one object by one camera, in every spectrum, with the truth beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, UInt8

from reknow.observation import SPECTRA, Spectrum
from reknow.world.background import scene
from reknow.world.domain import domain_named
from reknow.world.driving import drive
from reknow.world.light import lit
from reknow.world.misregistration import displacement
from reknow.world.raster import OCCLUDER, PERSON, blank, look, paint
from reknow.world.reference import SIZES, Conditions, check_kind, check_spectra, parse_reference
from reknow.world.sensor import develop
from reknow.world.take import Take
from reknow.world.walking import walk


@dataclass(frozen=True)
class Sight:
    """One shot, and what is true about it. The truth never enters training.

    Attributes:
        images: per spectrum, the picture; gray spectra repeat their channel three times.
        person: where the person, or the vehicle, is visible in the first of these pictures, and in all of them unless
            they are misregistered.
        occluder: where something stands before the object or its background, likewise.
        attributes: what the object looks like and how it is seen, in words.
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
    size: tuple[int, int] | None = None,
    light: str = "day",
    misregistration: float = 0.0,
) -> Sight:
    """Draw one shot; equal arguments give equal pictures, on any machine and in any order.

    Args:
        domain: ``source`` or ``target``.
        seed: of the world.
        identity: number of the person or vehicle.
        camera: number of the camera.
        shot: number of the picture in the tracklet.
        kind: what the identities are; ``people`` or ``vehicles``.
        spectra: which pictures to draw.
        size: height and width in pixels; by default 128 x 64 for people and 128 x 256 for vehicles.
        light: at which cameras which spectrum fails: ``day`` (nowhere), ``night`` or ``mixed``.
        misregistration: how far spectra are displaced against each other, in pixels of a picture 128 high.

    Raises:
        DataError: an unknown kind, domain, spectrum or light, or a displacement outside 0 to 32.
    """
    check_kind(kind)
    check_spectra(tuple(spectra))
    asked = Conditions(light=light, misregistration=misregistration)
    rules, eye = domain_named(domain), lit(domain, seed, camera, asked.light)
    height, width = size or SIZES[kind]
    shoot = walk if kind == "people" else drive
    take = shoot(rules, eye, seed, identity, camera, shot, (height, width))
    behind = scene(domain, seed, camera, kind)
    images: dict[Spectrum, UInt8[np.ndarray, "height width 3"]] = {}
    canvases: dict[tuple[float, float], Float[np.ndarray, "height width 9"]] = {}
    for number, spectrum in enumerate(SPECTRA):
        if spectrum not in spectra:
            continue
        aside = displacement(domain, seed, identity, camera, shot, spectrum, asked.misregistration)
        if aside not in canvases:
            canvases[aside] = _painted(take, behind, eye.light, (height, width), aside)
        images[spectrum] = develop(
            canvases[aside], eye, spectrum, drift=take.drift, motion=take.motion, seed=take.noise + number
        )
    first = next(iter(canvases.values()))
    return Sight(images, first[..., PERSON] > 0.5, first[..., OCCLUDER] > 0.5, take.words)


def _painted(
    take: Take,
    behind: Float[np.ndarray, "lines columns 9"],
    light: tuple[float, float, float],
    size: tuple[int, int],
    aside: tuple[float, float],
) -> Float[np.ndarray, "height width 9"]:
    """The canvas of a take, displaced to the right and down by so many pixels of a picture 128 high."""
    height, width = size
    right, down = (pixels * height / 128 for pixels in aside)
    box, window, canvas = take.box, take.behind, blank(height, width)
    look(behind, canvas, window.left - right * window.step, window.top - down * window.step, window.step)
    paint(canvas, take.rows, box.left - right / box.scale, box.top + down / box.scale, box.scale, light)
    return canvas


def sight_of(reference: str, *, size: tuple[int, int] | None = None) -> Sight:
    """The shot that a reference names, with its truth.

    Raises:
        DataError: the reference is wrong.
    """
    named = parse_reference(reference)
    return render(
        named.domain,
        named.seed,
        named.identity,
        named.camera,
        named.shot,
        kind=named.kind,
        spectra=(named.spectrum,),
        size=size,
        light=named.conditions.light,
        misregistration=named.conditions.misregistration,
    )


def render_reference(reference: str) -> UInt8[np.ndarray, "height width 3"]:
    """The picture that a reference names.

    Raises:
        DataError: the reference is wrong.
    """
    (image,) = sight_of(reference).images.values()
    return image
