"""Body: the shapes of a person in a pose: legs, trunk, arms, head, and the bag that the person carries.

The viewpoint decides which of them are visible: a face from the front, a backpack from behind.
"""

from __future__ import annotations

import math

from reknow.world.figure import Figure
from reknow.world.people import Person
from reknow.world.pose import Point, Pose
from reknow.world.shapes import PERSON_LAYER, Row

# Where a garment ends below the hips of a person with legs of 0.85 m, in meters.
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
    _head(figure)
    _luggage(figure)
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


def _head(figure: Figure) -> None:
    """Head, face, hair and hat, each where the viewpoint shows it."""
    size, (_, up, ahead) = figure.build.head, figure.at.head
    style, hat = figure.words["hair"], figure.words["hat"]
    hair = figure.surface("hair")
    wide = figure.view.width(size * 0.76, size * 0.88)
    bald = style == "bald"
    if hat == "hood":
        figure.blob((0.0, up + 0.015, ahead - 0.02), (wide * 1.3, size * 1.2), figure.surface("hat"), 0.18)
    elif not bald:
        volume = {"cropped": 1.02, "afro": 1.45}.get(style, 1.1)
        figure.blob((0.0, up + 0.012, ahead - 0.015), (wide * volume, size * (0.98 + 0.5 * (volume - 1))), hair, 0.18)
        if style in ("bob", "long"):
            drop = size * (0.7 if style == "bob" else 1.7)
            figure.limb(
                (0.0, up, ahead - 0.05),
                (0.0, up - drop, ahead - 0.08),
                (wide * 1.12, wide * (1.0 if style == "bob" else 0.85)),
                hair,
                0.28 if figure.view.cos < 0 else -0.03,
            )
    # The face is a disc on the front of the head: it moves aside and narrows as the head turns.
    turned = figure.view.cos
    bald = bald and hat != "hood"
    if turned > -0.55 or bald:
        show = min(1.0, 0.62 + 0.38 * turned) if not bald else 1.0
        forward = 0.0 if bald else 0.45 * size
        figure.blob(
            (0.0, up - 0.012, ahead + forward * 0.6),
            (wide * 0.9 * show, size * (0.88 if not bald else 1.0)),
            figure.surface("skin"),
            0.21,
        )
        if turned > -0.3:
            _face(figure, size, up, ahead)
    _crown(figure, size, up, ahead, wide)


def _face(figure: Figure, size: float, up: float, ahead: float) -> None:
    """Eyes, mouth, beard and glasses."""
    front = ahead + size * 0.72
    for side in (-1, 1):
        eye = (side * size * 0.32, up + size * 0.06, front)
        if figure.view(eye)[2] > figure.view((0.0, up, ahead))[2] - size * 0.12:
            figure.blob(eye, (size * 0.15, size * 0.10), figure.surface("eye"), 0.22)
    if figure.wears("beard"):
        figure.blob(
            (0.0, up - size * 0.62, ahead + size * 0.45),
            (figure.view.width(size * 0.5, size * 0.4), size * 0.34),
            figure.surface("beard"),
            0.225,
        )
    figure.blob((0.0, up - size * 0.48, front), (size * 0.2, size * 0.07), figure.surface("lips"), 0.23)
    if figure.wears("glasses"):
        glass = figure.surface("glasses")
        half = figure.view.width(size * 0.6, size * 0.2)
        figure.blob(
            (0.0, up + size * 0.08, front),
            (half, size * (0.17 if figure.words["glasses"] == "dark" else 0.06)),
            glass,
            0.24,
        )


def _crown(figure: Figure, size: float, up: float, ahead: float, wide: float) -> None:
    """What sits on top: fringe, bun, ponytail or hat."""
    style, hat, hair = figure.words["hair"], figure.words["hat"], figure.surface("hair")
    over = 0.27
    if hat == "none" and style not in ("bald", "afro"):
        figure.blob((0.0, up + size * 0.68, ahead + 0.01), (wide * 0.92, size * 0.40), hair, over)
    if style == "ponytail":
        root = (0.0, up + size * 0.3, ahead - size * 1.0)
        figure.limb(
            root,
            (0.0, up - size * 1.6, ahead - size * 1.25),
            (0.04, 0.025),
            hair,
            0.29 if figure.view.cos < 0 else -0.04,
        )
    if style == "bun" and hat == "none":
        figure.blob((0.0, up + size * 0.95, ahead - size * 0.45), (0.045, 0.042), hair, 0.2)
    if hat in ("beanie", "cap", "brim hat"):
        cloth = figure.surface("hat")
        figure.blob(
            (0.0, up + size * 0.62, ahead - 0.005),
            (wide * 1.1, size * (0.62 if hat == "beanie" else 0.5)),
            cloth,
            over,
        )
        if hat == "cap":
            figure.blob(
                (0.0, up + size * 0.42, ahead + size * 1.05),
                (figure.view.width(size * 0.62, size * 0.5), size * 0.13),
                cloth,
                over - 0.02,
            )
        if hat == "brim hat":
            figure.blob((0.0, up + size * 0.42, ahead), (wide * 1.75, size * 0.17), cloth, over + 0.01)


def _luggage(figure: Figure) -> None:
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
