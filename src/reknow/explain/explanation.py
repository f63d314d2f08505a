"""Explanation: observations, the patches that a method's networks select in them, and how many of these lie well.

Whatever the method: it names sets of patches (:mod:`reknow.methods.selected`), and these are marked in the picture of
each spectrum. Of a network that drops all but the first set, the other sets are shown one by one, as reasons for it,
then what is kept and what is dropped; otherwise all sets share one picture, before training and after it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, UInt8
from PIL import Image

from reknow.explain.drawing import Pen
from reknow.explain.measures import Share
from reknow.explain.panels import PALENESS, Mark, Panel, blanked, empty, enlarged, marks_of, outlined, paled, paleness
from reknow.explain.patches import boxes
from reknow.explain.truth import ON_OBJECT
from reknow.methods.selected import PatchSet, SelectedPatches
from reknow.observation import Spectrum

MOMENTS = {"before": "before training", "after": "after training"}
"""When a network looks, and how a panel says it."""

WIDE, NARROW = 320, 224
"""Pixels of a panel's longer side: a patch of a 16 x 8 grid gets 20; where sets stand beside each other, seven fit."""


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """What was selected in P observations; mappings of arrays are by spectrum.

    Attributes:
        names: observation ids.
        pictures: (P, H, W, 3) as the network sees them, before normalization; zero where an observation lacks one.
        present: (P,) which observations have the spectrum.
        selected: "before" and "after" training, or "after" alone.
        object_share: (P, N) of every patch, the share of its pixels that show the object; None where nobody knows.
        shares: how many of the patches lie where they ought to; empty where nobody knows.
        notes: sentences for the user.
    """

    names: tuple[str, ...]
    pictures: Mapping[Spectrum, UInt8[np.ndarray, "pictures height width 3"]]
    present: Mapping[Spectrum, Bool[np.ndarray, "pictures"]]
    selected: Mapping[str, SelectedPatches]
    object_share: Mapping[Spectrum, Float[np.ndarray, "pictures patches"]] | None = None
    shares: tuple[Share, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def after(self) -> SelectedPatches:
        """What the trained network selects."""
        return self.selected["after"]

    @property
    def counts(self) -> dict[str, Any]:
        """How many observations, pictures and patches there are; of each set, the patches of a picture, on average."""
        pictures = sum(int(rows.sum()) for rows in self.present.values())
        return {
            "observations": len(self.names),
            "pictures": pictures,
            "spectra": list(self.after.spectra),
            "grid": list(self.after.grid),
            "patches": self.after.grid[0] * self.after.grid[1],
            **{one.name: sum(int(mask.sum()) for mask in one.patches.values()) / pictures for one in self.after.sets},
        }

    @property
    def summary(self) -> str:
        """The same in words."""
        counts = self.counts
        sets = ", ".join(f"{one.name} {counts[one.name]:.1f}".removesuffix(".0") for one in self.after.sets)
        return (
            f"{counts['observations']:,} observations in {', '.join(counts['spectra'])}: "
            f"of the {counts['patches']} patches of each picture, {sets}"
        )

    @property
    def about(self) -> str:
        """What the panels show, in words."""
        first, scores = self.after.sets[0], self.after.scores
        sentences = ["Which patches of each picture the method selected."]
        sentences += [f"{_title(one.name)}: patches {one.meaning}." for one in self.after.sets]
        if self.after.drops:
            unmarked = f"A {first.name} patch without a mark is in no other set of its spectrum."
            sentences.append(f"Dropped: what is left without the {first.name} patches. {unmarked}")
        if scores is not None:
            sentences.append(f"{_title(scores.name)}: {scores.meaning}; the paler a patch, the less.")
        if self.shares:
            sentences.append(
                "The outline in the picture holds the patches on the object: those of which it fills at least half."
            )
        return " ".join(sentences)

    @property
    def basis(self) -> str:
        """What the shares are, in words."""
        sentences = [
            f"Means over {len(self.names):,} observations with 95 % intervals over observations.",
            "By chance: what patches drawn blindly would reach.",
        ]
        asked = [one for one in self.after.sets if not one.measured_as]
        if asked:
            sentences += [
                "Precision: the share of these patches that lie on the object; by chance, that of all patches.",
                "Recall: the share of the object's patches that are among them; by chance, the share of all patches "
                "that are.",
                "Objects are small, and clutter is low, up to the median of the observations.",
            ]
        if any(one.expected == "background" for one in asked):
            sentences.append("Against background, the same is counted of background in the object's place.")
        return " ".join([*sentences, "What stands before the object is background."])

    @property
    def legend(self) -> tuple[tuple[Mark, str], ...]:
        """The marks, and what they mean."""
        marks = marks_of(self.after)
        return tuple((mark, f"{self.after[name].meaning}, {mark.form}") for name, mark in marks.items())

    def panels(self, row: int) -> dict[str, dict[str, Panel]]:
        """One observation: a line of panels for each spectrum, named where there are several.

        Every line has the same titles, every panel the same size.
        """
        spectra = self.after.spectra
        return {name if len(spectra) > 1 else "": self._line(name, row) for name in spectra}

    @property
    def leading(self) -> tuple[Share, ...]:
        """The shares that people read, as far as any picture has them."""
        return tuple(share for share in self.shares if not share.detail and share.known)

    def facts(self) -> dict[str, Any]:
        """Numbers for JSON; shares in percent with their 95 % intervals."""
        shares = {share.name: share.facts() for share in self.shares}
        return {**self.counts, "shares": shares, "notes": list(self.notes)}

    def numbers(self) -> dict[str, float]:
        """The shares as one flat table, in percent; one that no picture has is left out.

        ``precision`` after training, ``start_precision`` before it, and ``precision_by_chance`` and
        ``start_precision_by_chance``, what patches drawn blindly would reach.
        """
        prefixes: Mapping[str, str] = {"before": "start_", "after": ""}
        numbers = {}
        for share in self.shares:
            for moment, found in share.found.items():
                name = prefixes[moment] + share.name
                numbers |= {name: 100 * found.mean, f"{name}_by_chance": 100 * share.chance[moment]}
        return {name: value for name, value in numbers.items() if not np.isnan(value)}

    def _line(self, spectrum: Spectrum, row: int) -> dict[str, Panel]:
        plain = enlarged(self.pictures[spectrum][row], NARROW if self.after.drops else WIDE)
        picture = plain
        if self.object_share is not None:
            picture = outlined(plain, self.object_share[spectrum][row] >= ON_OBJECT, self.after.grid)
        drawn = {"picture": picture, **(self._apart if self.after.drops else self._together)(plain, spectrum, row)}
        if not self.present[spectrum][row]:
            blank = [empty(plain.size, f"no {spectrum}"), *[empty(plain.size)] * (len(drawn) - 1)]
            drawn = dict(zip(drawn, blank, strict=True))
        return {title: np.asarray(panel) for title, panel in drawn.items()}

    def _together(self, plain: Image.Image, spectrum: Spectrum, row: int) -> dict[str, Image.Image]:
        """All sets in one picture for each network; the first lies on top."""
        panels = {}
        for moment, selected in self.selected.items():
            pen = Pen(_paled(plain, selected, spectrum, row))
            for name, mark in reversed(marks_of(selected).items()):
                _draw(pen, selected[name].patches[spectrum][row], mark, selected.grid, plain)
            panels[MOMENTS[moment]] = pen.picture()
        return panels

    def _apart(self, plain: Image.Image, spectrum: Spectrum, row: int) -> dict[str, Image.Image]:
        """The scores, each reason, what is kept and what is dropped, and what was kept before."""
        (first, *reasons), marks, grid = self.after.sets, marks_of(self.after), self.after.grid
        panels = {} if self.after.scores is None else {self.after.scores.name: _paled(plain, self.after, spectrum, row)}
        for one in reasons:
            panels[one.name] = _alone(plain, one.patches[spectrum][row], [(one, marks[one.name])], grid, spectrum, row)

        def kept(selected: SelectedPatches) -> Image.Image:
            marked = [(selected[name], mark) for name, mark in marks.items()]
            return _alone(plain, selected.sets[0].patches[spectrum][row], marked, grid, spectrum, row)

        panels |= {first.name: kept(self.after), "dropped": blanked(plain, first.patches[spectrum][row], grid)}
        if "before" in self.selected:
            panels[f"{first.name} before"] = kept(self.selected["before"])
        return panels


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _paled(plain: Image.Image, selected: SelectedPatches, spectrum: Spectrum, row: int) -> Image.Image:
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
    for one, mark in marked:
        _draw(pen, one.patches[spectrum][row] & shown, mark, grid, plain)
    return pen.picture()


def _draw(
    pen: Pen, patches: Bool[np.ndarray, "patches"], mark: Mark, grid: tuple[int, int], plain: Image.Image
) -> None:
    places = boxes(grid, (plain.height, plain.width))
    for patch in np.flatnonzero(patches):
        mark.draw(pen, places[patch])
