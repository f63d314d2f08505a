"""Panels: the picture of one observation, with what was selected in it: paleness, outlines, marks.

Of a network that goes on with the first set alone, the further sets are shown one by one, as reasons for the first,
then what is kept and what is dropped. Otherwise all sets share one picture, before training and after it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, UInt8
from PIL import Image, ImageDraw, ImageFont

from reknow.explain.colors import BLANK, HATCHING, INK, MUTED
from reknow.explain.drawing import CHECK, CROSS, DISC, ZIGZAG, Mark, Pen, numbered
from reknow.explain.explanation import Explanation
from reknow.explain.patches import ON_OBJECT, boxes, edges
from reknow.methods.selected import PatchSet, SelectedPatches
from reknow.observation import Spectrum

Panel = UInt8[np.ndarray, "_ _ 3"]

Lines = dict[str, dict[str, Panel]]
"""The panels of one observation: a line for each spectrum, named where there are several, and in each the panels by
title. Every line has the same titles, every panel the same size."""

MOMENTS = {"before": "before training", "after": "after training"}
"""Of which network a panel is, and its title."""

WIDE, NARROW = 320, 224
"""Pixels of a panel's longer side: a patch of a 16 x 8 grid gets 20; where sets stand beside each other, seven fit."""

PALENESS = 0.72
"""How much white lies over the palest patch; its picture still shows."""


def panels_of(explanation: Explanation, row: int) -> Lines:
    """The picture of one observation, and what was selected in it."""
    spectra = explanation.after.spectra
    return {name if len(spectra) > 1 else "": _line(explanation, name, row) for name in spectra}


def legend_of(explanation: Explanation) -> tuple[tuple[Mark, str], ...]:
    """The marks, and what they mean."""
    selected = explanation.after
    return tuple((mark, f"{selected[name].meaning}, {mark.form}") for name, mark in marks_of(selected).items())


def marks_of(selected: SelectedPatches) -> dict[str, Mark]:
    """The mark of each set by its name, in order.

    Sets that ought to lie on the object have a check mark, a disc and a zigzag in turn; one that ought to lie on
    background a cross; all beyond these their number. The first set of a method that drops the rest has no mark: it is
    what is left of the picture.
    """
    free = {"object": [DISC, ZIGZAG] if selected.drops else [CHECK, DISC, ZIGZAG], "background": [CROSS]}
    marks = {}
    for number, patch_set in enumerate(selected.sets):
        if number or not selected.drops:
            left = free[patch_set.expected]
            marks[patch_set.name] = left.pop(0) if left else numbered(number + 1)
    return marks


def _line(explanation: Explanation, spectrum: Spectrum, row: int) -> dict[str, Panel]:
    """The panels of one observation in one spectrum, by title."""
    selected = explanation.after
    plain = enlarged(explanation.pictures[spectrum][row], NARROW if selected.drops else WIDE)
    picture = plain
    if explanation.object_share is not None:
        picture = outlined(plain, explanation.object_share[spectrum][row] >= ON_OBJECT, selected.grid)
    drawn = {"picture": picture, **(_apart if selected.drops else _together)(explanation, plain, spectrum, row)}
    if not explanation.present[spectrum][row]:
        blank = [empty(plain.size, f"no {spectrum}"), *[empty(plain.size)] * (len(drawn) - 1)]
        drawn = dict(zip(drawn, blank, strict=True))
    return {title: np.asarray(panel) for title, panel in drawn.items()}


def _together(explanation: Explanation, plain: Image.Image, spectrum: Spectrum, row: int) -> dict[str, Image.Image]:
    """All sets in one picture for each network; the first lies on top."""
    panels = {}
    for moment, selected in explanation.selected.items():
        pen = Pen(_paled_by_scores(plain, selected, spectrum, row))
        for name, mark in reversed(marks_of(selected).items()):
            _draw(pen, selected[name].patches[spectrum][row], mark, selected.grid, plain)
        panels[MOMENTS[moment]] = pen.picture()
    return panels


def _apart(explanation: Explanation, plain: Image.Image, spectrum: Spectrum, row: int) -> dict[str, Image.Image]:
    """The scores, each reason, what is kept and what is dropped, and what was kept before."""
    after = explanation.after
    (first, *reasons), marks, grid = after.sets, marks_of(after), after.grid
    panels = {} if after.scores is None else {after.scores.name: _paled_by_scores(plain, after, spectrum, row)}
    for reason in reasons:
        marked = [(reason, marks[reason.name])]
        panels[reason.name] = _alone(plain, reason.patches[spectrum][row], marked, grid, spectrum, row)

    def kept(selected: SelectedPatches) -> Image.Image:
        marked = [(selected[name], mark) for name, mark in marks.items()]
        return _alone(plain, selected.sets[0].patches[spectrum][row], marked, grid, spectrum, row)

    panels |= {first.name: kept(after), "dropped": blanked(plain, first.patches[spectrum][row], grid)}
    if "before" in explanation.selected:
        panels[f"{first.name} before"] = kept(explanation.selected["before"])
    return panels


def _paled_by_scores(plain: Image.Image, selected: SelectedPatches, spectrum: Spectrum, row: int) -> Image.Image:
    if selected.scores is None:
        return plain
    return paled(plain, paleness(selected.scores.values[spectrum][row]), selected.grid)


def _alone(
    plain: Image.Image,
    shown: Bool[np.ndarray, "patches"],
    marked: Sequence[tuple[PatchSet, Mark]],
    grid: tuple[int, int],
    spectrum: Spectrum,
    row: int,
) -> Image.Image:
    """A picture that is pale but for some patches, which are outlined, with the marks of the sets that they are in."""
    pen = Pen(outlined(paled(plain, PALENESS * ~shown, grid), shown, grid))
    for patch_set, mark in marked:
        _draw(pen, patch_set.patches[spectrum][row] & shown, mark, grid, plain)
    return pen.picture()


def _draw(
    pen: Pen, patches: Bool[np.ndarray, "patches"], mark: Mark, grid: tuple[int, int], plain: Image.Image
) -> None:
    places = boxes(grid, (plain.height, plain.width))
    for patch in np.flatnonzero(patches):
        mark.draw(pen, places[patch])


# --- What is drawn over the patches of one picture --------------------------------------------------------------------


def enlarged(picture: UInt8[np.ndarray, "height width 3"], longest: int) -> Image.Image:
    """A picture whose longer side has so many pixels."""
    height, width = picture.shape[:2]
    scale = longest / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC)


def paleness(values: Float[np.ndarray, "patches"]) -> Float[np.ndarray, "patches"]:
    """How much white each patch gets: none for the largest value, :data:`PALENESS` for the smallest.

    Example:
        >>> paleness(np.array([1.0, 0.5, 0.0]))
        array([0.  , 0.36, 0.72])
    """
    return PALENESS * (1 - (values - values.min()) / (float(np.ptp(values)) or 1.0))


def paled(picture: Image.Image, white: Float[np.ndarray, "patches"], grid: tuple[int, int]) -> Image.Image:
    """White over each patch.

    Args:
        picture: as large as the panel shall be.
        white: (N,) 0 leaves a patch alone, 1 covers it.
        grid: (rows, columns) of the patches.
    """
    pixels = np.asarray(picture).astype(np.float32)
    for share, (left, top, right, bottom) in zip(white, boxes(grid, pixels.shape[:2]), strict=True):
        pixels[top:bottom, left:right] += float(share) * (255 - pixels[top:bottom, left:right])
    return Image.fromarray(pixels.round().astype(np.uint8))


def outlined(picture: Image.Image, inside: Bool[np.ndarray, "patches"], grid: tuple[int, int]) -> Image.Image:
    """A picture with a line around some of its patches."""
    across = [float(edge) for edge in edges(grid[1], picture.width)]
    down = [float(edge) for edge in edges(grid[0], picture.height)]
    area = np.pad(inside.reshape(grid), 1)
    upright = np.argwhere(area[1:-1, :-1] != area[1:-1, 1:])  # (row, edge between columns)
    level = np.argwhere(area[:-1, 1:-1] != area[1:, 1:-1])  # (edge between rows, column)
    lines = [((across[edge], down[row]), (across[edge], down[row + 1])) for row, edge in upright]
    lines += [((across[column], down[edge]), (across[column + 1], down[edge])) for edge, column in level]
    pen = Pen(picture)
    for color, width in (("white", 4), (INK, 2)):
        for start, end in lines:
            pen.line([start, end], color, width)
    return pen.picture()


def blanked(picture: Image.Image, hidden: Bool[np.ndarray, "patches"], grid: tuple[int, int]) -> Image.Image:
    """A picture with some of its patches taken out: strokes on gray, as no picture has them."""
    pen, height = Pen(Image.new("RGB", picture.size, BLANK)), float(picture.height)
    for start in range(-picture.height, picture.width, 9):
        pen.line([(float(start), height), (start + height, 0.0)], HATCHING, 1)
    strokes, pixels = np.asarray(pen.picture()), np.array(picture)
    for patch in np.flatnonzero(hidden):
        left, top, right, bottom = boxes(grid, pixels.shape[:2])[patch]
        pixels[top:bottom, left:right] = strokes[top:bottom, left:right]
    return Image.fromarray(pixels)


def empty(size: tuple[int, int], text: str = "") -> Image.Image:
    """A panel without a picture, (width, height), which may say why."""
    panel = Image.new("RGB", size, BLANK)
    font = ImageFont.load_default(14)
    ImageDraw.Draw(panel).text((size[0] / 2, size[1] / 2), text, fill=MUTED, font=font, anchor="mm")
    return panel
