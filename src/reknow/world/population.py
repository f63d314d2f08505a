"""Population: which cameras record which identities, as columns of observations.

Each person or vehicle passes two or more cameras, each takes a tracklet of two to five shots. In the test split one
shot of each (identity, camera) is a query and the rest are gallery, as in Market-1501. Test identities have numbers of
their own, so a world with more training identities has the same test.

In an unpaired world no shot has more than one spectrum, as where visible cameras and infrared ones stand in different
places, or one camera turns to infrared at night. The shots are those of the paired world. Infrared ones are taken at
night, by the camera's own lamp (near infrared) or by warmth alone (thermal), so that they do not show the light of the
visible ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from reknow.errors import DataError, nearest
from reknow.world.conditions import Conditions
from reknow.world.domain import domain_named
from reknow.world.draws import Draws
from reknow.world.reference import check_kind, check_spectra

FIRST_TEST_IDENTITY = 100_000

Unpaired = Literal["no", "cameras", "passages"]
"""Every shot has every spectrum; every camera has one; every passage of a person or a vehicle at a camera has one."""


@dataclass(frozen=True)
class Population:
    """Every observation of a world.

    Attributes:
        name: of the data set that it makes, such as ``world-people-target-0``.
        columns: one value per observation in each: ``observation``, ``identity``, ``camera``, ``tracklet``, ``time``,
            ``split``, and a picture's reference for each spectrum.
    """

    name: str
    columns: dict[str, list[Any]]


def population(
    domain: str,
    *,
    kind: str = "people",
    seed: int = 0,
    train_identities: int | None = None,
    test_identities: int = 100,
    cameras: int | None = None,
    spectra: Sequence[str] = ("rgb",),
    difficulty: str = "easy",
    light: str = "day",
    misregistration: float = 0.0,
    occlusion: float | None = None,
    hidden: float | None = None,
    unpaired: str = "no",
) -> Population:
    """The observations of a world; pictures are rendered when read.

    Args:
        domain: ``source`` or ``target``.
        kind: what the identities are; ``people`` or ``vehicles``.
        seed: of the world; worlds of different seeds share no identity, camera or place.
        train_identities: people or vehicles to train on; by default 150, and 240 in a hard world.
        test_identities: others, to test with.
        cameras: how many there are, by default 6, and 8 in a hard world; each identity passes 2 or more of them.
        spectra: the columns to fill.
        difficulty: ``easy`` or ``hard``, as real photographs are.
        light: which spectrum fails at which cameras: ``day`` (nowhere), ``night`` or ``mixed``.
        misregistration: how far spectra are displaced against each other, in pixels of a picture 128 high.
        occlusion: share of shots with an occluder in front of the object; None: the domain's own.
        hidden: share of the object that something hides in every shot, in place of these occluders; None: nothing.
        unpaired: what has one of the spectra alone: ``cameras``, ``passages``, or nothing (``no``).

    Raises:
        DataError: an unknown domain, kind, spectrum, difficulty or light, numbers out of bounds, or one spectrum that
            cannot be unpaired.
    """
    rules = domain_named(domain, difficulty)
    cameras = rules.cameras if cameras is None else cameras
    train_identities = rules.identities if train_identities is None else train_identities
    shortest, longest = rules.shots
    check_kind(kind)
    check_spectra(tuple(spectra))
    _check_unpaired(unpaired, spectra)
    conditions = Conditions(
        difficulty=difficulty, light=light, misregistration=misregistration, occlusion=occlusion, hidden=hidden
    )
    for name, value, least in (
        ("seed", seed, 0),
        ("cameras", cameras, 2),
        ("train_identities", train_identities, 0),
        ("test_identities", test_identities, 0),
        ("train_identities + test_identities", train_identities + test_identities, 1),
        ("spectra", len(spectra), 1),
    ):
        if value < least:
            raise DataError(
                f"world option '{name}'", found=str(value), expected=f"at least {least}", remedy="Raise it."
            )
    if train_identities > FIRST_TEST_IDENTITY:
        raise DataError(
            "world option 'train_identities'",
            found=str(train_identities),
            expected=f"at most {FIRST_TEST_IDENTITY}",
            remedy="Lower it.",
        )
    names = ("observation", "identity", "camera", "tracklet", "time", "split", *spectra)
    columns: dict[str, list[Any]] = {name: [] for name in names}
    # The first version had people alone; their names have no kind, so that stored results stay valid.
    prefix = f"{domain}-{seed}" if kind == "people" else f"{kind}-{domain}-{seed}"
    identities = [*range(train_identities), *range(FIRST_TEST_IDENTITY, FIRST_TEST_IDENTITY + test_identities)]
    for identity in identities:
        draws = Draws("visits", domain, seed, identity)
        clock = draws.uniform(0.0, 36_000.0)
        for camera in draws.sample(cameras, 2 + draws.below(cameras - 1)):
            shots = shortest + draws.below(longest - shortest + 1)
            query_shot = draws.below(shots)
            clock += draws.uniform(40.0, 400.0)
            only = _only_spectrum(unpaired, spectra, domain, seed, identity, camera)
            here = replace(conditions, light="night") if only not in (None, "rgb") and light == "day" else conditions
            for shot in range(shots):
                place = f"{kind}/{domain}/{seed}/{identity}/{camera}/{shot}"
                split = "train" if identity < FIRST_TEST_IDENTITY else "query" if shot == query_shot else "gallery"
                row = (
                    place + here.suffix,
                    f"{prefix}-{identity:06d}",
                    f"{prefix}-c{camera}",
                    f"{prefix}-{identity:06d}-c{camera}",
                    round(clock + 0.8 * shot, 2),
                    split,
                )
                pictures = (
                    f"world:{place}/{spectrum}{here.suffix}" if only in (None, spectrum) else None
                    for spectrum in spectra
                )
                for name, value in zip(names, (*row, *pictures), strict=True):
                    columns[name].append(value)
    words = [kind, domain, str(seed), *(word for word in (difficulty, light) if word not in ("easy", "day"))]
    words += [f"aside{misregistration:g}"] if misregistration else []
    words += [f"occlusion{occlusion:g}"] if occlusion is not None else []
    words += [f"hidden{hidden:g}"] if hidden is not None else []
    words += [f"unpaired-{unpaired}"] if unpaired != "no" else []
    return Population("-".join(["world", *words]), columns)


def _only_spectrum(
    unpaired: str, spectra: Sequence[str], domain: str, seed: int, identity: int, camera: int
) -> str | None:
    """The one spectrum of a passage; None where it has all of them."""
    if unpaired == "no":
        return None
    if unpaired == "cameras":  # in turn, so that each spectrum has as many as the others
        return spectra[(camera + Draws("spectra", domain, seed).below(len(spectra))) % len(spectra)]
    return spectra[Draws("spectrum", domain, seed, identity, camera).below(len(spectra))]


def _check_unpaired(unpaired: str, spectra: Sequence[str]) -> None:
    known = get_args(Unpaired)
    if unpaired not in known:
        raise DataError(f"world option 'unpaired', '{unpaired}'", found="unknown word", remedy=nearest(unpaired, known))
    if unpaired != "no" and len(set(spectra)) < 2:
        raise DataError(
            f"world option 'unpaired', '{unpaired}'",
            found=f"{', '.join(spectra)} alone",
            expected="two spectra or more",
            remedy="Write spectra=rgb,nir beside it.",
        )
