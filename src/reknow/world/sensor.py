"""Sensor: from a canvas of physical channels to the picture of one spectrum.

The order is that of a real camera: light, haze, lens blur, sampling, response curve, noise, compression, and last the
enlargement of the detector's box to the size of the crop.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float, UInt8

from reknow.compiled import compiled
from reknow.observation import Spectrum
from reknow.world.cameras import Camera
from reknow.world.conditions import dazzle, equalize
from reknow.world.raster import FRONT, HEAT, KEY, NIR, OCCLUDER, PERSON, scatter

# Quantization tables of the standard's annex K.1, luminance and chrominance.
_LUMA = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ],
    dtype=np.float32,
)
_CHROMA = np.full((8, 8), 99, np.float32)
_CHROMA[:4, :4] = [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]
_STEP = np.arange(8)
_COSINES = np.cos((2 * _STEP[None, :] + 1) * _STEP[:, None] * math.pi / 16)
_COSINES = (0.5 * _COSINES * np.where(_STEP == 0, math.sqrt(0.5), 1.0)[:, None]).astype(np.float32)


def develop(
    canvas: Float[np.ndarray, "height width 9"],
    camera: Camera,
    spectrum: Spectrum,
    *,
    drift: tuple[float, float, float],
    motion: float,
    seed: int,
) -> UInt8[np.ndarray, "height width 3"]:
    """The picture that a camera takes of a canvas.

    Args:
        canvas: from :func:`reknow.world.raster.paint`.
        camera: its optics, sensor and encoder.
        spectrum: which of its three sensors.
        drift: factors on red, green and blue for this shot.
        motion: horizontal blur of this shot, pixels of a picture 128 high.
        seed: of the noise of this shot.
    """
    height, width = canvas.shape[:2]
    unit = height / 128
    if spectrum == "rgb":
        gains = np.array(camera.gains) * drift * camera.exposure * camera.dusk
        light = _visible(canvas, gains, camera.ambient, camera.haze, camera.saturation)
        blur, resolution, curve = camera.defocus, camera.resolution, camera.gamma / 2.2
        noise = camera.noise * camera.grain
    elif spectrum == "nir":
        light = _infrared(canvas, camera.night, camera.ambient, camera.exposure * drift[1], camera.haze)
        if camera.glare:
            dazzle(light, camera.glare, seed & 0xFFFF)
        blur, resolution, noise, curve = camera.defocus * 1.2, camera.resolution, camera.noise * 1.3, camera.gamma / 2.0
    else:
        light = _thermal(canvas, camera.low, camera.span)
        if camera.crossover:
            equalize(light, camera.crossover, seed & 0xFFFF)
        # Thermal lenses and sensors are coarse: about half the resolution.
        blur, resolution, noise, curve = 1.1 + camera.defocus, min(0.55, camera.resolution), 0.018, 1.0
    # Sampling coarser than the canvas needs a lens that is at least that soft.
    _soften(light, math.hypot(blur * unit, 0.45 * (1 / resolution - 1) * unit), motion * unit)
    lines, columns = max(8, round(height * resolution)), max(8, round(width * resolution))
    taken = _resample(light, lines, columns)
    _respond(taken, curve, camera.contrast, noise, seed & 0x7FFFFFFF)
    compress(taken, max(5.0, camera.quality))
    picture = _resample(taken, height, width)
    return _bytes(picture)


@compiled(nogil=True, error_model="numpy")
def _visible(canvas, gains, ambient, haze, saturation):  # noqa: ANN001, ANN202
    height, width = canvas.shape[:2]
    light = np.empty((height, width, 3), np.float32)
    for i in range(height):
        for j in range(width):
            pixel = canvas[i, j]
            # What faces away from the camera gets less light from the sky: this rounds bodies under soft
            # light.
            lit = ambient * (0.45 + 0.6 * pixel[FRONT]) + (1.0 - ambient) * 1.5 * pixel[KEY]
            gray = 0.0
            for k in range(3):
                light[i, j, k] = pixel[k] * lit * gains[k]
                gray += light[i, j, k] / 3
            for k in range(3):
                value = gray + (light[i, j, k] - gray) * saturation
                light[i, j, k] = max(value, 0.0) * (1.0 - haze) + haze * 0.45 * gains[k]
    return light


@compiled(nogil=True, error_model="numpy")
def _infrared(canvas, night, ambient, exposure, haze):  # noqa: ANN001, ANN202
    height, width = canvas.shape[:2]
    light = np.empty((height, width, 1), np.float32)
    for i in range(height):
        for j in range(width):
            pixel = canvas[i, j]
            near = pixel[PERSON] + pixel[OCCLUDER]
            if night:
                # A lamp at the camera: what faces it is bright, what is far is dark, and the beam falls off to the rim.
                u, v = 2.0 * j / width - 1.0, 2.0 * i / height - 1.0
                lit = pixel[FRONT] * (0.35 + 0.75 * min(near, 1.0)) * (1.15 - 0.45 * (u * u + v * v))
            else:
                lit = (ambient + (1.0 - ambient) * 1.5 * pixel[KEY]) * exposure
            light[i, j, 0] = pixel[NIR] * max(lit, 0.0) * (1.0 - 0.5 * haze) + 0.1 * haze
    return light


@compiled(nogil=True, error_model="numpy")
def _thermal(canvas, low, span):  # noqa: ANN001, ANN202
    height, width = canvas.shape[:2]
    light = np.empty((height, width, 1), np.float32)
    for i in range(height):
        for j in range(width):
            pixel = canvas[i, j]
            # A surface at a slant emits a little less: emissivity falls toward the rim.
            slant = 0.93 + 0.07 * min(max(pixel[FRONT], 0.0), 1.0)
            light[i, j, 0] = min(max((pixel[HEAT] - low) / span, 0.0) * slant, 1.2)
    return light


@compiled(nogil=True, error_model="numpy")
def _soften(light, deviation, motion):  # noqa: ANN001, ANN202
    """Gaussian blur in both directions and a box blur along lines, in place."""
    height, width, channels = light.shape
    reach = math.ceil(2.2 * deviation + motion / 2)
    if reach == 0:
        return
    across, along = np.empty(2 * reach + 1, np.float32), np.empty(2 * reach + 1, np.float32)
    for k in range(-reach, reach + 1):
        gauss = math.exp(-0.5 * (k / max(deviation, 0.15)) ** 2)
        along[k + reach] = gauss
        smeared = 0.0
        for part in range(5):
            offset = k + motion * (part - 2) / 5
            smeared += math.exp(-0.5 * (offset / max(deviation, 0.3)) ** 2)
        across[k + reach] = smeared
    across /= across.sum()
    along /= along.sum()
    line = np.empty((max(height, width), channels), np.float32)
    for i in range(height):
        for j in range(width):
            for c in range(channels):
                total = np.float32(0.0)
                for k in range(-reach, reach + 1):
                    total += across[k + reach] * light[i, min(max(j + k, 0), width - 1), c]
                line[j, c] = total
        light[i] = line[:width]
    for j in range(width):
        for i in range(height):
            for c in range(channels):
                total = np.float32(0.0)
                for k in range(-reach, reach + 1):
                    total += along[k + reach] * light[min(max(i + k, 0), height - 1), j, c]
                line[i, c] = total
        light[:, j] = line[:height]


@compiled(nogil=True, error_model="numpy")
def _resample(light, lines, columns):  # noqa: ANN001, ANN202
    """Bilinear sampling to another size."""
    height, width, channels = light.shape
    if height == lines and width == columns:
        return light
    out = np.empty((lines, columns, channels), np.float32)
    for i in range(lines):
        y = min(max((i + 0.5) * height / lines - 0.5, 0.0), height - 1.0)
        i0 = min(int(y), height - 2)
        v = np.float32(y - i0)
        for j in range(columns):
            x = min(max((j + 0.5) * width / columns - 0.5, 0.0), width - 1.0)
            j0 = min(int(x), width - 2)
            u = np.float32(x - j0)
            for c in range(channels):
                upper = light[i0, j0, c] * (1 - u) + light[i0, j0 + 1, c] * u
                lower = light[i0 + 1, j0, c] * (1 - u) + light[i0 + 1, j0 + 1, c] * u
                out[i, j, c] = upper * (1 - v) + lower * v
    return out


@compiled(nogil=True, error_model="numpy")
def _respond(light, curve, contrast, noise, seed):  # noqa: ANN001, ANN202
    """Response curve, contrast and noise, to values from 0 to 255, in place."""
    height, width, channels = light.shape
    for i in range(height):
        for j in range(width):
            for c in range(channels):
                value = max(light[i, j, c], 0.0) ** curve
                value = 0.45 + (value - 0.45) * contrast
                # Three uniforms make a bell; dark pixels are noisier once the curve has lifted them.
                bell = scatter(i, j, seed + c) + scatter(i + 977, j, seed + c) + scatter(i, j + 991, seed + c) - 1.5
                value += 2.0 * bell * noise * (1.2 - 0.5 * min(max(value, 0.0), 1.0))
                light[i, j, c] = min(max(value, 0.0), 1.0) * 255.0


@compiled(nogil=True, error_model="numpy")
def _bytes(picture):  # noqa: ANN001, ANN202
    height, width, channels = picture.shape
    out = np.empty((height, width, 3), np.uint8)
    for i in range(height):
        for j in range(width):
            for c in range(3):
                value = picture[i, j, c if channels == 3 else 0]
                out[i, j, c] = np.uint8(min(max(value + 0.5, 0.0), 255.0))
    return out


@compiled(nogil=True, error_model="numpy")
def compress(picture, quality):  # noqa: ANN001, ANN201
    """Quantize 8 x 8 cosine coefficients as a JPEG encoder does.

    Args:
        picture: (height, width, 3 or 1) float32 from 0 to 255, changed in place.
        quality: 1 to 100, with the usual scale of the libjpeg tables.
    """
    height, width, channels = picture.shape
    scale = 50.0 / quality if quality < 50 else 2.0 - quality / 50.0
    if channels == 3:
        for i in range(height):
            for j in range(width):
                r, g, b = picture[i, j, 0], picture[i, j, 1], picture[i, j, 2]
                y = 0.299 * r + 0.587 * g + 0.114 * b
                picture[i, j, 0], picture[i, j, 1], picture[i, j, 2] = y, 0.564 * (b - y), 0.713 * (r - y)
    block, turned = np.empty((8, 8), np.float32), np.empty((8, 8), np.float32)
    for c in range(channels):
        table = _LUMA if c == 0 else _CHROMA
        for top in range(0, height, 8):
            for left in range(0, width, 8):
                for i in range(8):
                    for j in range(8):
                        block[i, j] = picture[min(top + i, height - 1), min(left + j, width - 1), c] - (
                            128.0 if c == 0 else 0.0
                        )
                _transform(block, turned, True)
                for i in range(8):
                    for j in range(8):
                        step = max(np.float32(1.0), np.float32(table[i, j] * scale))
                        block[i, j] = np.floor(block[i, j] / step + np.float32(0.5)) * step
                _transform(block, turned, False)
                for i in range(min(8, height - top)):
                    for j in range(min(8, width - left)):
                        picture[top + i, left + j, c] = block[i, j] + (128.0 if c == 0 else 0.0)
    if channels == 3:
        for i in range(height):
            for j in range(width):
                y, blue, red = picture[i, j, 0], picture[i, j, 1], picture[i, j, 2]
                r, b = y + red / 0.713, y + blue / 0.564
                picture[i, j, 0], picture[i, j, 1], picture[i, j, 2] = r, (y - 0.299 * r - 0.114 * b) / 0.587, b


@compiled(inline="always")
def _transform(block, turned, forward):  # noqa: ANN001, ANN202
    """The 8 x 8 cosine transform or its inverse, in place: C B C^T or C^T B C."""
    for i in range(8):
        for j in range(8):
            total = np.float32(0.0)
            for k in range(8):
                total += (_COSINES[i, k] if forward else _COSINES[k, i]) * block[k, j]
            turned[i, j] = total
    for i in range(8):
        for j in range(8):
            total = np.float32(0.0)
            for k in range(8):
                total += turned[i, k] * (_COSINES[j, k] if forward else _COSINES[k, j])
            block[i, j] = total
