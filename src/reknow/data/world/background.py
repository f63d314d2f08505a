"""Backgrounds: one wide scene per camera; a picture sees a window of it.

A camera owns its scene, so an identity never has the same background in two cameras, and two shots by one camera show
different parts of it. Scenes are painted once with the raster kernel and kept.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from reknow.data.world.domain import domain_named
from reknow.data.world.draws import Draws
from reknow.data.world.places import BOTTOM, PLACES, TOP, WIDTH
from reknow.data.world.raster import blank, paint

# Pixels per meter. A picture 128 pixels high shows about 2 meters, so a scene is slightly soft, like a far wall.
SCALE = 44.0


@lru_cache(maxsize=24)  # 24 scenes of 264 x 616 x 9 floats are 140 MB
def scene(domain_name: str, seed: int, camera: int) -> np.ndarray:
    """(264, 616, 9) float32 canvas of everything behind the people that this camera sees."""
    domain = domain_named(domain_name)
    # Places take turns, so that even two cameras of one world differ in kind.
    turn = camera + Draws("places", domain_name, seed).below(3)
    place = PLACES[domain.places[turn % len(domain.places)]]
    rows = place(Draws("scene", domain_name, seed, camera), domain, sum(domain.air) / 2)
    canvas = blank(int((TOP - BOTTOM) * SCALE), int(WIDTH * SCALE))
    paint(canvas, rows, 0.0, TOP, SCALE, (0.3, 0.6, 0.74))
    canvas.flags.writeable = False
    return canvas
