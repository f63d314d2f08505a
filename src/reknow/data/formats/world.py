"""World: the synthetic world as a data set, ``world:source`` or ``world:target?seed=3``.

Pictures are drawn when they are read; see :mod:`reknow.world`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from reknow.data.captions import Caption, captioned, picture_key, with_captions
from reknow.data.manifest import Manifest
from reknow.errors import DataError

Number = TypeVar("Number", int, float)


def read(
    path: str,
    *,
    kind: str = "people",
    seed: str | int = 0,
    train_identities: str | int | None = None,
    test_identities: str | int = 100,
    cameras: str | int | None = None,
    spectra: str = "rgb",
    difficulty: str = "easy",
    light: str = "day",
    misregistration: str | float = 0.0,
    occlusion: str | float | None = None,
    hidden: str | float | None = None,
    unpaired: str = "no",
    captions: str | float | None = None,
) -> Manifest:
    """The manifest of a synthetic world.

    Args:
        path: the domain, ``source`` or ``target``.
        kind: what the identities are; ``people`` or ``vehicles``.
        seed: of the world.
        train_identities: people or vehicles to train on; by default 150, and 240 in a hard world.
        test_identities: others, to test with.
        cameras: how many there are; by default 6, and 8 in a hard world.
        spectra: which columns to fill, separated by commas.
        difficulty: ``easy`` or ``hard``, as real photographs are.
        light: at which cameras which spectrum fails: ``day`` (nowhere), ``night`` (color, everywhere) or ``mixed``
            (each spectrum at a third of the cameras).
        misregistration: how far spectra are displaced against each other, in pixels of a picture 128 high.
        occlusion: share of shots with an occluder in front of the object; by default about a sixth, as the domain has.
        hidden: share of every object that a wall, a fence or a hedge hides, in place of these occluders.
        unpaired: ``cameras`` gives every camera one of the spectra, ``passages`` every passage of a person at a camera;
            with ``no`` every shot has all of them.
        captions: how often the world's own captioner errs, 0 to 1, which makes columns of captions
            (:mod:`reknow.world.captions`); or a file of captions, as for every format. By default there are none.

    Raises:
        DataError: an unknown domain, kind, spectrum, difficulty or light, an option that is not a number, spectra that
            cannot be unpaired, or captions of vehicles.
    """
    from reknow.world import population  # numba takes a second to import; other formats do without it

    options = {
        "seed": seed,
        "train_identities": train_identities,
        "test_identities": test_identities,
        "cameras": cameras,
    }
    numbers = {name: _number(name, value, int) for name, value in options.items() if value is not None}
    aside = _number("misregistration", misregistration, float)
    shares = {
        name: None if value is None else _number(name, value, float)
        for name, value in (("occlusion", occlusion), ("hidden", hidden))
    }
    columns = spectra.split(",")
    world = population(
        path,
        kind=kind,
        spectra=columns,
        difficulty=difficulty,
        light=light,
        misregistration=aside,
        unpaired=unpaired,
        **shares,
        **numbers,
    )
    protocol = "market" if unpaired == "no" else "cross_spectrum"
    manifest = Manifest.from_columns(world.columns, root=Path(), name=world.name, protocol=protocol)
    if captions is None:
        return manifest
    try:
        errors = float(captions)
    except ValueError:
        return captioned(manifest, str(captions))
    return _told(manifest, errors)


def _told(manifest: Manifest, errors: float) -> Manifest:
    """The world with what its own captioner says of every picture."""
    from reknow.world import captions_of

    captions = {}
    for spectrum in manifest.spectra:
        for reference in filter(None, manifest.column(spectrum)):
            caption, *paraphrases = captions_of(reference, errors)
            captions[picture_key(reference)] = Caption(caption, tuple(paraphrases))
    return with_captions(manifest, captions, manifest.name)


def _number(name: str, value: str | Number, kind: type[Number]) -> Number:
    try:
        return kind(value)
    except ValueError:
        raise DataError(
            f"world option '{name}'",
            found=f"'{value}'",
            expected="a whole number" if kind is int else "a number",
            remedy="Write digits only." if kind is int else "Write digits, for example 3.5.",
        ) from None
