"""The synthetic world: people, cameras, places and spectra, drawn on the fly from a seed.

It exists so that every claim can be tested on any machine: identities, cameras, spectra, occlusion and background are
known. Read in the order `domain`, `people`, `body`, `raster`, `sensor`, `sight`, `population`.
"""

from __future__ import annotations

from reknow.data.world.domain import DOMAINS, Domain
from reknow.data.world.population import FIRST_TEST_IDENTITY, world_manifest
from reknow.data.world.sight import KINDS, Sight, render, render_reference, sight_of

# Raise it when the same reference gives another picture: caches and stored scores depend on it.
WORLD_VERSION = 1

__all__ = [
    "DOMAINS",
    "FIRST_TEST_IDENTITY",
    "KINDS",
    "WORLD_VERSION",
    "Domain",
    "Sight",
    "render",
    "render_reference",
    "sight_of",
    "world_manifest",
]
