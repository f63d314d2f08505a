"""The synthetic world: people and vehicles, cameras, places and spectra, drawn from a seed when a picture is read.

It exists so that every claim can be tested on any machine: identities, cameras, spectra, occlusion and background are
known. Read in the order `domain`, `people`, `figure`, `body`, `walking`, `raster`, `sensor`, `rendering`, `population`.
For vehicles, `vehicles`, `vehicle_blocks`, `vehicle_parts` and `driving` take the place of `people`, `figure`, `body`
and `walking`. `conditions` defines how the spectra complement each other and how they fail to align, `captions` what is
said of people.
"""

from __future__ import annotations

from reknow.world.captions import captions_of
from reknow.world.conditions import LIGHTS
from reknow.world.domain import DOMAINS, Domain
from reknow.world.population import FIRST_TEST_IDENTITY, Population, population
from reknow.world.reference import KINDS, SIZES
from reknow.world.rendering import Rendering, render, render_reference, rendering_of

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
    "Rendering",
    "captions_of",
    "population",
    "render",
    "render_reference",
    "rendering_of",
]
