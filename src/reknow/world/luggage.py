"""Luggage: backpack, shoulder bag, handbag or suitcase, on the side of the body where it belongs."""

from __future__ import annotations

import math

from reknow.world.figure import Figure


def luggage(figure: Figure) -> None:
    """Add what the person carries."""
    kind = figure.words["bag"]
    if kind == "backpack":
        _backpack(figure)
    elif kind != "none":
        _beside(figure, kind)


def _backpack(figure: Figure) -> None:
    """A box on the back, and straps that show from the front."""
    cloth, neck, deep = figure.surface("bag"), figure.at.neck, figure.build.chest
    center = (0.0, 0.5 * (neck[1] + figure.at.pelvis[1]) + 0.08, neck[2] - deep - 0.10)
    half = figure.view.width(0.15, 0.10)
    figure.case(center, (half, 0.22), cloth, 0.16 if figure.view.cos < 0.2 else -0.05, min(0.07, half * 0.8))
    for side in (-1, 1):
        top = (side * 0.09, neck[1] - 0.02, neck[2] + deep * 0.5)
        low = (side * 0.12, neck[1] - 0.28, neck[2] + deep)
        if figure.view(low)[2] > 0.03:
            figure.limb(top, low, (0.018, 0.018), cloth, 0.14)


def _beside(figure: Figure, kind: str) -> None:
    """A bag at the hip, in the hand or on wheels."""
    cloth, view, build = figure.surface("bag"), figure.view, figure.build
    side = 1.0 if figure.words["bag_side"] == "left" else -1.0
    hand = figure.at.wrists[0 if side > 0 else 1]
    if kind == "shoulder bag":
        neck, rest = figure.at.neck, (side * (build.hip + 0.05), figure.at.pelvis[1] + 0.02, 0.02)
        over = 0.22 if view(rest)[2] > -0.05 else -0.02
        figure.case(rest, (view.width(0.07, 0.15), 0.12), cloth, over, 0.04)
        # The strap runs over the side of the trunk that we see.
        reach = math.copysign(build.chest, view.cos)
        start, end = (-side * 0.09, neck[1] - 0.01, reach * 0.6), (rest[0] * 0.85, rest[1] + 0.1, reach)
        figure.limb(start, end, (0.016, 0.016), cloth, 0.10)
    elif kind == "handbag":
        center = (hand[0] + side * 0.02, hand[1] - 0.21, hand[2])
        over = 0.20 if view(center)[2] > -0.05 else -0.03
        figure.case(center, (view.width(0.05, 0.13), 0.11), cloth, over, 0.03)
    else:
        center = (side * 0.34, 0.30, -0.28)
        figure.case(center, (view.width(0.17, 0.11), 0.27), cloth, 0.05 if view(center)[2] > 0 else -0.05, 0.03)
        figure.limb(hand, (side * 0.34, 0.56, -0.28), (0.012, 0.012), figure.surface("eye"), 0.0)
