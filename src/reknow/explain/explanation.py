"""Explanation: pictures, the patches that a method's networks choose in them, and how often they choose well.

Methods choose in different ways: TCMM's token constraint takes some patches for the object and some for something else
(:mod:`.tokens`), EDITOR keeps patches in several spectra (:mod:`.selection`). Sheet, report and command line see only
what these have in common, which is here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from reknow.explain.marks import Mark
from reknow.explain.panels import Panel
from reknow.explain.shares import Share

MOMENTS = {"before": "before training", "after": "after training"}
"""When a network looks, and how a panel says it."""


@dataclass(frozen=True, kw_only=True)
class Explanation(ABC):
    """What was chosen in P observations.

    Attributes:
        names: observation ids.
        shares: how often the choice is right; empty where nobody knows what the pixels show.
        notes: sentences for the user.
    """

    names: tuple[str, ...]
    shares: tuple[Share, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    @abstractmethod
    def counts(self) -> dict[str, Any]:
        """How many pictures and patches, and how many of these are chosen."""

    @property
    @abstractmethod
    def summary(self) -> str:
        """The same in words."""

    @property
    @abstractmethod
    def about(self) -> str:
        """What the panels show, in words."""

    @property
    @abstractmethod
    def basis(self) -> str:
        """What the shares are, in words."""

    @property
    @abstractmethod
    def legend(self) -> tuple[tuple[Mark, str], ...]:
        """The marks, and what they mean."""

    @abstractmethod
    def panels(self, row: int) -> dict[str, dict[str, Panel]]:
        """One observation: lines of panels, by title; every line has the same titles, every panel the same size."""

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
