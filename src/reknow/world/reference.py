"""References: the name of one picture of the world, which suffices to draw it again.

The form is ``world:KIND/DOMAIN/SEED/IDENTITY/CAMERA/SHOT/SPECTRUM``. Conditions that depart from the plain world follow
after a question mark, in this order and only where it departs: ``?difficulty=hard&light=mixed``. So a picture has one
name, and caches that go by names never take one picture for another.
"""

from __future__ import annotations

from dataclasses import dataclass

from reknow.errors import DataError, nearest
from reknow.observation import SPECTRA, Spectrum
from reknow.world.conditions import LIGHTS, Conditions
from reknow.world.domain import DIFFICULTIES, domain_named

# Height and width in pixels of the pictures of each kind.
SIZES: dict[str, tuple[int, int]] = {"people": (128, 64), "vehicles": (128, 256)}
KINDS = tuple(SIZES)
FORM = (
    "world:KIND/DOMAIN/SEED/IDENTITY/CAMERA/SHOT/SPECTRUM"
    "[?difficulty=hard][&light=LIGHT][&misregistration=PIXELS][&occlusion=SHARE][&hidden=SHARE]"
)


def check_kind(kind: str) -> None:
    """Refuse a word that names no kind.

    Raises:
        DataError: an unknown word.
    """
    if kind not in KINDS:
        raise DataError(f"world kind '{kind}'", found="unknown kind", remedy=nearest(kind, KINDS))


def check_spectra(spectra: tuple[str, ...]) -> None:
    """Refuse a word that names no spectrum.

    Raises:
        DataError: an unknown word.
    """
    for spectrum in spectra:
        if spectrum not in SPECTRA:
            raise DataError(f"world spectrum '{spectrum}'", found="unknown spectrum", remedy=nearest(spectrum, SPECTRA))


@dataclass(frozen=True, kw_only=True)
class Reference:
    """One picture of the world, taken apart."""

    kind: str
    domain: str
    seed: int
    identity: int
    camera: int
    shot: int
    spectrum: Spectrum
    conditions: Conditions


def parse_reference(reference: str) -> Reference:
    """The picture that a reference names.

    Example:
        >>> named = parse_reference("world:vehicles/target/0/17/2/1/tir?light=mixed")
        >>> named.kind, named.identity, named.conditions.light
        ('vehicles', 17, 'mixed')

    Raises:
        DataError: it names no picture.
    """
    path, _, options = reference.partition("?")
    parts = path.removeprefix("world:").split("/")
    if not path.startswith("world:") or len(parts) != 7 or not all(part.isdecimal() for part in parts[2:6]):
        raise DataError(reference, found="not a picture of the world", expected=FORM, remedy="Numbers count from 0.")
    kind, domain = parts[0], parts[1]
    spectrum: Spectrum | None = next((known for known in SPECTRA if known == parts[6]), None)
    if kind not in KINDS:
        raise DataError(reference, found=f"'{kind}'", expected=FORM, remedy=nearest(kind, KINDS))
    if spectrum is None:
        raise DataError(reference, found=f"'{parts[6]}'", expected=FORM, remedy=nearest(parts[6], SPECTRA))
    domain_named(domain)
    seed, identity, camera, shot = (int(part) for part in parts[2:6])
    named = Reference(
        kind=kind,
        domain=domain,
        seed=seed,
        identity=identity,
        camera=camera,
        shot=shot,
        spectrum=spectrum,
        conditions=_conditions(options, reference),
    )
    if named.conditions.suffix != reference.removeprefix(path):
        raise DataError(
            reference,
            found=f"'{reference.removeprefix(path)}'",
            expected=f"'{named.conditions.suffix}'",
            remedy="Write each option once, in this order, and none at its default: a picture has one name.",
        )
    return named


def _conditions(text: str, reference: str) -> Conditions:
    options: dict[str, str] = {}
    for word in text.split("&") if text else ():
        name, _, options[name] = word.partition("=")
    known = ("difficulty", "light", "misregistration", "occlusion", "hidden")
    for name in options:
        if name not in known:
            raise DataError(reference, found=f"'{name}'", expected=FORM, remedy=nearest(name, known))
    return Conditions(
        difficulty=options.get("difficulty", DIFFICULTIES[0]),
        light=options.get("light", LIGHTS[0]),
        misregistration=_number(options.get("misregistration", "0"), "a number of pixels", reference),
        occlusion=_share(options.get("occlusion"), reference),
        hidden=_share(options.get("hidden"), reference),
    )


def _share(text: str | None, reference: str) -> float | None:
    return None if text is None else _number(text, "a share", reference)


def _number(text: str, expected: str, reference: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise DataError(reference, found=f"'{text}'", expected=expected, remedy="Write digits.") from None
