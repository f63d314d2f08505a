"""Attention panels: the picture of one observation, and beside it what each network attends to in it.

A map is drawn from its own smallest to its own largest value, so that panels show where each network attends; the
printed percentage says how much of it lies on the object. The line is the edge of the true mask, pixel by pixel.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageColor, ImageDraw, ImageFont
from scipy.ndimage import binary_dilation, binary_erosion

from reknow.explain.attention_explanation import AttentionExplanation
from reknow.explain.colors import BLUE, INK
from reknow.explain.panels import WIDE, Lines, empty, enlarged
from reknow.explain.patches import Mask, covered
from reknow.observation import Spectrum

PALENESS, STRONGEST = 0.6, 0.9
"""How much white lies over the gray picture, and how much color over that where a map is largest; it still shows."""


def attention_panels(explanation: AttentionExplanation, row: int) -> Lines:
    """The picture of one observation, and the map of each network under its name."""
    spectra = explanation.spectra
    return {name if len(spectra) > 1 else "": _line(explanation, name, row) for name in spectra}


def _line(explanation: AttentionExplanation, spectrum: Spectrum, row: int) -> dict[str, np.ndarray]:
    plain = enlarged(explanation.pictures[spectrum][row], WIDE)
    mask = None if explanation.masks is None else explanation.masks.visible[spectrum][row]
    drawn = {"picture": plain if mask is None else edged(plain, mask)}
    for name, maps in explanation.networks.items():
        values = maps.values[spectrum][row]
        panel = heated(plain, values, maps.grid)
        if not values.any():
            panel = empty(plain.size, "no map")
        elif mask is not None:
            panel = labelled(edged(panel, mask), f"{100 * values @ covered(mask, maps.grid):.0f} %")
        drawn[name] = panel
    if not explanation.present[spectrum][row]:
        drawn = {title: empty(plain.size, "" if number else f"no {spectrum}") for number, title in enumerate(drawn)}
    return {title: np.asarray(panel) for title, panel in drawn.items()}


def heated(picture: Image.Image, values: Float[np.ndarray, "patches"], grid: tuple[int, int]) -> Image.Image:
    """A picture in pale gray, with blue over it: none where a map is smallest, the most where it is largest.

    Args:
        picture: as large as the panel shall be.
        values: (N,) of the patches; from the middle of one to that of the next the color changes smoothly.
        grid: (rows, columns) of the patches.
    """
    strength = STRONGEST * (values - values.min()) / (float(np.ptp(values)) or 1.0)
    covering = Image.fromarray(strength.reshape(grid).astype(np.float32))
    share = np.asarray(covering.resize(picture.size, Image.Resampling.BILINEAR))[..., None]
    gray = np.asarray(picture.convert("L"), dtype=np.float32)[..., None]
    ground, color = gray + PALENESS * (255 - gray), np.array(ImageColor.getrgb(BLUE), dtype=np.float32)
    return Image.fromarray((ground + share * (color - ground)).round().astype(np.uint8))


def edged(picture: Image.Image, mask: Mask) -> Image.Image:
    """A picture with a dark line along the inner edge of a mask, and a white one within and around it.

    Args:
        picture: of the panel's size.
        mask: of any size; it is stretched to the picture's.
    """
    pixels = np.array(picture)
    stretched = Image.fromarray(255 * mask.astype(np.uint8)).resize(picture.size, Image.Resampling.BICUBIC)
    inside: Mask = np.asarray(stretched) > 127
    edge = np.logical_and(inside, np.logical_not(binary_erosion(inside, border_value=1)))
    pixels[np.asarray(binary_dilation(edge), dtype=bool)] = 255
    pixels[edge] = ImageColor.getrgb(INK)
    return Image.fromarray(pixels)


def labelled(picture: Image.Image, text: str) -> Image.Image:
    """A picture with some letters on white in its lower left corner."""
    picture = picture.copy()
    drawing, font = ImageDraw.Draw(picture), ImageFont.load_default(14)
    left, top, right, bottom = drawing.textbbox((6, picture.height - 6), text, font=font, anchor="ls")
    drawing.rectangle((left - 4, top - 4, right + 4, bottom + 4), fill="white")
    drawing.text((6, picture.height - 6), text, fill=INK, font=font, anchor="ls")
    return picture
