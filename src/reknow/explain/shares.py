"""Shares: how often the chosen patches lie where they should, where it is known what each pixel shows.

Only the synthetic world knows it. There every pixel is the person's or not: what she carries is hers, what stands
before her, another pedestrian included, is not. Decisions:

- a patch is on the person where at least half of its pixels are hers, and on background otherwise;
- a picture's share is taken first, then the mean over pictures, so that pictures count alike however they are seen;
- chance is what patches drawn blindly would reach: the share of *all* patches that lie there;
- intervals are 95 % bootstrap intervals over pictures; pictures of one person are alike, so the truth is a little
  wider.

The masks are read here and nowhere in training.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from reknow.data.pictures import WORLD_PREFIX
from reknow.data.world import sight_of
from reknow.evaluation.intervals import Interval, bootstrap, paired_difference
from reknow.explain.choice import PatchChoice

ON_PERSON = 0.5
"""Share of a patch's pixels from which on it is on the person."""


@dataclass(frozen=True)
class Share:
    """One question to the choices, and its answers; fractions.

    Attributes:
        name: ``negatives_on_background`` or ``positives_on_person``.
        chance: what patches drawn blindly would reach.
        found: "before" and "after" training: the mean over pictures with its interval.
        over_chance: `found` minus chance, picture by picture.
        change: after minus before, picture by picture; None without both.
    """

    name: str
    chance: float
    found: Mapping[str, Interval]
    over_chance: Mapping[str, Interval]
    change: Interval | None


def person_mask(reference: str) -> Bool[np.ndarray, "height width"] | None:
    """Where a picture shows its person, for a picture of the world; None where nobody knows.

    Example:
        >>> person_mask("crops/a.jpg") is None, person_mask("world:people/target/0/0/0/0/rgb").shape
        (True, (128, 64))
    """
    return sight_of(reference).person if reference.startswith(WORLD_PREFIX) else None


def shares(choices: Mapping[str, PatchChoice], person: Float[np.ndarray, "pictures patches"]) -> tuple[Share, ...]:
    """The answers of one or two networks on the same pictures.

    Args:
        choices: "before" and "after" training, or one of them, each of P pictures.
        person: (P, N) of every patch, the share of its pixels that show the person.
    """
    on_person = person >= ON_PERSON
    negatives = {moment: choice.negative for moment, choice in choices.items()}
    positives = {moment: choice.positive for moment, choice in choices.items()}
    return (
        _share("negatives_on_background", negatives, ~on_person),
        _share("positives_on_person", positives, on_person),
    )


def _share(name: str, chosen: Mapping[str, np.ndarray], wanted: np.ndarray) -> Share:
    blindly = wanted.mean(axis=1)
    found = {moment: _mean_where(wanted, patches) for moment, patches in chosen.items()}
    return Share(
        name,
        float(blindly.mean()),
        {moment: bootstrap(values) for moment, values in found.items()},
        {moment: paired_difference(blindly, values) for moment, values in found.items()},
        paired_difference(found["before"], found["after"]) if len(found) == 2 else None,
    )


def _mean_where(
    wanted: Bool[np.ndarray, "pictures patches"], chosen: Bool[np.ndarray, "pictures patches"]
) -> Float[np.ndarray, "pictures"]:
    """Per picture, the share of the chosen patches that are wanted; NaN where none is chosen."""
    counts = chosen.sum(axis=1)
    hits = (wanted & chosen).sum(axis=1)
    return np.divide(hits, counts, out=np.full(len(counts), np.nan), where=counts > 0)
