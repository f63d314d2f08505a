"""Explanation: observations, the patches that networks select in them, and how many of these lie where they ought to.

It says so in words and numbers, whatever the method: a method names sets of patches (:mod:`reknow.methods.selected`).
:mod:`reknow.explain.panels` draws it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, UInt8

from reknow.explain.precision_recall import Share
from reknow.methods.selected import SelectedPatches
from reknow.observation import Spectrum


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """What was selected in P observations; mappings of arrays are by spectrum.

    Attributes:
        names: observation ids.
        pictures: (P, H, W, 3) resized as for the network, before normalization; zero where an observation lacks one.
        present: (P,) which observations have the spectrum.
        selected: "before" and "after" training, or "after" alone.
        object_share: (P, N) of every patch, the share of its pixels that show the object; None where this is unknown.
        shares: how many of the patches lie where they ought to; empty where this is unknown.
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
            **{
                each.name: sum(int(mask.sum()) for mask in each.patches.values()) / pictures for each in self.after.sets
            },
        }

    @property
    def summary(self) -> str:
        """The same in words."""
        counts = self.counts
        sets = ", ".join(f"{each.name} {counts[each.name]:.1f}".removesuffix(".0") for each in self.after.sets)
        return (
            f"{counts['observations']:,} observations in {', '.join(counts['spectra'])}: "
            f"of the {counts['patches']} patches of each picture, {sets}"
        )

    @property
    def about(self) -> str:
        """What the panels show, in words."""
        first, scores = self.after.sets[0], self.after.scores
        sentences = ["Which patches of each picture the method selected."]
        sentences += [f"{_title(each.name)}: patches {each.meaning}." for each in self.after.sets]
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
        measured = [each for each in self.after.sets if not each.measured_as]
        if measured:
            sentences += [
                "Precision: the share of these patches that lie on the object; by chance, that of all patches.",
                "Recall: the share of the object's patches that are among them; by chance, the share of all patches "
                "that are.",
                "Objects are small, and clutter is low, up to the median of the observations.",
            ]
        if any(each.expected == "background" for each in measured):
            sentences.append("Against background, the same is counted of background in the object's place.")
        return " ".join([*sentences, "What stands before the object is background."])

    @property
    def leading(self) -> tuple[Share, ...]:
        """The shares for tables: no details, and only those that any picture has."""
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
            for moment, interval in share.value.items():
                name = prefixes[moment] + share.name
                numbers |= {name: 100 * interval.mean, f"{name}_by_chance": 100 * share.chance[moment]}
        return {name: value for name, value in numbers.items() if not np.isnan(value)}


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()
