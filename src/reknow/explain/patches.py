"""Patches: where in a picture they lie, and how much of each shows the object, where this is known.

Decision: the picture is cut into as many equal boxes as a trunk's grid has patches, and a patch is its box. For a stem
whose patches do not overlap this is exact. Overlapping patches reach some pixels beyond their box, and the receptive
field of a convolution or of attention is larger still, up to the whole picture.

What each pixel shows is known of the synthetic world only. There every pixel belongs to the object or to the
background. What a person carries belongs to the object; what stands before the person, another pedestrian included, is
background. A patch is on the object where at least half of its pixels are, and on background otherwise. Each spectrum
has its own mask, since spectra may be misregistered. The masks are read here and nowhere in training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from scipy.ndimage import binary_erosion

from reknow.data.manifest import Manifest
from reknow.data.picture_files import WORLD_PREFIX
from reknow.data.pictures import Box
from reknow.observation import SPECTRA, Spectrum
from reknow.world import Rendering, render, rendering_of
from reknow.world.reference import parse_reference

ON_OBJECT = 0.5
"""Share of a patch's pixels from which on it is on the object."""


def edges(patches: int, pixels: int) -> Int[np.ndarray, "edges"]:
    """Where the boxes along one side begin and end: (patches + 1,) pixels; box i is [edge i, edge i + 1).

    Example:
        >>> edges(3, 16)
        array([ 0,  5, 11, 16])
    """
    return np.round(np.linspace(0, pixels, patches + 1)).astype(np.int64)


def boxes(grid: tuple[int, int], size: tuple[int, int]) -> list[Box]:
    """The box of every patch, rows of the grid first, as tokens come.

    Args:
        grid: (rows, columns) of the patches.
        size: (height, width) of the picture that they are marked in, which may be an enlarged one.
    """
    tops, lefts = edges(grid[0], size[0]).tolist(), edges(grid[1], size[1]).tolist()
    return [
        (lefts[column], tops[row], lefts[column + 1], tops[row + 1])
        for row in range(grid[0])
        for column in range(grid[1])
    ]


def covered(mask: Bool[np.ndarray, "height width"], grid: tuple[int, int]) -> Float[np.ndarray, "patches"]:
    """Of every patch, the share of its pixels that a mask covers: (N,) in [0, 1].

    Example:
        >>> covered(np.array([[True, True, False, False], [True, False, False, False]]), grid=(1, 2))
        array([0.75, 0.  ])
    """
    return np.array([mask[top:bottom, left:right].mean() for left, top, right, bottom in boxes(grid, mask.shape)])


# --- Where the truth is known -----------------------------------------------------------------------------------------


Mask = Bool[np.ndarray, "_ _"]
"""Where a picture shows its object: (H, W)."""


@dataclass(frozen=True)
class ObjectMasks:
    """Where P observations show their object.

    Attributes:
        visible: per spectrum, of every observation the pixels in which the object is visible; None where it lacks the
            spectrum.
        occluded: (P,) whether something stands before the object.
    """

    visible: Mapping[Spectrum, tuple[Mask | None, ...]]
    occluded: Bool[np.ndarray, "pictures"]

    def object_share(self, grid: tuple[int, int]) -> dict[Spectrum, np.ndarray]:
        """Per spectrum, (P, N) of every patch of a grid, the share of its pixels that show the object; zero where an
        observation lacks the spectrum."""
        nothing = np.zeros(grid[0] * grid[1])
        return {
            name: np.stack([nothing if mask is None else covered(mask, grid) for mask in masks])
            for name, masks in self.visible.items()
        }

    def select(self, rows: Int[np.ndarray, "rows"]) -> ObjectMasks:
        """Those of some of the observations."""
        visible: dict[Spectrum, tuple[Mask | None, ...]] = {
            name: tuple(masks[row] for row in rows) for name, masks in self.visible.items()
        }
        return ObjectMasks(visible, self.occluded[rows])


@dataclass(frozen=True)
class Truth:
    """What the pictures of P observations show.

    Attributes:
        object_share: per spectrum, (P, N) of every patch, the share of its pixels that show the object; zero where an
            observation lacks the spectrum.
        area: (P,) share of the picture that the object fills; the mean over the observation's spectra.
        clutter: (P,) mean gradient outside the object, in gray levels a pixel, of the color picture as it would be by
            day, so that it does not depend on the sensor. NaN where the object fills the picture.
    """

    object_share: Mapping[Spectrum, Float[np.ndarray, "pictures patches"]]
    area: Float[np.ndarray, "pictures"]
    clutter: Float[np.ndarray, "pictures"]

    def groups(self) -> dict[str, Bool[np.ndarray, "pictures"]]:
        """Halves of the observations: small and large objects, low and high clutter; each parts at its median."""
        halves = {}
        for values, (lower, upper) in (
            (self.area, ("small", "large")),
            (self.clutter, ("low_clutter", "high_clutter")),
        ):
            known = ~np.isnan(values)
            middle = np.median(values[known]) if known.any() else 0.0
            halves |= {lower: known & (values <= middle), upper: known & (values > middle)}
        return halves


def person_mask(reference: str) -> Bool[np.ndarray, "height width"] | None:
    """Where a picture shows its person or vehicle, for a picture of the world; None for any other.

    Example:
        >>> person_mask("crops/a.jpg") is None, person_mask("world:people/target/0/0/0/0/rgb").shape
        (True, (128, 64))
    """
    return rendering_of(reference).person if reference.startswith(WORLD_PREFIX) else None


def is_known(sample: Manifest, spectra: Sequence[Spectrum]) -> bool:
    """Whether all pictures that observations have in these spectra are whole pictures of the world."""
    references = [reference for name in spectra for reference in sample.column(name) if reference is not None]
    return not sample.has("crop") and all(reference.startswith(WORLD_PREFIX) for reference in references)


def truth_of(sample: Manifest, spectra: Sequence[Spectrum], grid: tuple[int, int]) -> Truth:
    """The truth about observations of the world.

    Args:
        sample: the observations, each with one of the spectra at least.
        spectra: the network's inputs.
        grid: (rows, columns) of its patches.
    """
    masks = object_masks(sample, spectra)
    columns = _references(sample, spectra)
    area, clutter = np.zeros(len(sample)), np.zeros(len(sample))
    for row in range(len(sample)):
        area[row] = np.mean([mask.mean() for of_all in masks.visible.values() if (mask := of_all[row]) is not None])
        by_day = _by_day(next(reference for column in columns.values() if (reference := column[row]) is not None))
        clutter[row] = gradient(by_day.images["rgb"], ~by_day.person)
    return Truth(masks.object_share(grid), area, clutter)


def object_masks(sample: Manifest, spectra: Sequence[Spectrum]) -> ObjectMasks:
    """Where observations of the world show their object; each has one of the spectra at least."""
    columns = _references(sample, spectra)
    visible: dict[Spectrum, list[Mask | None]] = {name: [] for name in columns}
    occluded = np.zeros(len(sample), dtype=bool)
    for row in range(len(sample)):
        sights = _sights({name: column[row] for name, column in columns.items()})
        for name, masks in visible.items():
            masks.append(sights[name].person if name in sights else None)
        occluded[row] = any(sight.attributes["occlusion"] != "none" for sight in sights.values())
    return ObjectMasks({name: tuple(masks) for name, masks in visible.items()}, occluded)


def gradient(picture: UInt8[np.ndarray, "height width 3"], inside: Bool[np.ndarray, "height width"]) -> float:
    """The mean length of a gray picture's gradient in an area, in gray levels a pixel; NaN of an empty area.

    Pixels at the area's edge are left out: their gradient is that of the edge.

    Example:
        >>> ramp = np.repeat(np.arange(0, 80, 10, dtype=np.uint8)[None, :, None], 4, axis=0).repeat(3, axis=2)
        >>> gradient(ramp, np.ones((4, 8), dtype=bool))
        10.0
    """
    down, right = np.gradient(picture.astype(np.float64).mean(axis=2))
    inner = binary_erosion(inside, border_value=1)
    lengths = np.hypot(down, right)[inner]
    return float(lengths.mean()) if len(lengths) else float("nan")


def _references(sample: Manifest, spectra: Sequence[Spectrum]) -> dict[Spectrum, list[str | None]]:
    return {name: sample.column(name) for name in SPECTRA if name in spectra}


def _by_day(reference: str) -> Rendering:
    """The shot of a reference in color and good light."""
    shot = parse_reference(reference)
    return render(shot.domain, shot.seed, shot.identity, shot.camera, shot.shot, kind=shot.kind)


def _sights(references: Mapping[Spectrum, str | None]) -> dict[Spectrum, Rendering]:
    """Each spectrum's sight of one observation; where spectra are registered, all share one rendering."""
    drawn, sights = {}, {}
    for name, reference in references.items():
        if reference is None:
            continue
        named = parse_reference(reference)
        shot = named if named.conditions.misregistration else replace(named, spectrum=SPECTRA[0])
        if shot not in drawn:
            drawn[shot] = rendering_of(reference)
        sights[name] = drawn[shot]
    return sights
