"""World: the synthetic world as a data set, ``world:source`` or ``world:target?seed=3``.

Pictures are drawn when they are read; see :mod:`reknow.data.world`.
"""

from __future__ import annotations

from reknow.data.manifest import Manifest
from reknow.data.world import world_manifest
from reknow.errors import DataError


def read(
    path: str,
    *,
    kind: str = "people",
    seed: str | int = 0,
    train_identities: str | int = 150,
    test_identities: str | int = 100,
    cameras: str | int = 6,
    spectra: str = "rgb",
) -> Manifest:
    """The manifest of a synthetic world.

    Args:
        path: the domain, ``source`` or ``target``.
        kind: what the identities are; ``people``.
        seed: of the world.
        train_identities: people to train on.
        test_identities: others, to test with.
        cameras: how many there are.
        spectra: which columns to fill, separated by commas.

    Raises:
        DataError: an unknown domain, kind or spectrum, or an option that is not a whole number.
    """
    options = {
        "seed": seed,
        "train_identities": train_identities,
        "test_identities": test_identities,
        "cameras": cameras,
    }
    numbers = {name: _whole(name, value) for name, value in options.items()}
    return world_manifest(path, kind=kind, spectra=spectra.split(","), **numbers)


def _whole(name: str, value: str | int) -> int:
    try:
        return int(value)
    except ValueError:
        raise DataError(
            f"world option '{name}'", found=f"'{value}'", expected="a whole number", remedy="Write digits only."
        ) from None
