"""Batch rules: which planned rows are in a batch together, as values in a recipe or in the plan of an epoch.

A rule reads labels, cameras and spectra of the planned rows and nothing else. :class:`Sampling` is the field's P x K
rule: P identities with K pictures each. A method that draws in another way (as many visible pictures as infrared ones,
or until all identities are used) has a rule of its own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

from reknow.data.sampling import identity_batches
from reknow.errors import RecipeError
from reknow.fields import PositiveInt, check_fields
from reknow.observation import Spectrum


@dataclass(frozen=True)
class PlannedRows:
    """What a rule may draw by, of the n rows that an epoch trains on.

    Attributes:
        labels: (n,) identity or pseudo-label, 0 and up.
        cameras: (n,) camera codes, -1 where unknown.
        present: per spectrum, (n,): which rows have a picture in it.
    """

    labels: Int[np.ndarray, "planned"]
    cameras: Int[np.ndarray, "planned"]
    present: Mapping[Spectrum, Bool[np.ndarray, "planned"]]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, kw_only=True)
class BatchRule(ABC):
    """How batches are drawn.

    Attributes:
        batch_size: pictures per step, over all processes.
        statistics_over: pictures that the statistics of batch norms (and of TCMM's token constraint as released) are
            computed over, for any number of processes; None means the whole batch. A step is carried out in parts of
            this size, so it also bounds the memory. A loss that compares the pictures of a batch with each other (the
            triplet) compares within a part, also where several processes share the part.
    """

    batch_size: PositiveInt = 64
    statistics_over: PositiveInt | None = None

    def __post_init__(self) -> None:
        check_fields(self, "sampling")
        over = self.statistics_over
        if over is not None and (not 1 < over <= self.batch_size or self.batch_size % over):
            raise RecipeError(
                "sampling.statistics_over",
                found=f"{over} of a batch of {self.batch_size}",
                expected="a divisor above 1 of it",
                remedy="Set --sampling.statistics-over to a divisor of the batch size.",
            )

    @abstractmethod
    def draw(self, planned: PlannedRows, rng: np.random.Generator, steps: int | None) -> list[Int[np.ndarray, "_"]]:
        """The batches of one epoch.

        Args:
            planned: rows to draw from.
            rng: the only source of randomness.
            steps: how many batches the recipe asks for; None leaves the number to the rule.

        Returns:
            positions into the planned rows, one array per batch, of `batch_size` or, on little data, fewer. A position
            may stand in a batch twice: its picture is then augmented twice, which gives two views of it.
        """


@dataclass(frozen=True, kw_only=True)
class Sampling(BatchRule):
    """P identities with K pictures each (:func:`reknow.data.sampling.identity_batches`).

    Attributes:
        batch_size: pictures per step, over all processes; a multiple of instances, so that 64 with 4 instances are 16
            identities with 4 pictures each.
        instances: pictures per identity in a batch.
        cross_camera: whether the further pictures of an identity are drawn from other cameras than its first one, where
            there are any.
        statistics_over: pictures that the statistics of batch norms are computed over, a divisor of the batch size
            above 1; None means the whole batch.
    """

    instances: PositiveInt = 4
    cross_camera: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.batch_size % self.instances:
            whole = max(self.instances, self.batch_size - self.batch_size % self.instances)
            raise RecipeError(
                "sampling.batch_size",
                found=f"{self.batch_size} with {self.instances} instances",
                expected="a multiple of sampling.instances, since a batch has that many pictures of each identity",
                remedy=f"--sampling.batch-size {whole}, or another number of instances.",
            )

    def draw(self, planned: PlannedRows, rng: np.random.Generator, steps: int | None) -> list[Int[np.ndarray, "_"]]:
        """As many batches as the recipe says, or as many as hold about the number of planned rows."""
        return identity_batches(
            planned.labels,
            planned.cameras if self.cross_camera else None,
            batch_size=self.batch_size,
            instances=self.instances,
            rng=rng,
            batches=steps or max(1, round(len(planned) / self.batch_size)),
        )
