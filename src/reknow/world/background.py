"""Backgrounds: one wide scene per camera; a picture sees a window of it.

A camera owns its scene, so an identity never has the same background in two cameras, and two shots by one camera show
different parts of it. Scenes are painted once with the raster kernel and kept.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from jaxtyping import Float

from reknow.world import places, roads
from reknow.world.domain import domain_named
from reknow.world.draws import Draws
from reknow.world.raster import blank, paint


@lru_cache(maxsize=24)  # 24 scenes of 264 x 616 x 9 floats are 140 MB
def scene(domain_name: str, seed: int, camera: int, kind: str = "people") -> Float[np.ndarray, "height width 9"]:
    """The canvas of everything behind the people, or the vehicles, that this camera sees."""
    domain = domain_named(domain_name)
    # Places take turns, so that even two cameras of one world differ in kind.
    turn = camera + Draws("places", domain_name, seed).below(3)
    air = sum(domain.air) / 2
    if kind == "vehicles":
        stage, draws = roads.STAGE, Draws("road", domain_name, seed, camera)
        rows = roads.ROADS[turn % len(roads.ROADS)](draws, domain, air)
    else:
        stage, draws = places.STAGE, Draws("scene", domain_name, seed, camera)
        rows = places.PLACES[domain.places[turn % len(domain.places)]](draws, domain, air)
    canvas = blank(int((stage.top - stage.bottom) * stage.scale), int(stage.width * stage.scale))
    paint(canvas, rows, 0.0, stage.top, stage.scale, (0.3, 0.6, 0.74))
    canvas.flags.writeable = False
    return canvas
