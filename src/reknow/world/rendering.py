"""Rendering: one shot of one object by one camera, in every spectrum, with the ground truth beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, UInt8

from reknow.observation import SPECTRA, Spectrum
from reknow.world import hiding
from reknow.world.background import scene
from reknow.world.cameras import Shot
from reknow.world.conditions import Conditions, displacement, lit
from reknow.world.domain import domain_named
from reknow.world.draws import Draws
from reknow.world.driving import drive
from reknow.world.raster import OCCLUDER, PERSON, blank, copy_window, paint
from reknow.world.reference import SIZES, check_kind, check_spectra, parse_reference
from reknow.world.sensor import develop
from reknow.world.walking import walk


@dataclass(frozen=True)
class Rendering:
    """One shot, and the ground truth about it. Training never uses the truth.

    Attributes:
        images: per spectrum, the picture; gray spectra repeat their channel three times.
        person: where the person, or the vehicle, is visible in the first of these pictures, and in all of them unless
            they are misregistered.
        occluder: where something stands before the object or its background, likewise.
        attributes: attributes of the object, the viewpoint and the occlusion, in words.
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
    difficulty: str = "easy",
    light: str = "day",
    misregistration: float = 0.0,
    occlusion: float | None = None,
    hidden: float | None = None,
) -> Rendering:
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
        difficulty: ``easy`` or ``hard``, as real photographs are.
        light: which spectrum fails at which cameras: ``day`` (nowhere), ``night`` or ``mixed``.
        misregistration: how far spectra are displaced against each other, in pixels of a picture 128 high.
        occlusion: share of shots with an occluder in front of the object; None: the domain's own.
        hidden: share of the object that something hides in every shot, in place of these occluders; None: nothing.

    Raises:
        DataError: an unknown kind, domain, spectrum, difficulty or light, a displacement outside 0 to 32, or a share
            outside 0 to 1.
    """
    check_kind(kind)
    check_spectra(tuple(spectra))
    conditions = Conditions(
        difficulty=difficulty, light=light, misregistration=misregistration, occlusion=occlusion, hidden=hidden
    )
    rules = domain_named(domain, conditions.difficulty, conditions.occlusion)
    lit_camera = lit(rules, seed, camera, conditions.light)
    height, width = size or SIZES[kind]
    draw_shot = walk if kind == "people" else drive
    unpainted = draw_shot(rules, lit_camera, seed, identity, camera, shot, (height, width))
    if conditions.hidden is not None:
        unpainted = hiding.hidden(
            unpainted,
            conditions.hidden,
            (height, width),
            Draws("hidden", domain, seed, identity, camera, shot),
            air=lit_camera.air,
            season=rules.season,
            light=lit_camera.light,
        )
    behind = scene(rules, seed, camera, kind)
    images: dict[Spectrum, UInt8[np.ndarray, "height width 3"]] = {}
    canvases: dict[tuple[float, float], Float[np.ndarray, "height width 9"]] = {}
    for number, spectrum in enumerate(SPECTRA):
        if spectrum not in spectra:
            continue
        displaced = displacement(domain, seed, identity, camera, shot, spectrum, conditions.misregistration)
        if displaced not in canvases:
            canvases[displaced] = _painted(unpainted, behind, lit_camera.light, (height, width), displaced)
        images[spectrum] = develop(
            canvases[displaced],
            lit_camera,
            spectrum,
            drift=unpainted.drift,
            motion=unpainted.motion,
            seed=unpainted.noise + number,
        )
    first = next(iter(canvases.values()))
    return Rendering(images, first[..., PERSON] > 0.5, first[..., OCCLUDER] > 0.5, unpainted.words)


def _painted(
    shot: Shot,
    behind: Float[np.ndarray, "lines columns 9"],
    light: tuple[float, float, float],
    size: tuple[int, int],
    displaced: tuple[float, float],
) -> Float[np.ndarray, "height width 9"]:
    """The canvas of a shot, displaced to the right and down by so many pixels of a picture 128 high."""
    height, width = size
    right, down = (pixels * height / 128 for pixels in displaced)
    box, window, canvas = shot.box, shot.behind, blank(height, width)
    copy_window(behind, canvas, window.left - right * window.step, window.top - down * window.step, window.step)
    paint(canvas, shot.rows, box.left - right / box.scale, box.top + down / box.scale, box.scale, light)
    return canvas


def rendering_of(reference: str, *, size: tuple[int, int] | None = None) -> Rendering:
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
        difficulty=named.conditions.difficulty,
        light=named.conditions.light,
        misregistration=named.conditions.misregistration,
        occlusion=named.conditions.occlusion,
        hidden=named.conditions.hidden,
    )


def render_reference(reference: str) -> UInt8[np.ndarray, "height width 3"]:
    """The picture that a reference names.

    Raises:
        DataError: the reference is wrong.
    """
    (image,) = rendering_of(reference).images.values()
    return image
