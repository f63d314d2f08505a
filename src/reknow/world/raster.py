"""The raster kernel: shapes in meters become a canvas of physical channels.

Shapes are painted from far to near, each only inside its bounding box, with the covered share of every pixel computed
from the signed distance to the outline. So edges are smooth without supersampling, which would cost four times the
pixels. The canvas holds reflectances, temperature and light, not a picture: `sensor.py` makes the picture of one
spectrum from it.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float

from reknow.compiled import compiled
from reknow.world.shapes import (
    BAND,
    BLOCK,
    BOX,
    CAMOUFLAGE,
    CAPSULE,
    CHECKS,
    ELLIPSE,
    FACE,
    LOGO,
    OCCLUDER_LAYER,
    OPENING,
    PANELS,
    PERSON_LAYER,
    PINSTRIPES,
    PLAIN,
    PRINT,
    PROFILE,
    QUILTED,
    STRIPES,
    Row,
)

# Channels of a canvas: red, green and blue reflectance, then these.
NIR, HEAT, KEY, FRONT, PERSON, OCCLUDER = 3, 4, 5, 6, 7, 8
CHANNELS = 9


def blank(height: int, width: int) -> Float[np.ndarray, "height width 9"]:
    """An empty canvas."""
    return np.zeros((height, width, CHANNELS), np.float32)


def paint(
    canvas: Float[np.ndarray, "height width 9"],
    rows: list[Row],
    left: float,
    top: float,
    scale: float,
    light: tuple[float, float, float],
) -> None:
    """Paint shapes on a canvas, far ones first.

    Args:
        canvas: changed in place.
        rows: shapes, in any order.
        left: x of the canvas's left edge, meters.
        top: y of its upper edge, meters (y points up).
        scale: pixels per meter.
        light: unit vector to the key light (right, up, toward the camera).
    """
    if rows:
        _paint(canvas, np.array(sorted(rows, key=_depth), dtype=np.float64), left, top, scale, *light)


def _depth(row: Row) -> float:
    return row[2]


@compiled(inline="always")
def scatter(x: int, y: int, seed: int) -> float:
    """A hash of a grid point as a number in [0, 1)."""
    value = (
        np.uint32(x) * np.uint32(374761393)
        + np.uint32(y) * np.uint32(668265263)
        + np.uint32(seed) * np.uint32(2246822519)
    )
    value = (value ^ (value >> np.uint32(15))) * np.uint32(2246822519)
    value = (value ^ (value >> np.uint32(13))) * np.uint32(3266489917)
    value = value ^ (value >> np.uint32(16))
    return np.float64(value & np.uint32(0xFFFFFF)) / 16777216.0


@compiled()
def grain(x: float, y: float, seed: int) -> float:
    """Smooth noise of unit grid width, in [0, 1)."""
    column, line = math.floor(x), math.floor(y)
    u, v = x - column, y - line
    u, v = u * u * (3 - 2 * u), v * v * (3 - 2 * v)
    i, j = int(column), int(line)
    upper = scatter(i, j, seed) * (1 - u) + scatter(i + 1, j, seed) * u
    lower = scatter(i, j + 1, seed) * (1 - u) + scatter(i + 1, j + 1, seed) * u
    return upper * (1 - v) + lower * v


@compiled()
def _wave(position: float, duty: float) -> float:
    """Signed distance to the marks of a pattern of period 1: positive inside."""
    offset = abs(position - math.floor(position) - 0.5)
    return duty / 2 - offset


@compiled()
def _mark(pattern: int, angle: float, length: float, a: float, b: float, c: float, seed: int) -> float:
    """How deep inside the marks of a pattern a point lies, in meters; negative outside."""
    if pattern == STRIPES:  # period, duty
        return _wave(length / a, b) * a
    if pattern == PINSTRIPES:  # period, duty
        return _wave(angle * 0.17 / a, b) * a
    if pattern == CHECKS:  # period, duty
        across, along = _wave(angle * 0.17 / a, b), _wave(length / a, b)
        return max(across, along) * a
    if pattern == LOGO:  # height of its center, size, outline (0 disc, 1 bar, 2 square, 3 diamond, 4 ring)
        x, y = angle * 0.17, length - a
        if c == 0:
            return b - math.hypot(x, y)
        if c == 1:
            return min(1.6 * b - abs(x), 0.45 * b - abs(y))
        if c == 2:
            return min(b - abs(x), b - abs(y))
        if c == 3:
            return 1.2 * b - abs(x) - abs(y)
        return 0.35 * b - abs(math.hypot(x, y) - b)
    if pattern == BLOCK:  # height of the border; the marks lie above
        return length - a
    if pattern == PANELS:  # half angle of the front and back; the marks lie at the sides
        return (min(abs(angle), math.pi - abs(angle)) - a) * 0.17
    if pattern == OPENING:  # half angle in front that lies open
        return (a - abs(angle)) * 0.17
    if pattern == BAND:  # height, half width
        return b - abs(length - a)
    if pattern == CAMOUFLAGE:  # size of the blotches, share
        return (grain(angle * 0.17 / a, length / a, seed) - 1 + b) * a
    if pattern == PRINT:  # height, half height, half angle; on the back
        return min(b - abs(length - a), (c - math.pi + abs(angle)) * 0.17)
    if pattern == QUILTED:  # period, duty; seams
        return _wave(length / a, b) * a
    return -1.0


@compiled(nogil=True, error_model="numpy")
def _paint(canvas, rows, left, top, scale, light_x, light_y, light_z):  # noqa: ANN001, ANN202
    height, width = canvas.shape[:2]
    pixel = 1.0 / scale
    for number in range(rows.shape[0]):
        p = rows[number]
        shape, layer = int(p[0]), int(p[1])
        x0, y0, x1, y1 = p[3], p[4], p[5], p[6]
        r0, r1 = p[7], p[8]
        yaw, soft, opacity = p[12], p[13], p[14]
        pattern, rough, flat, seed = int(p[25]), p[29], p[30], int(p[31])
        edge = max(pixel, soft)
        # The box in meters that the shape can touch.
        if shape == CAPSULE:
            reach = max(r0, r1) + edge
            low_x, high_x = min(x0, x1) - reach, max(x0, x1) + reach
            low_y, high_y = min(y0, y1) - reach, max(y0, y1) + reach
        elif shape == PROFILE:
            reach = max(max(max(r0, r1), max(p[9], p[10])), p[11]) + edge
            low_x, high_x = min(x0, x1) - reach, max(x0, x1) + reach
            low_y, high_y = min(y0, y1) - reach * 0.6, max(y0, y1) + reach * 0.6
        elif shape == FACE:
            low_x, high_x = min(min(x0, x1), min(r0, p[9])) - edge, max(max(x0, x1), max(r0, p[9])) + edge
            low_y, high_y = min(min(y0, y1), min(r1, p[10])) - edge, max(max(y0, y1), max(r1, p[10])) + edge
        else:
            reach_x = abs(x1) * r0 + abs(y1) * r1 + edge
            reach_y = abs(y1) * r0 + abs(x1) * r1 + edge
            low_x, high_x, low_y, high_y = x0 - reach_x, x0 + reach_x, y0 - reach_y, y0 + reach_y
        first_column = max(0, math.floor((low_x - left) * scale))
        last_column = min(width, math.ceil((high_x - left) * scale) + 1)
        first_line = max(0, math.floor((top - high_y) * scale))
        last_line = min(height, math.ceil((top - low_y) * scale) + 1)
        along_x, along_y = x1 - x0, y1 - y0
        length = max(math.hypot(along_x, along_y), 1e-6)
        along_x, along_y = along_x / length, along_y / length
        for line in range(first_line, last_line):
            y = top - (line + 0.5) * pixel
            for column in range(first_column, last_column):
                x = left + (column + 0.5) * pixel
                dx, dy = x - x0, y - y0
                if shape == CAPSULE:
                    h = min(max((dx * along_x + dy * along_y) / length, 0.0), 1.0)
                    radius = r0 + (r1 - r0) * h
                    off_x, off_y = dx - h * length * along_x, dy - h * length * along_y
                    distance = math.hypot(off_x, off_y) - radius
                    side = (dx * along_y - dy * along_x) / radius
                    if along_y < 0:
                        side = -side
                    normal_x, normal_y = off_x / radius, off_y / radius
                    tall = h * length
                elif shape == PROFILE:
                    tall = dx * along_x + dy * along_y
                    h = min(max(tall / length, 0.0), 0.9999) * 4
                    step = int(h)
                    share = h - step
                    share = share * share * (3 - 2 * share)
                    radius = max(p[7 + step] * (1 - share) + p[8 + step] * share, 1e-4)
                    across = dx * along_y - dy * along_x
                    distance = max(max(abs(across) - radius, -tall), tall - length)
                    side = across / radius
                    normal_x, normal_y = side * along_y, -side * along_x
                elif shape == FACE:
                    distance = -1e9
                    for corner in range(4):
                        a, b = p[3 + 2 * corner], p[4 + 2 * corner]
                        to_x, to_y = p[3 + 2 * ((corner + 1) % 4)] - a, p[4 + 2 * ((corner + 1) % 4)] - b
                        reach = max(math.hypot(to_x, to_y), 1e-9)
                        distance = max(distance, ((x - a) * to_y - (y - b) * to_x) / reach)
                    normal_x, normal_y, tall, side, radius = p[11], p[12], dy, dx, 1.0
                else:
                    u, v = dx * x1 + dy * y1, -dx * y1 + dy * x1
                    tall, side = v, u / r0
                    if shape == ELLIPSE:
                        q = math.hypot(u / r0, v / r1)
                        distance = (q - 1) * min(r0, r1)
                        local_x, local_y = u / r0, v / r1
                    else:
                        a, b = abs(u) - r0 + p[9], abs(v) - r1 + p[9]
                        distance = math.hypot(max(a, 0.0), max(b, 0.0)) + min(max(a, b), 0.0) - p[9]
                        local_x, local_y = 0.9 * (u / r0) ** 3, 0.9 * (v / r1) ** 3
                    normal_x, normal_y = local_x * x1 - local_y * y1, local_x * y1 + local_y * x1
                    radius = r0
                cover = 0.5 - distance / edge
                if cover <= 0.0:
                    continue
                cover = min(cover, 1.0) * opacity
                tilt = normal_x * normal_x + normal_y * normal_y
                if tilt > 1.0:
                    normal_x, normal_y, tilt = normal_x / math.sqrt(tilt), normal_y / math.sqrt(tilt), 1.0
                normal_z = math.sqrt(1.0 - tilt)
                angle = 0.0
                if pattern != PLAIN or rough > 0:
                    if shape == BOX:  # a plane: the kernel's patterns multiply angles by the radius of a trunk, 0.17 m
                        angle = side * r0 / 0.17
                    elif shape == FACE:  # also a plane, already in meters
                        angle = 4.0 * side
                    else:
                        angle = math.asin(min(max(side, -1.0), 1.0)) - yaw
                        if angle > math.pi:
                            angle -= 2 * math.pi
                        elif angle < -math.pi:
                            angle += 2 * math.pi
                mark = 0.0
                if pattern != PLAIN:
                    depth = _mark(pattern, angle, tall, p[26], p[27], p[28], seed)
                    mark = min(max(0.5 + depth * scale, 0.0), 1.0)
                fold = 0.0
                if rough > 0:
                    fold = rough * (
                        grain(angle * 2.2 + tall * 3, tall * 9, seed) + 0.5 * grain(x * 31, y * 31, seed) - 0.75
                    )
                key = max(0.0, (normal_x * light_x + normal_y * light_y + normal_z * light_z + 0.35) / 1.35)
                key = key + (0.8 - key) * flat + fold
                front = normal_z + (0.9 - normal_z) * flat + 0.6 * fold
                keep = 1.0 - cover
                out = canvas[line, column]
                for channel in range(KEY):
                    value = p[15 + channel] + (p[20 + channel] - p[15 + channel]) * mark
                    out[channel] = out[channel] * keep + value * cover
                out[KEY] = out[KEY] * keep + max(key, 0.0) * cover
                out[FRONT] = out[FRONT] * keep + max(front, 0.0) * cover
                out[PERSON] = out[PERSON] * keep + (cover if layer == PERSON_LAYER else 0.0)
                out[OCCLUDER] = out[OCCLUDER] * keep + (cover if layer == OCCLUDER_LAYER else 0.0)


@compiled(nogil=True, error_model="numpy")
def copy_window(scene, canvas, left, top, step):  # noqa: ANN001, ANN201
    """Fill a canvas with a window of a scene.

    Args:
        scene: (height, width, 9) canvas to copy from.
        canvas: (height, width, 9), changed in place.
        left: column of the scene at the canvas's left edge.
        top: line of the scene at its upper edge.
        step: lines of the scene per line of the canvas.
    """
    height, width, channels = canvas.shape
    for i in range(height):
        y = min(max(top + (i + 0.5) * step - 0.5, 0.0), scene.shape[0] - 1.001)
        i0 = int(y)
        v = np.float32(y - i0)
        for j in range(width):
            x = min(max(left + (j + 0.5) * step - 0.5, 0.0), scene.shape[1] - 1.001)
            j0 = int(x)
            u = np.float32(x - j0)
            for c in range(channels - 2):
                upper = scene[i0, j0, c] * (1 - u) + scene[i0, j0 + 1, c] * u
                lower = scene[i0 + 1, j0, c] * (1 - u) + scene[i0 + 1, j0 + 1, c] * u
                canvas[i, j, c] = upper * (1 - v) + lower * v
