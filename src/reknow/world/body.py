"""Body: a person in a pose becomes shapes, from the shoes up."""

from __future__ import annotations

from reknow.world.figure import Figure
from reknow.world.head import head
from reknow.world.luggage import luggage
from reknow.world.people import Person
from reknow.world.shapes import PERSON_LAYER, Row
from reknow.world.skeleton import Point, Pose

# Where a garment ends below the hips of somebody with legs of 0.85 m, in meters.
HEM = {"coat": -0.30, "parka": -0.16, "dress": -0.36, "blouse": -0.07, "sweater": -0.05, "hoodie": -0.05}


def body(person: Person, pose: Pose, *, layer: int = PERSON_LAYER, nearness: float = 0.0) -> list[Row]:
    """The shapes of a person.

    Args:
        person: who.
        pose: viewpoint and moment of the walk.
        layer: which mask the shapes fill.
        nearness: added to every depth.

    Returns:
        Rows for :func:`reknow.world.raster.paint`.
    """
    figure = Figure(person, pose, layer, nearness)
    _legs(figure)
    _trunk(figure)
    _neck(figure)
    _arms(figure)
    head(figure)
    luggage(figure)
    return figure.rows


def _fit(figure: Figure) -> float:
    """How much wider than the body the upper garment is."""
    return 1.12 if figure.words["upper"] in ("coat", "jacket", "parka") else 1.0


def _legs(figure: Figure) -> None:
    """Legs, what covers them, and shoes."""
    lower, limb = figure.words["lower"], figure.build.limb
    skin, cloth, shoe = figure.surface("skin"), figure.surface("lower"), figure.surface("shoe")
    wide = {"leggings": 0.0, "jeans": 0.006, "trousers": 0.014, "shorts": 0.018}.get(lower, 0.0)
    for side in (0, 1):
        hip, knee, ankle = figure.at.hips[side], figure.at.knees[side], figure.at.ankles[side]
        bare = lower in ("shorts", "skirt", "long skirt") or figure.words["upper"] == "dress"
        first = skin if bare else cloth
        figure.limb(hip, knee, (0.086 * limb + wide, 0.058 * limb + wide), first)
        figure.limb(knee, ankle, (0.056 * limb + wide, 0.038 * limb + wide), first, 0.002)
        if lower == "shorts" and figure.words["upper"] != "dress":
            figure.limb(hip, knee, (0.092 * limb + wide, 0.072 * limb + wide), cloth, 0.004, 0.85)
        _foot(figure, knee, ankle, shoe)
    if figure.words["upper"] != "dress" and lower in ("skirt", "long skirt"):
        _skirt(figure, 0.42 if lower == "skirt" else 0.78, cloth)


def _foot(figure: Figure, knee: Point, ankle: Point, shoe: Row) -> None:
    """A shoe, and the shaft of a boot."""
    toe = (ankle[0], ankle[1] - 0.035, ankle[2] + 0.13)
    heel = (ankle[0], ankle[1] - 0.025, ankle[2] - 0.03)
    figure.limb(heel, toe, (0.045, 0.034), shoe, 0.006)
    if figure.words["shoes"] == "boots":
        figure.limb(ankle, knee, (0.05, 0.062), shoe, 0.007, 0.45)


def _skirt(figure: Figure, share: float, surface: Row) -> None:
    """A cone of cloth from the hips down a share of the legs."""
    build, hips = figure.build, figure.at.pelvis[1]
    top = (0.0, hips + 0.08, 0.0)
    hip = figure.view.width(build.hip, build.chest * 1.05)
    flare = hip * (1.15 + 0.35 * share)
    widths = (flare, 0.6 * flare + 0.45 * hip, hip * 1.08, hip, hip * 0.88)
    figure.tube((0.0, hips * (1 - share), 0.0), top, widths, surface, figure.view(top)[2] + 0.13)


def _trunk(figure: Figure) -> None:
    """Hips, and the garment around the trunk with its skirt."""
    build, view, upper = figure.build, figure.view, figure.words["upper"]
    hip, waist = view.width(build.hip, build.chest), view.width(build.waist, build.chest * 0.92)
    chest = view.width(build.shoulder * 0.93, build.chest * 1.05)
    shoulder = view.width(build.shoulder, build.chest * 0.8)
    pelvis, neck = figure.at.pelvis, figure.at.neck
    top = (neck[0], neck[1] + 0.02, neck[2])
    depth = view(top)[2] * 0.5
    if upper != "dress":
        widths = (hip * 0.8, hip, hip, hip * 0.97, waist)
        low, high = (0.0, pelvis[1] - 0.10, 0.0), (0.0, pelvis[1] + 0.10, 0.0)
        figure.tube(low, high, widths, figure.surface("lower"), depth + 0.12)
    drop = HEM.get(upper, -0.03) * (build.legs / 0.85)
    length = max(neck[1] - pelvis[1] - drop, 0.1)
    # The hem flares more the lower it hangs.
    flare = hip * (1.02 + (0.9 if upper == "dress" else 0.35) * max(0.0, -drop - 0.06))
    # Five widths at equal steps: in a long garment the hips are the second of them, in a short one the waist is.
    short = (neck[1] - pelvis[1]) / length > 0.85
    second, third = (waist * 1.02, chest * 0.97) if short else (hip, 0.5 * (waist + chest))
    fit = _fit(figure)
    widths = (flare * fit, second * fit, third * fit, shoulder * 1.02 * fit, shoulder * 0.42)
    figure.tube((0.0, pelvis[1] + drop, 0.0), top, widths, figure.surface("upper"), depth + 0.15)


def _neck(figure: Figure) -> None:
    """Neck and scarf."""
    build, base, head = figure.build, figure.at.neck, figure.at.head
    throat = (head[0], head[1] - 0.6 * build.head, head[2] - 0.02)
    figure.limb((base[0], base[1] - 0.02, base[2]), throat, (0.052, 0.048), figure.surface("skin"), 0.155)
    if figure.wears("scarf"):
        scarf, around = figure.surface("scarf"), figure.view.width(0.085, 0.085)
        figure.blob((base[0], base[1] + 0.035, base[2] + 0.02), (around, 0.055), scarf, 0.19)
        tail = (0.05, base[1] - 0.26, base[2] + build.chest)
        figure.limb((0.04, base[1], base[2] + build.chest * 0.9), tail, (0.035, 0.04), scarf, 0.07)


def _arms(figure: Figure) -> None:
    """Arms, sleeves and hands."""
    limb, sleeve = figure.build.limb * (1.15 if _fit(figure) > 1 else 1.0), figure.words["sleeve"]
    skin, cloth = figure.surface("skin"), figure.surface("sleeve")
    hand = figure.surface("glove") if figure.wears("glove") else skin
    for side in (0, 1):
        shoulder, elbow, wrist = figure.at.shoulders[side], figure.at.elbows[side], figure.at.wrists[side]
        # An arm lies outside the trunk: nearer than it on the near side, farther on the far side.
        over = 0.17 if figure.view(shoulder)[2] > -0.05 else -0.02
        upper = skin if sleeve == "none" else cloth
        lower = cloth if sleeve == "long" else skin
        figure.limb(shoulder, elbow, (0.051 * limb, 0.042 * limb), upper if sleeve == "long" else skin, over)
        figure.limb(elbow, wrist, (0.042 * limb, 0.031 * limb), lower, over + 0.002)
        if sleeve == "short":
            figure.limb(shoulder, elbow, (0.058 * limb, 0.055 * limb), cloth, over + 0.004, 0.6)
        end = (wrist[0], wrist[1] - 0.06, wrist[2] + 0.015)
        figure.limb(wrist, end, (0.034, 0.030), hand, over + 0.003)
