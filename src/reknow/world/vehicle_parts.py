"""Vehicle parts: wheels, body, cabin, load, lamps and rack, drawn in the order in which they hide each other."""

from __future__ import annotations

import math

from reknow.world.pose import Pose
from reknow.world.shapes import Row
from reknow.world.vehicle_blocks import Board, Face
from reknow.world.vehicles import Chassis, Vehicle

Faces = dict[str, Face]


def vehicle_shapes(vehicle: Vehicle, pose: Pose, air: float, warmth: float) -> list[Row]:
    """The shapes of a vehicle.

    Args:
        vehicle: which.
        pose: viewpoint.
        air: temperature around, degrees Celsius.
        warmth: how hot the drive has left engine, brakes and exhaust, in [0, 1].
    """
    board = Board(vehicle, pose, air, warmth)
    chassis = vehicle.chassis
    near = 1.0 if board.view.sin < 0 else -1.0  # the visible side: left is at positive x
    _wheels(board, -near)
    long = vehicle.attributes["type"] in ("van", "bus")
    lower = _lower(board, chassis, nose=0.05 if long else 0.16)
    _wheels(board, near)
    upper = [lambda: _cabin(board, chassis)]
    if chassis.load is not None:
        upper.append(lambda: _load(board, chassis))
    # What is nearer comes last.
    for part in upper if not board.coming else upper[::-1]:
        part()
    _ends(board, lower)
    _rack(board, chassis)
    return board.rows


def _wheels(board: Board, side: float) -> None:
    """Both wheels of one side, in dark arches."""
    chassis, style = board.vehicle.chassis, board.vehicle.attributes["rim"]
    radius = chassis.wheel
    for axle in chassis.axles:
        center = (side * (chassis.width / 2 - 0.02), radius, axle * chassis.length)
        inner = (side * (chassis.width / 2 - 0.12), radius, axle * chassis.length)
        shown = side * -board.view.sin > 0
        if shown:
            board.disc((center[0], radius + 0.04, center[2]), radius * 1.13, "under")
        board.disc(inner, radius, "tire", thick=0.13)
        board.disc(center, radius, "tire", thick=0.02)
        if shown:
            board.disc(center, radius * 0.66, "rim")
            if style == "ring":
                board.disc(center, radius * 0.45, "tire")
            elif style == "spokes":
                for number in range(5):
                    turn = 2 * math.pi * number / 5 + axle
                    y, z = 0.42 * radius * math.sin(turn), 0.42 * radius * math.cos(turn)
                    board.disc((center[0], radius + y, center[2] + z), radius * 0.17, "tire")


def _lower(board: Board, chassis: Chassis, nose: float) -> Faces:
    """Sill and shoulder, with all that lies on flanks and hood; returns the shoulder's faces."""
    half, length, marks = chassis.width / 2, chassis.length, board.vehicle.marks
    waist = chassis.clearance + 0.4 * (chassis.belt - chassis.clearance)
    rear, front = -0.5 * length, 0.5 * length
    sill = {"front": "bumper", "rear": "bumper", "side": "sill", "top": "body"}
    low = (chassis.clearance, half * 0.96, rear * 0.97, front * 0.97)
    board.block(low, (waist, half, rear, front), sill)
    if chassis.load is not None and chassis.load[2] > chassis.height:  # a truck's frame lies bare behind the cab
        faces = board.block(
            (waist, half, 0.23 * length, front),
            (chassis.belt, half * 0.98, 0.23 * length, 0.5 * length),
            {"front": "body", "rear": "body", "side": "body", "top": "hood"},
        )
    else:
        faces = board.block(
            (waist, half, rear, front),
            (chassis.belt, half * 0.95, rear * 0.98, front * (1 - nose * 0.5)),
            {"front": "body", "rear": "body", "side": "body", "top": "hood"},
        )
    top = faces["top"]
    if chassis.cabin[3] < 0.4 and chassis.load is None:  # behind the cabin it is cool
        top.strip(0.0, 0.0, chassis.cabin[0] + 0.55, 1.0, "body")
    for mark in marks:
        sides = {"flank": ("left", "right"), "hood": ("top",), "tail": ("rear",)}.get(mark.face, (mark.face,))
        for side in sides:
            if side in faces:
                faces[side].patch(mark.corners, mark.paint)
    for side in ("left", "right"):
        _doors(board, faces[side], chassis)
    return faces


def _doors(board: Board, flank: Face, chassis: Chassis) -> None:
    """Gaps of the doors, handles and the cap of the tank."""
    long = board.vehicle.attributes["type"]
    gaps = {"bus": (0.2, 0.5, 0.8), "van": (0.4, 0.62), "truck": (0.1, 0.9), "coupe": (0.36, 0.66)}
    for along in gaps.get(long, (0.28, 0.5, 0.7)):
        flank.strip(along, 0.02, along + 0.006, 1.0, "seam")
        if long != "bus":
            flank.strip(along + 0.02, 0.72, along + 0.055, 0.8, "frame")
    flank.strip(0.1, 0.6, 0.13, 0.8, "seam")
    if board.vehicle.attributes["frame"] == "chrome":
        flank.strip(0.05, 0.95, 0.95, 1.02, "frame")


def _cabin(board: Board, chassis: Chassis) -> None:
    """What lies above the belt: windows between pillars, and the roof."""
    rear, rear_top, front_top, front = (share * chassis.length for share in chassis.cabin)
    half, kind = chassis.width / 2 * 0.95, board.vehicle.attributes["type"]
    low = (chassis.belt, half, rear, front)
    high = (chassis.height, half - chassis.inset, rear_top, front_top)
    faces = board.block(low, high, {"front": "body", "rear": "body", "side": "body", "top": "roof"})
    for end in ("front", "rear"):
        if end == "front" or kind != "truck":
            faces[end].strip(0.06, 0.12 if kind != "bus" else 0.3, 0.94, 0.88, "glass")
    for side in ("left", "right"):
        for left, right in _windows(board):
            faces[side].strip(left, 0.1 if kind != "bus" else 0.35, right, 0.86, "glass")
        if kind in ("van", "bus"):
            for mark in board.vehicle.marks:
                if mark.face == "load":
                    corners = [(0.05 + 0.5 * along, 0.02 + 0.3 * up) for along, up in mark.corners]
                    blind = board.vehicle.attributes["windows"] == "front"
                    faces[side].patch(
                        [(a, 0.02 + 2.6 * (u - 0.02)) for a, u in corners] if blind else corners, mark.paint
                    )
    if board.vehicle.attributes["roof"] != "same":
        for side in ("left", "right"):
            faces[side].strip(0.0, 0.88, 1.0, 1.0, "roof")


def _windows(board: Board) -> list[tuple[float, float]]:
    """Where the windows of a side begin and end, in shares of the cabin."""
    kind = board.vehicle.attributes["type"]
    if board.vehicle.attributes["windows"] == "front":
        return [(0.72, 0.95)]
    if kind == "bus":
        return [(0.03 + 0.137 * number, 0.15 + 0.137 * number) for number in range(7)]
    if kind in ("coupe", "pickup", "truck"):
        return [(0.12, 0.9)]
    if kind in ("wagon", "suv", "van"):
        return [(0.05, 0.3), (0.34, 0.6), (0.64, 0.94)]
    return [(0.08, 0.48), (0.53, 0.93)]


def _load(board: Board, chassis: Chassis) -> None:
    """The bed of a pickup or the box of a truck."""
    assert chassis.load is not None
    rear, front, top = chassis.load[0] * chassis.length, chassis.load[1] * chassis.length, chassis.load[2]
    half = chassis.width / 2 * (0.95 if top < chassis.height else 1.02)
    base = chassis.belt if top < chassis.height else chassis.belt * 0.8
    paint = "body" if top < chassis.height else "load"
    paints = {"front": paint, "rear": paint, "side": paint, "top": "under" if paint == "body" else "load"}
    faces = board.block((base, half, rear, front), (top, half, rear, front), paints)
    for mark in board.vehicle.marks:
        if mark.face == "load":
            for side in ("left", "right", "rear"):
                faces[side].patch(mark.corners, mark.paint)
    if paint == "load":
        faces["rear"].strip(0.49, 0.0, 0.51, 1.0, "seam")


def _ends(board: Board, faces: Faces) -> None:
    """Lamps, grille, plates and the exhaust."""
    words, front, rear = board.vehicle.attributes, faces["front"], faces["rear"]
    wide, tall = {"round": (0.13, 0.5), "wide": (0.24, 0.36), "tall": (0.1, 0.8)}[words["lamps"]]
    for left in (0.04, 0.96 - wide):
        if words["lamps"] == "round":
            middle = left + wide / 2
            corners = ((left, 0.5), (middle, 0.5 - tall / 2), (left + wide, 0.5), (middle, 0.5 + tall / 2))
            front.patch(corners, "lamp")
        front.strip(left, 0.62 - tall / 2, left + wide, 0.62 + tall / 2, "lamp")
    low, high = {"dark": (0.1, 0.7), "chrome": (0.15, 0.65), "slit": (0.55, 0.7), "none": (0.1, 0.2)}[words["grille"]]
    front.strip(0.3, low, 0.7, high, "grille")
    wide, low, high = {"wide": (0.24, 0.45, 0.8), "tall": (0.09, 0.1, 0.95), "bar": (0.5, 0.6, 0.75)}[
        words["rear_lamps"]
    ]
    rear.strip(0.02, low, 0.02 + wide, high, "rear lamp")
    rear.strip(0.98 - wide, low, 0.98, high, "rear lamp")
    for end in (front, rear):
        end.strip(0.36, -0.12, 0.64, 0.12, "plate")
        end.strip(0.4, -0.04, 0.6, 0.04, "seam")  # letters, too small to read
    if not board.coming:
        chassis = board.vehicle.chassis
        place = (board.vehicle.exhaust * chassis.width / 2, chassis.clearance + 0.02, -0.49 * chassis.length)
        board.disc(place, 0.06, "exhaust", thick=0.06)


def _rack(board: Board, chassis: Chassis) -> None:
    """What is mounted on the roof."""
    kind, length = board.vehicle.attributes["rack"], chassis.length
    rear, front = chassis.cabin[1] * length, chassis.cabin[2] * length
    half, top = chassis.width / 2 - chassis.inset, chassis.height
    paints = dict.fromkeys(("front", "rear", "side", "top"), "rack")
    if kind == "rails":
        for side in (-1.0, 1.0) if board.view.sin < 0 else (1.0, -1.0):
            x = side * half * 0.9
            board.polygon(
                [
                    board.projected((x, top + up, z))[:2]
                    for up, z in ((0.04, rear), (0.04, front), (0.09, front), (0.09, rear))
                ],
                (0.0, 0.5),
                "rack",
            )
    elif kind != "none":
        share, wide, tall = {
            "box": (0.7, 0.55, 0.3),
            "ladder": (1.0, 0.35, 0.08),
            "sign": (0.12, 0.4, 0.2),
            "deck": (0.95, 0.9, 0.13),
        }[kind]
        middle, reach = (rear + front) / 2, share * (front - rear) / 2
        ends = (half * wide, middle - reach, middle + reach)
        faces = board.block((top, *ends), (top + tall, *ends), paints)
        for side in ("left", "right"):
            if kind in ("ladder", "deck"):
                for number in range(6):
                    faces[side].strip(number / 6 + 0.03, 0.2, number / 6 + 0.1, 0.8, "seam")
