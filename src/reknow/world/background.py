"""Backgrounds: one wide scene per camera; a picture shows a window of it.

A camera owns its scene, so an identity never has the same background in two cameras, and two shots by one camera show
different parts of it. Scenes are painted once with the raster kernel and kept.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from jaxtyping import Float

from reknow.world import people_scenes, vehicle_scenes
from reknow.world.cameras import Box, Window
from reknow.world.domain import Domain
from reknow.world.draws import Draws
from reknow.world.raster import blank, paint
from reknow.world.scenery import Stage


@lru_cache(maxsize=24)  # 24 scenes of 264 x 616 x 9 floats are 140 MB
def scene(domain: Domain, seed: int, camera: int, kind: str = "people") -> Float[np.ndarray, "height width 9"]:
    """The canvas of everything behind the people, or the vehicles, at this camera."""
    # Consecutive cameras have different kinds of places, so that even two cameras of one world differ in kind.
    turn = camera + Draws("places", domain.name, seed).below(3)
    air = sum(domain.air) / 2
    if kind == "vehicles":
        stage, draws = vehicle_scenes.STAGE, Draws("road", domain.name, seed, camera)
        rows = vehicle_scenes.ROADS[turn % len(vehicle_scenes.ROADS)](draws, domain, air)
    else:
        stage, draws = people_scenes.STAGE, Draws("scene", domain.name, seed, camera)
        rows = people_scenes.PLACES[domain.places[turn % len(domain.places)]](draws, domain, air)
    canvas = blank(int((stage.top - stage.bottom) * stage.scale), int(stage.width * stage.scale))
    paint(canvas, rows, 0.0, stage.top, stage.scale, (0.3, 0.6, 0.74))
    canvas.flags.writeable = False
    return canvas


def window(stage: Stage, box: Box, size: tuple[int, int], zoom: float, foot: float, draws: Draws) -> Window:
    """A window somewhere along a scene.

    Args:
        stage: the size of the scene.
        box: the detector's.
        size: height and width of the picture in pixels.
        zoom: the farther the wall, the more of it a picture shows.
        foot: height of the wall's foot in the picture, meters.
        draws: of the shot.
    """
    height, width = size
    start = draws.uniform(0.0, stage.width - width / box.scale * zoom)
    highest = stage.top - 0.05
    upper = min(highest, max(stage.bottom + height / box.scale * zoom + 0.05, (box.top - foot) * zoom))
    return Window(start * stage.scale, (stage.top - upper) * stage.scale, stage.scale / box.scale * zoom)
