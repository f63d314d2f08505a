"""The synthetic world: people and vehicles, cameras, places and spectra, drawn on the fly from a seed.

It exists so that every claim can be tested on any machine: identities, cameras, spectra, occlusion and background are
known. Read in the order `domain`, `people`, `body`, `walking`, `raster`, `sensor`, `sight`, `population`. For vehicles,
`vehicles`, `assembly` and `driving` take the place of `people`, `body` and `walking`; `light` and `misregistration` say
how the spectra complement each other and how they fail to align.
"""

from __future__ import annotations

from reknow.world.domain import DOMAINS, Domain
from reknow.world.light import LIGHTS
from reknow.world.population import FIRST_TEST_IDENTITY, Population, population
from reknow.world.reference import KINDS, SIZES
from reknow.world.sight import Sight, render, render_reference, sight_of

# Raise it when the same reference gives another picture: caches and stored scores depend on it.
WORLD_VERSION = 1

__all__ = [
    "DOMAINS",
    "FIRST_TEST_IDENTITY",
    "KINDS",
    "LIGHTS",
    "SIZES",
    "WORLD_VERSION",
    "Domain",
    "Population",
    "Sight",
    "population",
    "render",
    "render_reference",
    "sight_of",
]
