"""Precision and recall of selected patches, against the true masks.

Precision is the share of a set's patches that lie on the object, recall the share of the object's patches that are in
the set; for a set that ought to lie on background, background takes the object's place. Both count the patches of all
spectra that an observation has, each against the spectrum's own mask, and come once per observation; then the mean is
taken, so that observations count alike in however many spectra they are. Precision is undefined where a set is empty,
recall where no patch is expected; such an observation is left out.

Chance is what patches drawn blindly would reach, observation by observation: for precision the share of all patches
that are expected, for recall the share of all patches that are selected. Intervals are 95 % bootstrap intervals over
observations; observations of one object are correlated, so the true intervals are a little wider.

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
from reknow.explain.patches import ON_OBJECT
from reknow.methods.selected import GROUPS, PatchSet, SelectedPatches
from reknow.observation import Spectrum

Measure = Literal["precision", "recall"]

_MEASURES: tuple[Measure, ...] = ("precision", "recall")


@dataclass(frozen=True)
class Share:
    """One precision or recall of what was selected, or a share of attention; fractions, NaN where no observation has a
    value.

    Attributes:
        name: ``negatives_on_background``, ``precision_small`` and so on.
        title: the same in words.
        chance: by network ("before" and "after" training, or "after" alone; or the names of runs): what patches drawn
            blindly, or a uniform map, would reach.
        value: likewise: the mean over observations with its interval.
        over_chance: likewise: `value` minus chance, observation by observation.
        change: the last network minus the first, observation by observation; None where there is one network.
        detail: whether it is for studies and JSON alone: most combinations, too many for a table.
    """

    name: str
    title: str
    chance: Mapping[str, float]
    value: Mapping[str, Interval]
    over_chance: Mapping[str, Interval]
    change: Interval | None
    detail: bool = False

    @property
    def known(self) -> bool:
        """Whether any observation has a value, of every network."""
        return not any(np.isnan(interval.mean) for interval in self.value.values())

    def facts(self) -> dict[str, Any]:
        """Percent, for JSON; None where no observation has a value."""
        return {
            "chance": {moment: _known(100 * chance) for moment, chance in self.chance.items()},
            **{moment: percent(interval) for moment, interval in self.value.items()},
            "over_chance": {moment: percent(interval) for moment, interval in self.over_chance.items()},
            "change": None if self.change is None else percent(self.change),
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
    everything = np.ones(len(selected["after"]), dtype=bool)
    shares = []
    for measure, (number, counted) in product(_MEASURES, _sets_and_spectra(selected, present)):
        patch_set = selected["after"].sets[number]
        if patch_set.measured_as and measure == "recall":
            continue
        counts = {
            moment: _counts(each.sets[number], object_share, present, counted) for moment, each in selected.items()
        }
        spectrum = counted[0] if len(counted) < len(spectra) else ""
        for group, inside in {"": everything, **({} if spectrum or patch_set.measured_as else groups)}.items():
            set_name = patch_set.name if number else ""
            share = share_of(
                patch_set.measured_as or "_".join(filter(None, (measure, set_name, spectrum, group))),
                _title(measure, patch_set, spectrum, group),
                {moment: count.value(measure)[inside] for moment, count in counts.items()},
                {moment: count.chance(measure)[inside] for moment, count in counts.items()},
                detail=bool(group if number else spectrum),
            )
            shares.append(share)
    return tuple(shares)


@dataclass(frozen=True)
class _Counts:
    """Numbers of patches of each observation: all, expected, selected, and both expected and selected."""

    patches: Int[np.ndarray, "pictures"]
    expected: Int[np.ndarray, "pictures"]
    selected: Int[np.ndarray, "pictures"]
    hits: Int[np.ndarray, "pictures"]

    def value(self, measure: Measure) -> Float[np.ndarray, "pictures"]:
        return fraction(self.hits, self.selected if measure == "precision" else self.expected)

    def chance(self, measure: Measure) -> Float[np.ndarray, "pictures"]:
        return fraction(self.expected if measure == "precision" else self.selected, self.patches)


def _sets_and_spectra(
    selected: Mapping[str, SelectedPatches], present: Mapping[Spectrum, Bool[np.ndarray, "pictures"]]
) -> list[tuple[int, tuple[Spectrum, ...]]]:
    """Each set, by its number, in all spectra together; then in each alone, where the numbers may differ."""
    spectra = selected["after"].spectra
    pairs: list[tuple[int, tuple[Spectrum, ...]]] = []
    for number, patch_set in enumerate(selected["after"].sets):
        pairs.append((number, spectra))
        apart = not number or any(_differ(each.sets[number], present) for each in selected.values())
        if len(spectra) > 1 and apart and not patch_set.measured_as:
            pairs.extend((number, (spectrum,)) for spectrum in spectra)
    return pairs


def _differ(patch_set: PatchSet, present: Mapping[Spectrum, Bool[np.ndarray, "pictures"]]) -> bool:
    """Whether any observation has other patches of the set in one of its spectra than in another."""
    masks: dict[Spectrum, np.ndarray] = {
        name: mask & present[name][:, None] for name, mask in patch_set.patches.items()
    }
    anywhere = np.any(list(masks.values()), axis=0)
    return any((mask != anywhere & present[name][:, None]).any() for name, mask in masks.items())


def _counts(
    patch_set: PatchSet,
    object_share: Mapping[Spectrum, Float[np.ndarray, "pictures patches"]],
    present: Mapping[Spectrum, Bool[np.ndarray, "pictures"]],
    spectra: Sequence[Spectrum],
) -> _Counts:
    selected = [patch_set.patches[name] for name in spectra]
    exists = np.concatenate([np.repeat(present[name][:, None], selected[0].shape[1], axis=1) for name in spectra], 1)
    on_object = np.concatenate([object_share[name] for name in spectra], axis=1) >= ON_OBJECT
    expected = exists & (on_object if patch_set.expected == "object" else ~on_object)
    chosen = exists & np.concatenate(selected, axis=1)
    return _Counts(exists.sum(1), expected.sum(1), chosen.sum(1), (expected & chosen).sum(1))


def _title(measure: Measure, patch_set: PatchSet, spectrum: str, group: str) -> str:
    if patch_set.measured_as:
        place = "the object" if patch_set.expected == "object" else "background"
        return f"Patches {patch_set.meaning} that lie on {place}"
    where = (
        "against background" if patch_set.expected == "background" else "",
        f"in {spectrum}" if spectrum else "",
        GROUPS.get(group, group),
    )
    return ", ".join(filter(None, (f"{measure.capitalize()} of {patch_set.name.replace('_', ' ')} patches", *where)))


def share_of(
    name: str,
    title: str,
    values: Mapping[str, Float[np.ndarray, "pictures"]],
    chance: Mapping[str, Float[np.ndarray, "pictures"]],
    *,
    detail: bool = False,
) -> Share:
    """A share from the values of all observations.

    Args:
        name, title: see :class:`Share`.
        values: by network, the one to compare with first: (P,) of each observation, NaN where it has no value.
        chance: likewise.
        detail: see :class:`Share`.
    """
    networks = list(values.values())
    return Share(
        name,
        title,
        {moment: _mean(chance[moment][~np.isnan(each)]) for moment, each in values.items()},
        {moment: bootstrap(each) for moment, each in values.items()},
        {moment: paired_difference(chance[moment], each) for moment, each in values.items()},
        paired_difference(networks[0], networks[-1]) if len(networks) > 1 else None,
        detail,
    )


def fraction(hits: Real[np.ndarray, "pictures"], counts: Real[np.ndarray, "pictures"]) -> Float[np.ndarray, "pictures"]:
    """`hits` over `counts`; NaN where nothing was counted."""
    return np.divide(hits, counts, out=np.full(len(counts), np.nan), where=counts > 0)


def _mean(values: Float[np.ndarray, "known"]) -> float:
    return float(values.mean()) if len(values) else float("nan")


def percent(interval: Interval) -> dict[str, float | None]:
    """An interval for JSON: mean, low and high in percent; None where there is none."""
    return {name: _known(100 * getattr(interval, name)) for name in ("mean", "low", "high")}


def _known(value: float) -> float | None:
    """JSON has no NaN."""
    return None if np.isnan(value) else value
