"""Selection: which patches EDITOR keeps in each spectrum, why, and how well they cover the object.

A patch is kept because heads attend to it or because its pixels speak for it; with one mask for all spectra, also
because another spectrum asks for it. Panels show this from left to right: the picture, the rollout, what each of the
two asks for, what is kept, and what is dropped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, UInt8
from PIL import Image

from reknow.explain.coverage import coverage
from reknow.explain.drawing import Pen
from reknow.explain.explanation import Explanation
from reknow.explain.marks import Mark, attended, salient
from reknow.explain.panels import PALENESS, Panel, blanked, empty, enlarged, outlined, paled, paleness
from reknow.explain.patches import boxes
from reknow.explain.picks import Picks, joined, picks_of
from reknow.explain.sample import Looking
from reknow.explain.truth import ON_OBJECT, is_known, truth_of
from reknow.observation import Spectrum

PANEL = 224
"""Pixels of a panel's longer side: seven beside each other fill a screen."""


@dataclass(frozen=True, kw_only=True)
class KeptPatches(Explanation):
    """P observations of several spectra with the patches that were kept; mappings of arrays are by spectrum.

    Attributes:
        pictures: (P, H, W, 3) as the network sees them, before normalization; zero where an observation lacks one.
        present: (P,) which observations have the spectrum.
        object_share: (P, N) of every patch, the share of its pixels that show the object; None where nobody knows.
        picks: "before" and "after" training, or "after" alone.
    """

    pictures: Mapping[Spectrum, UInt8[np.ndarray, "pictures height width 3"]]
    present: Mapping[Spectrum, Bool[np.ndarray, "pictures"]]
    object_share: Mapping[Spectrum, Float[np.ndarray, "pictures patches"]] | None
    picks: Mapping[str, Picks]

    @property
    def counts(self) -> dict[str, Any]:
        """Patches are means over the pictures that are there."""
        picks, there = self.picks["after"], sum(int(rows.sum()) for rows in self.present.values())

        def a_picture(chosen: Mapping[Spectrum, np.ndarray]) -> float:
            return sum(int(patches.sum()) for patches in chosen.values()) / there

        return {
            "observations": len(self.names),
            "spectra": list(self.present),
            "grid": list(picks.grid),
            "patches": picks.grid[0] * picks.grid[1],
            "spatial": a_picture(picks.spatial),
            "frequency": a_picture(picks.frequency),
            "kept": a_picture(picks.kept),
        }

    @property
    def summary(self) -> str:
        """How many patches are kept, and for which reason."""
        counts = self.counts
        return (
            f"{counts['observations']:,} observations in {', '.join(counts['spectra'])}: of the {counts['patches']} "
            f"patches of each picture {counts['kept']:.1f} are kept, {counts['spatial']:.1f} picked by attention and "
            f"{counts['frequency']:.1f} by frequency"
        )

    @property
    def about(self) -> str:
        """What the columns show."""
        outline = " The outline in the picture holds the patches on the object: those of which it fills at least half."
        return (
            "Which patches of each spectrum the method kept, and why. Rollout: what the token of the whole picture "
            "attends to through all blocks; the paler a patch, the less. Spatial: patches that a head of this spectrum "
            "asks for. Frequency: patches that the pixels ask for. A kept patch without a mark is one that another "
            "spectrum asks for, or that nobody does." + (outline if self.shares else "")
        )

    @property
    def basis(self) -> str:
        """What is counted."""
        return (
            f"Means over {len(self.names):,} observations with 95 % intervals over observations. Precision: the share "
            "of these patches that lie on the object; by chance, that of all patches. Recall: the share of the "
            "object's patches that are among them; by chance, the share of all patches that are. Objects are small, "
            "and clutter is low, up to the median of the observations. What stands before the object is background."
        )

    @property
    def legend(self) -> tuple[tuple[Mark, str], ...]:
        """One mark for each reason."""
        return ((attended, "picked by attention, disc"), (salient, "picked by frequency, zigzag"))

    def panels(self, row: int) -> dict[str, dict[str, Panel]]:
        """A line for each spectrum."""
        return {name: self._line(name, row) for name in self.present}

    def _line(self, spectrum: Spectrum, row: int) -> dict[str, Panel]:
        plain = enlarged(self.pictures[spectrum][row], PANEL)
        picks, earlier = self.picks["after"], self.picks.get("before")
        titles = ["picture", "rollout", "spatial", "frequency", "kept", "dropped"]
        titles += ["kept before"] if earlier else []
        if not self.present[spectrum][row]:
            panels = [empty(plain.size, f"no {spectrum}"), *[empty(plain.size)] * (len(titles) - 1)]
        else:
            spatial, frequency = picks.spatial[spectrum][row], picks.frequency[spectrum][row]
            panels = [
                self._outlined(plain, spectrum, row),
                paled(plain, paleness(picks.rollout[spectrum][row]), picks.grid),
                _marked(plain, spatial, picks.grid, [(spatial, attended)]),
                _marked(plain, frequency, picks.grid, [(frequency, salient)]),
                _kept(plain, picks, spectrum, row),
                blanked(plain, picks.kept[spectrum][row], picks.grid),
                *([_kept(plain, earlier, spectrum, row)] if earlier else []),
            ]
        return {title: np.asarray(panel) for title, panel in zip(titles, panels, strict=True)}

    def _outlined(self, plain: Image.Image, spectrum: Spectrum, row: int) -> Image.Image:
        if self.object_share is None:
            return plain
        return outlined(plain, self.object_share[spectrum][row] >= ON_OBJECT, self.picks["after"].grid)


def explain_selection(looking: Looking) -> KeptPatches:
    """Let networks keep patches, and measure what they keep where the pictures say what they show.

    Raises:
        DataError: see :meth:`~reknow.explain.sample.Looking.sample`.
    """
    sample, spectra = looking.sample(), looking.recognizers["after"].network.spectra
    known = is_known(sample, spectra)
    sample = sample if known else looking.few(sample)
    pictures = looking.pictures(sample)
    picks = {moment: joined(made) for moment, made in looking.choices(sample, pictures, picks_of).items()}
    nowhere = np.zeros(len(sample), dtype=bool)
    present: dict[Spectrum, np.ndarray] = {name: pictures.present.get(name, nowhere) for name in spectra}
    truth = truth_of(sample, spectra, picks["after"].grid) if known else None
    return KeptPatches(
        names=tuple(sample.column("observation")),
        pictures={name: _pixels(pictures.images, name) for name in spectra},
        present=present,
        object_share=None if truth is None else truth.object_share,
        picks=picks,
        shares=() if truth is None else coverage(picks, truth.object_share, present, truth.groups()),
        notes=looking.notes,
    )


def _pixels(images: Mapping[Spectrum, np.ndarray], spectrum: Spectrum) -> UInt8[np.ndarray, "pictures height width 3"]:
    one = next(iter(images.values()))
    return np.asarray(images.get(spectrum, np.zeros_like(one)))


def _kept(plain: Image.Image, picks: Picks, spectrum: Spectrum, row: int) -> Image.Image:
    """The kept patches, each with its reasons."""
    reasons = [(picks.spatial[spectrum][row], attended), (picks.frequency[spectrum][row], salient)]
    return _marked(plain, picks.kept[spectrum][row], picks.grid, reasons)


def _marked(
    plain: Image.Image,
    shown: Bool[np.ndarray, "patches"],
    grid: tuple[int, int],
    marks: Sequence[tuple[Bool[np.ndarray, "patches"], Mark]],
) -> Image.Image:
    """A picture that is pale but for some patches, which are outlined, with marks in those that have one."""
    pen = Pen(outlined(paled(plain, PALENESS * ~shown, grid), shown, grid))
    places = boxes(grid, (plain.height, plain.width))
    for chosen, mark in marks:
        for patch in np.flatnonzero(chosen & shown):
            mark(pen, places[patch])
    return pen.picture()
