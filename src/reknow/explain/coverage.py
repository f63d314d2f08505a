"""Coverage: how well kept patches cover the object, by the masks of the world.

Precision is the share of the picked patches that lie on the object, recall the share of the object's patches that are
picked. Both count the patches of all spectra that an observation has, each against the spectrum's own mask, and come
once per observation. Drawn blindly, patches would reach a precision of the share of all patches that lie on the object,
and a recall of the share of all patches that are picked. Precision is undefined where nothing is picked, recall where
no patch is on the object; such an observation is left out.

Three choices are measured: what is kept, what heads ask for (``spatial``) and what pixels ask for (``frequency``); the
first two in each spectrum as well, and all three in groups of observations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int

from reknow.explain.picks import Picks
from reknow.explain.shares import Share, fraction, share_of
from reknow.explain.truth import ON_OBJECT
from reknow.observation import Spectrum

Choice = Literal["kept", "spatial", "frequency"]
Measure = Literal["precision", "recall"]

_CHOICES: dict[Choice, str] = {"kept": "kept patches", "spatial": "spatial picks", "frequency": "frequency picks"}
_GROUPS = {
    "small": "small objects",
    "large": "large objects",
    "low_clutter": "low clutter",
    "high_clutter": "high clutter",
}
_MEASURES: tuple[Measure, ...] = ("precision", "recall")


def coverage(
    picks: Mapping[str, Picks],
    object_share: Mapping[Spectrum, Float[np.ndarray, "pictures patches"]],
    present: Mapping[Spectrum, Bool[np.ndarray, "pictures"]],
    groups: Mapping[str, Bool[np.ndarray, "pictures"]],
) -> tuple[Share, ...]:
    """Precision and recall, of one or two networks on the same observations.

    Args:
        picks: "before" and "after" training, or "after" alone, each of P observations.
        object_share: per spectrum, (P, N) of every patch, the share of its pixels that show the object.
        present: per spectrum, (P,): which observations have it.
        groups: (P,) which observations are in a group, by its name; beside all of them.

    Returns:
        named ``precision`` and ``recall`` (of what is kept), ``precision_small``, ``precision_nir``,
        ``recall_spatial``, ``recall_frequency_high_clutter`` and so on.
    """
    spectra = tuple(present)
    everybody = np.ones(len(present[spectra[0]]), dtype=bool)
    shares = []
    for measure, (choice, seen) in product(_MEASURES, _asked(spectra)):
        counts = {moment: _counted(getattr(one, choice), object_share, present, seen) for moment, one in picks.items()}
        spectrum = seen[0] if len(seen) < len(spectra) else ""
        for group, inside in {"": everybody, **({} if spectrum else groups)}.items():
            share = share_of(
                "_".join(filter(None, (measure, choice if choice != "kept" else "", spectrum, group))),
                _question(measure, choice, spectrum, group),
                {moment: count.found(measure)[inside] for moment, count in counts.items()},
                {moment: count.chance(measure)[inside] for moment, count in counts.items()},
                detail=bool(spectrum if choice == "kept" else group),
            )
            shares.append(share)
    return tuple(shares)


@dataclass(frozen=True)
class _Counts:
    """Of each observation, how many patches there are, lie on the object, are picked, and are both."""

    patches: Int[np.ndarray, "pictures"]
    wanted: Int[np.ndarray, "pictures"]
    picked: Int[np.ndarray, "pictures"]
    hits: Int[np.ndarray, "pictures"]

    def found(self, measure: Measure) -> Float[np.ndarray, "pictures"]:
        return fraction(self.hits, self.picked if measure == "precision" else self.wanted)

    def chance(self, measure: Measure) -> Float[np.ndarray, "pictures"]:
        return fraction(self.wanted if measure == "precision" else self.picked, self.patches)


def _asked(spectra: tuple[Spectrum, ...]) -> list[tuple[Choice, tuple[Spectrum, ...]]]:
    """Each choice in all spectra together, then in each alone; but pixels are asked together as a rule."""
    asked: list[tuple[Choice, tuple[Spectrum, ...]]] = []
    for choice in _CHOICES:
        asked.append((choice, spectra))
        if len(spectra) > 1 and choice != "frequency":
            asked.extend((choice, (one,)) for one in spectra)
    return asked


def _counted(
    picked: Mapping[Spectrum, Bool[np.ndarray, "pictures patches"]],
    object_share: Mapping[Spectrum, Float[np.ndarray, "pictures patches"]],
    present: Mapping[Spectrum, Bool[np.ndarray, "pictures"]],
    spectra: Sequence[Spectrum],
) -> _Counts:
    there = np.concatenate([np.repeat(present[name][:, None], picked[name].shape[1], axis=1) for name in spectra], 1)
    wanted = there & (np.concatenate([object_share[name] for name in spectra], axis=1) >= ON_OBJECT)
    chosen = there & np.concatenate([picked[name] for name in spectra], axis=1)
    return _Counts(there.sum(1), wanted.sum(1), chosen.sum(1), (wanted & chosen).sum(1))


def _question(measure: Measure, choice: Choice, spectrum: str, group: str) -> str:
    where = (f"in {spectrum}" if spectrum else "", _GROUPS.get(group, group))
    return ", ".join(filter(None, (f"{measure.capitalize()} of {_CHOICES[choice]}", *where)))
