"""Shares: how often something is true of the chosen patches, with intervals and beside chance.

A picture's share is taken first, then the mean over pictures, so that pictures count alike however they are seen.
Intervals are 95 % bootstrap intervals over pictures; pictures of one object are alike, so the truth is a little wider.
Chance is what patches drawn blindly would reach, picture by picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Real

from reknow.evaluation.intervals import Interval, bootstrap, paired_difference


@dataclass(frozen=True)
class Share:
    """One question to the choices, and its answers; fractions, NaN where no picture has one.

    Attributes:
        name: ``negatives_on_background``, ``precision_small`` and so on.
        question: the same in words.
        chance: "before" and "after" training, or "after" alone: what patches drawn blindly would reach.
        found: likewise: the mean over pictures with its interval.
        over_chance: likewise: `found` minus chance, picture by picture.
        change: after minus before, picture by picture; None without both.
        detail: whether it is for studies and JSON alone; there are more of these than anybody reads.
    """

    name: str
    question: str
    chance: Mapping[str, float]
    found: Mapping[str, Interval]
    over_chance: Mapping[str, Interval]
    change: Interval | None
    detail: bool = False

    @property
    def known(self) -> bool:
        """Whether any picture has an answer, before and after."""
        return not any(np.isnan(found.mean) for found in self.found.values())

    def facts(self) -> dict[str, Any]:
        """Percent, for JSON; None where no picture has an answer."""
        return {
            "chance": {moment: _known(100 * chance) for moment, chance in self.chance.items()},
            **{moment: _percent(found) for moment, found in self.found.items()},
            "over_chance": {moment: _percent(found) for moment, found in self.over_chance.items()},
            "change": None if self.change is None else _percent(self.change),
        }


def share_of(
    name: str,
    question: str,
    found: Mapping[str, Float[np.ndarray, "pictures"]],
    chance: Mapping[str, Float[np.ndarray, "pictures"]],
    *,
    detail: bool = False,
) -> Share:
    """One question's answers from its values.

    Args:
        name: of the question.
        question: in words.
        found: "before" and "after", or "after" alone: (P,) of each picture, NaN where it has no answer.
        chance: likewise.
        detail: see :class:`Share`.
    """
    return Share(
        name,
        question,
        {moment: _mean(chance[moment][~np.isnan(values)]) for moment, values in found.items()},
        {moment: bootstrap(values) for moment, values in found.items()},
        {moment: paired_difference(chance[moment], values) for moment, values in found.items()},
        paired_difference(found["before"], found["after"]) if "before" in found else None,
        detail,
    )


def fraction(hits: Real[np.ndarray, "pictures"], counts: Real[np.ndarray, "pictures"]) -> Float[np.ndarray, "pictures"]:
    """`hits` over `counts`; NaN where nothing was counted."""
    return np.divide(hits, counts, out=np.full(len(counts), np.nan), where=counts > 0)


def _mean(values: Float[np.ndarray, "known"]) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _percent(interval: Interval) -> dict[str, float | None]:
    return {name: _known(100 * getattr(interval, name)) for name in ("mean", "low", "high")}


def _known(value: float) -> float | None:
    """JSON has no NaN."""
    return None if np.isnan(value) else value
