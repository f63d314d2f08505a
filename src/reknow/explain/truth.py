"""Truth: what each pixel of a picture shows, and how hard the picture is, where that is known.

Only the synthetic world knows it. There every pixel is the object's or not: what a person carries is hers, what stands
before her, another pedestrian included, is not. A patch is on the object where at least half of its pixels are, and on
background otherwise. Each spectrum has its own mask, since spectra may be misregistered.

The masks are read here and nowhere in training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, UInt8
from scipy.ndimage import binary_erosion

from reknow.data.manifest import Manifest
from reknow.data.picture_files import WORLD_PREFIX
from reknow.explain.patches import covered
from reknow.observation import SPECTRA, Spectrum
from reknow.world import Rendering, render, rendering_of
from reknow.world.reference import parse_reference

ON_OBJECT = 0.5
"""Share of a patch's pixels from which on it is on the object."""


@dataclass(frozen=True)
class Truth:
    """What the pictures of P observations show.

    Attributes:
        object_share: per spectrum, (P, N) of every patch, the share of its pixels that show the object; zero where an
            observation lacks the spectrum.
        area: (P,) share of the picture that the object fills; the mean over the observation's spectra.
        clutter: (P,) mean gradient outside the object, in gray levels a pixel, of the color picture as it would be by
            day: what stands there, and not what a sensor makes of it. NaN where the object fills it.
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
    """Where a picture shows its person or vehicle, for a picture of the world; None where nobody knows.

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
        spectra: those that a network looks at.
        grid: (rows, columns) of its patches.
    """
    columns: dict[Spectrum, list[str | None]] = {name: sample.column(name) for name in SPECTRA if name in spectra}
    patches: dict[Spectrum, np.ndarray] = {name: np.zeros((len(sample), grid[0] * grid[1])) for name in columns}
    area, clutter = np.zeros(len(sample)), np.zeros(len(sample))
    for row in range(len(sample)):
        seen = _sights({name: column[row] for name, column in columns.items()})
        for name, sight in seen.items():
            patches[name][row] = covered(sight.person, grid)
        area[row] = np.mean([sight.person.mean() for sight in seen.values()])
        by_day = _by_day(next(reference for column in columns.values() if (reference := column[row]) is not None))
        clutter[row] = gradient(by_day.images["rgb"], ~by_day.person)
    return Truth(patches, area, clutter)


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


def _by_day(reference: str) -> Rendering:
    """The shot of a reference in color and good light."""
    shot = parse_reference(reference)
    return render(shot.domain, shot.seed, shot.identity, shot.camera, shot.shot, kind=shot.kind)


def _sights(references: Mapping[Spectrum, str | None]) -> dict[Spectrum, Rendering]:
    """Each spectrum's sight of one observation; where spectra are registered, one drawing tells of all of them."""
    drawn, seen = {}, {}
    for name, reference in references.items():
        if reference is None:
            continue
        named = parse_reference(reference)
        shot = named if named.conditions.misregistration else replace(named, spectrum=SPECTRA[0])
        if shot not in drawn:
            drawn[shot] = rendering_of(reference)
        seen[name] = drawn[shot]
    return seen
