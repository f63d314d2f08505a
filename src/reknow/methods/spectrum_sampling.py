"""Spectrum sampling: batches that hold as many pictures of each spectrum as of the others.

While clusters of one spectrum are not matched with the other's, nobody knows which belong together, and the field draws
two independent halves: P clusters times K visible pictures, and P clusters times K infrared ones (ADCA, RPNR, FIRM).
Identities that have pictures in every spectrum, as matched clusters and labelled individuals do, are drawn in all of
them at once (AGW), so that a loss that compares the pictures of a batch sees them in both.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import reduce

import numpy as np
from jaxtyping import Int

from reknow.errors import RecipeError
from reknow.fields import PositiveInt
from reknow.methods.sampling import BatchRule, Members, PlannedRows


@dataclass(frozen=True, kw_only=True)
class SpectrumSampling(BatchRule):
    """P identities with K pictures each in every spectrum.

    Attributes:
        batch_size: pictures per step, over all processes: as many times instances in each spectrum, so that 64 with 4
            instances are 8 identities with 4 visible pictures, and 8 with 4 infrared ones.
        instances: pictures per identity in one spectrum's part of a batch.
        cross_camera: whether the further pictures of an identity are drawn from other cameras than its first one, where
            there are any.
        statistics_over: pictures that the statistics of batch norms are computed over, a divisor of the batch size
            above 1; None means the whole batch.
    """

    instances: PositiveInt = 4
    cross_camera: bool = True

    def draw(self, planned: PlannedRows, rng: np.random.Generator, steps: int | None) -> list[Int[np.ndarray, "_"]]:
        """As many batches as the recipe says, or as many as hold about the number of planned rows.

        The pictures of a batch are in no order by spectrum, so that parts of a step hold every spectrum too.

        Raises:
            RecipeError: a batch size that the spectra cannot share equally.
        """
        parts = [np.flatnonzero(rows) for rows in planned.present.values() if rows.any()]
        identities = self._identities_a_part(len(parts))
        members = [
            Members(planned.labels[rows], planned.cameras[rows] if self.cross_camera else None) for rows in parts
        ]
        common = reduce(np.intersect1d, [of_part.identities for of_part in members])
        sizes = [min(identities, len(of_part.identities)) for of_part in members]
        # As large a share of a batch as of the identities of the spectrum that has most of its own.
        shared = min(
            round(size * len(common) / len(of_part.identities)) for size, of_part in zip(sizes, members, strict=True)
        )
        of_common = _in_turn(common, rng)
        others = [
            _in_turn(_others(of_part.identities, common, size, shared), rng)
            for of_part, size in zip(members, sizes, strict=True)
        ]
        batches = []
        for _ in range(steps or max(1, round(len(planned) / self.batch_size))):
            together = _next(of_common, shared, [])
            drawn = []
            for rows, of_part, size, of_others in zip(parts, members, sizes, others, strict=True):
                chosen = [*together, *_next(of_others, size - shared, together)]
                places = np.searchsorted(of_part.identities, chosen)
                drawn.append(rows[of_part.draw(places, self.instances, rng)].ravel())
            batches.append(rng.permutation(np.concatenate(drawn)))
        return batches

    def _identities_a_part(self, spectra: int) -> int:
        """P.

        Raises:
            RecipeError: a batch size that the spectra cannot share equally.
        """
        unit = spectra * self.instances
        if self.batch_size % unit:
            raise RecipeError(
                "sampling.batch_size",
                found=f"{self.batch_size} with {self.instances} instances",
                expected=f"a multiple of {unit}, since each of {spectra} spectra gets as many pictures",
                remedy=f"Write --sampling.batch-size {max(1, self.batch_size // unit) * unit}.",
            )
        return self.batch_size // unit


def _others(
    identities: Int[np.ndarray, "_"], common: Int[np.ndarray, "_"], size: int, shared: int
) -> Int[np.ndarray, "_"]:
    """What fills a spectrum's part beside the common identities: those of its own, unless they would come too often.

    Where no place is for common ones, they are among the others.
    """
    own = np.setdiff1d(identities, common)
    return own if shared and size - shared <= round(size * len(own) / len(identities)) else identities


def _next(turn: Iterator[int], count: int, taken: Collection[int]) -> list[int]:
    """The next ones of a turn that are not taken, each once."""
    chosen: list[int] = []
    while len(chosen) < count:
        if (identity := next(turn)) not in taken and identity not in chosen:
            chosen.append(identity)
    return chosen


def _in_turn(identities: Int[np.ndarray, "_"], rng: np.random.Generator) -> Iterator[int]:
    """All of them in a random order, then in another, without end; nothing where there are none."""
    while len(identities):
        yield from rng.permutation(identities).tolist()
