"""Measures: how many of the selected patches lie where they ought to, and how many of those there are selected.

Precision is the share of a set's patches that lie on the object, recall the share of the object's patches that are in
the set; for a set that ought to lie on background, background takes the object's place. Both count the patches of all
spectra that an observation has, each against the spectrum's own mask, and come once per observation; then the mean is
taken, so that observations count alike however they are seen. Precision is undefined where a set is empty, recall where
nothing is wanted; such an observation is left out.

Chance is what patches drawn blindly would reach, observation by observation: for precision the share of all patches
that are wanted, for recall the share of all patches that are selected. Intervals are 95 % bootstrap intervals over
observations; those of one object are alike, so the truth is a little wider.

Every set is measured in all spectra together and in groups of observations. The first is measured in each spectrum as
well, a further one only where its patches differ between spectra: elsewhere it would be one number three times. A set
with a number of its own name has that one alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float, Int, Real

from reknow.evaluation.intervals import Interval, bootstrap, paired_difference
from reknow.explain.truth import ON_OBJECT
from reknow.methods.selected import GROUPS, PatchSet, SelectedPatches
from reknow.observation import Spectrum

Measure = Literal["precision", "recall"]

_MEASURES: tuple[Measure, ...] = ("precision", "recall")


@dataclass(frozen=True)
class Share:
    """One question to what was selected, and its answers; fractions, NaN where no observation has one.

    Attributes:
        name: ``negatives_on_background``, ``precision_small`` and so on.
        question: the same in words.
        chance: "before" and "after" training, or "after" alone: what patches drawn blindly would reach.
        found: likewise: the mean over observations with its interval.
        over_chance: likewise: `found` minus chance, observation by observation.
        change: after minus before, observation by observation; None without both.
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
        """Whether any observation has an answer, before and after."""
        return not any(np.isnan(found.mean) for found in self.found.values())

    def facts(self) -> dict[str, Any]:
        """Percent, for JSON; None where no observation has an answer."""
        return {
            "chance": {moment: _known(100 * chance) for moment, chance in self.chance.items()},
            **{moment: _percent(found) for moment, found in self.found.items()},
            "over_chance": {moment: _percent(found) for moment, found in self.over_chance.items()},
            "change": None if self.change is None else _percent(self.change),
        }


def measured(
    selected: Mapping[str, SelectedPatches],
    object_share: Mapping[Spectrum, Float[np.ndarray, "pictures patches"]],
    present: Mapping[Spectrum, Bool[np.ndarray, "pictures"]],
    groups: Mapping[str, Bool[np.ndarray, "pictures"]],
) -> tuple[Share, ...]:
    """Precision and recall of every set, of one or two networks on the same observations.

    Args:
        selected: "before" and "after" training, or "after" alone, each of P observations.
        object_share: per spectrum, (P, N) of every patch, the share of its pixels that show the object.
        present: per spectrum, (P,): which observations have it.
        groups: (P,) which observations are in a group, by its name; beside all of them.

    Returns:
        named ``precision`` and ``recall`` (of the first set), ``precision_small``, ``precision_nir``,
        ``recall_spatial``, ``recall_frequency_high_clutter``, ``negatives_on_background`` and so on.
    """
    spectra = selected["after"].spectra
    everybody = np.ones(len(selected["after"]), dtype=bool)
    shares = []
    for measure, (number, seen) in product(_MEASURES, _asked(selected, present)):
        one = selected["after"].sets[number]
        if one.measured_as and measure == "recall":
            continue
        counts = {moment: _counted(each.sets[number], object_share, present, seen) for moment, each in selected.items()}
        spectrum = seen[0] if len(seen) < len(spectra) else ""
        for group, inside in {"": everybody, **({} if spectrum or one.measured_as else groups)}.items():
            share = share_of(
                one.measured_as or "_".join(filter(None, (measure, one.name if number else "", spectrum, group))),
                _question(measure, one, spectrum, group),
                {moment: count.found(measure)[inside] for moment, count in counts.items()},
                {moment: count.chance(measure)[inside] for moment, count in counts.items()},
                detail=bool(group if number else spectrum),
            )
            shares.append(share)
    return tuple(shares)


@dataclass(frozen=True)
class _Counts:
    """Of each observation, how many patches there are, are wanted, are selected, and are both."""

    patches: Int[np.ndarray, "pictures"]
    wanted: Int[np.ndarray, "pictures"]
    picked: Int[np.ndarray, "pictures"]
    hits: Int[np.ndarray, "pictures"]

    def found(self, measure: Measure) -> Float[np.ndarray, "pictures"]:
        return fraction(self.hits, self.picked if measure == "precision" else self.wanted)

    def chance(self, measure: Measure) -> Float[np.ndarray, "pictures"]:
        return fraction(self.wanted if measure == "precision" else self.picked, self.patches)


def _asked(
    selected: Mapping[str, SelectedPatches], present: Mapping[Spectrum, Bool[np.ndarray, "pictures"]]
) -> list[tuple[int, tuple[Spectrum, ...]]]:
    """Each set, by its number, in all spectra together; then in each alone, where that says something else."""
    spectra = selected["after"].spectra
    asked: list[tuple[int, tuple[Spectrum, ...]]] = []
    for number, one in enumerate(selected["after"].sets):
        asked.append((number, spectra))
        apart = not number or any(_differ(each.sets[number], present) for each in selected.values())
        if len(spectra) > 1 and apart and not one.measured_as:
            asked.extend((number, (spectrum,)) for spectrum in spectra)
    return asked


def _differ(one: PatchSet, present: Mapping[Spectrum, Bool[np.ndarray, "pictures"]]) -> bool:
    """Whether any observation has other patches of the set in one of its spectra than in another."""
    masks: dict[Spectrum, np.ndarray] = {name: mask & present[name][:, None] for name, mask in one.patches.items()}
    anywhere = np.any(list(masks.values()), axis=0)
    return any((mask != anywhere & present[name][:, None]).any() for name, mask in masks.items())


def _counted(
    one: PatchSet,
    object_share: Mapping[Spectrum, Float[np.ndarray, "pictures patches"]],
    present: Mapping[Spectrum, Bool[np.ndarray, "pictures"]],
    spectra: Sequence[Spectrum],
) -> _Counts:
    picked = [one.patches[name] for name in spectra]
    there = np.concatenate([np.repeat(present[name][:, None], picked[0].shape[1], axis=1) for name in spectra], 1)
    on_object = np.concatenate([object_share[name] for name in spectra], axis=1) >= ON_OBJECT
    wanted = there & (on_object if one.expected == "object" else ~on_object)
    chosen = there & np.concatenate(picked, axis=1)
    return _Counts(there.sum(1), wanted.sum(1), chosen.sum(1), (wanted & chosen).sum(1))


def _question(measure: Measure, one: PatchSet, spectrum: str, group: str) -> str:
    if one.measured_as:
        return f"Patches {one.meaning} that lie on {'the object' if one.expected == 'object' else 'background'}"
    where = (
        "against background" if one.expected == "background" else "",
        f"in {spectrum}" if spectrum else "",
        GROUPS.get(group, group),
    )
    return ", ".join(filter(None, (f"{measure.capitalize()} of {one.name.replace('_', ' ')} patches", *where)))


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
        found: "before" and "after", or "after" alone: (P,) of each observation, NaN where it has no answer.
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
