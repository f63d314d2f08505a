"""Attention explanation: what one network, or two on the same pictures, attend to, in words and numbers.

:mod:`reknow.explain.attention` makes it, :mod:`reknow.explain.attention_panels` draws it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8

from reknow.explain.attention_maps import AttentionMaps
from reknow.explain.patches import ObjectMasks
from reknow.explain.precision_recall import Share, percent
from reknow.observation import Spectrum


@dataclass(frozen=True, kw_only=True)
class AttentionExplanation:
    """What one or two networks attend to in P observations; mappings of arrays are by spectrum.

    Attributes:
        names: observation ids.
        pictures: (P, H, W, 3) resized as for the first network, before normalization; zero where one is lacking.
        present: (P,) which observations have the spectrum.
        networks: the maps of each, by its name.
        masks: where the object is visible; None where this is unknown.
        share: how much of each observation's attention lies on the object, beside that of a uniform map; None where the
            masks are unknown.
        notes: sentences for the user, also on why there is no share.
    """

    names: tuple[str, ...]
    pictures: Mapping[Spectrum, UInt8[np.ndarray, "pictures height width 3"]]
    present: Mapping[Spectrum, Bool[np.ndarray, "pictures"]]
    networks: Mapping[str, AttentionMaps]
    masks: ObjectMasks | None = None
    share: Share | None = None
    notes: tuple[str, ...] = ()

    @property
    def spectra(self) -> tuple[Spectrum, ...]:
        """That all of the networks read, in the order of panels."""
        return tuple(self.pictures)

    @property
    def about(self) -> str:
        """What the panels show, in words."""
        forms = {name: maps.form for name, maps in self.networks.items()}
        if len(set(forms.values())) == 1:
            forms = {
                "What the networks attend to" if len(forms) > 1 else "What the network attends to": self.first.form
            }
        sentences = [f"{name}: {form}." for name, form in forms.items()]
        sentences.append("The stronger the blue, the more of the picture's attention a place gets.")
        if self.share is not None:
            sentences.append("The line is the edge of the visible object, the number the share of the attention in it.")
        return " ".join(sentences)

    @property
    def first(self) -> AttentionMaps:
        """The maps of the first network."""
        return next(iter(self.networks.values()))

    @property
    def lines(self) -> list[str]:
        """The result in words: the pictures, each network, and the difference."""
        occluded = "" if self.masks is None else f", something before the object in {int(self.masks.occluded.sum()):,}"
        return [
            f"{len(self.names):,} observations in {', '.join(self.spectra)}{occluded}",
            *(f"{name}: {self._in_words(name)}" for name in self.networks),
            *self._change_in_words(),
        ]

    def _in_words(self, name: str) -> str:
        maps = self.networks[name]
        words = f"{maps.form}, {maps.grid[0]} x {maps.grid[1]} patches"
        if self.share is None:
            return words
        if not maps.known:
            return f"{words}; no map in any picture"
        value, uniform = self.share.value[name], self.share.chance[name]
        interval = f"({100 * value.low:.1f} to {100 * value.high:.1f})"
        return f"{words}; on the object {100 * value.mean:.1f} % {interval}, of a uniform map {100 * uniform:.1f} %"

    def _change_in_words(self) -> list[str]:
        change = None if self.share is None else self.share.change
        if change is None or np.isnan(change.mean):
            return []
        first, last = self.networks
        interval = f"({100 * change.low:+.1f} to {100 * change.high:+.1f})"
        return [f"{last} minus {first}, picture by picture: {100 * change.mean:+.1f} points {interval}"]

    def facts(self) -> dict[str, Any]:
        """Numbers for JSON; shares in percent with their 95 % intervals, None where there are none."""
        share = self.share
        return {
            "observations": len(self.names),
            "occluded": None if self.masks is None else int(self.masks.occluded.sum()),
            "spectra": list(self.spectra),
            "runs": [
                {
                    "run": name,
                    "map": maps.kind,
                    "layer": maps.layer or None,
                    "grid": list(maps.grid),
                    "on_object": None if share is None else percent(share.value[name]),
                    "uniform": None if share is None else share.facts()["chance"][name],
                    "over_uniform": None if share is None else percent(share.over_chance[name]),
                }
                for name, maps in self.networks.items()
            ],
            "change": None if share is None or share.change is None else percent(share.change),
            "notes": list(self.notes),
        }
