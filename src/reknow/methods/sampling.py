"""Batch rules: which planned rows are in a batch together, as values in a recipe or in the plan of an epoch.

A rule reads labels, cameras and spectra of the planned rows and nothing else. The field has two P x K rules, P
identities with K pictures each. In a pass of :class:`Sampling` (cluster contrast, PASS, TCMM) every identity gives K
pictures, so all identities weigh the same. In a pass of :class:`ExhaustiveSampling` (the strong baseline, TransReID,
EDITOR) an identity gives all its pictures, K at a time (or K drawn with replacement, where it has fewer), so identities
weigh by their pictures. A method that draws in another way (as many visible pictures as infrared ones) has a rule of
its own.

:func:`identity_batches` draws P x K with the cross-camera rule of cluster contrast and its descendants (decision 10 in
docs/methods/cluster_contrast.md). Per pass, identities are permuted; each gives K pictures: a random anchor, then K - 1
from other cameras than the anchor's if the identity has any, otherwise from the anchor's own camera. Decisions:

- The released code yields a single index for an identity with one picture, which breaks P x K for the rest of the
  epoch. Here the anchor is repeated, so every batch has K rows of every identity.
- The released code draws without replacement where at least K candidates exist; K - 1 are enough, so that is our limit.
- A row of unknown camera (-1) is never excluded and, as an anchor, excludes only itself.
- With fewer than P identities a batch holds all of them, so it is smaller than `batch_size`; tiny data sets work.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

from reknow.errors import DataError, RecipeError
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
    """P identities with K pictures each (:func:`identity_batches`).

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
        _check_instances(self.batch_size, self.instances)

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


@dataclass(frozen=True, kw_only=True)
class ExhaustiveSampling(BatchRule):
    """P identities with K pictures each, until fewer than P identities have pictures left (:func:`exhaustive_batches`).

    Attributes:
        batch_size: pictures per step, over all processes; a multiple of instances, so that 128 with 16 instances are 8
            identities with 16 pictures each.
        instances: pictures per identity in a batch.
        statistics_over: pictures that the statistics of batch norms are computed over, a divisor of the batch size
            above 1; None means the whole batch.
    """

    instances: PositiveInt = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_instances(self.batch_size, self.instances)

    def draw(self, planned: PlannedRows, rng: np.random.Generator, steps: int | None) -> list[Int[np.ndarray, "_"]]:
        """The batches of one pass; where the recipe fixes their number, of as many passes as give it.

        Raises:
            DataError: fewer identities than a batch holds, or none with as many pictures as a batch holds of it.
        """

        def one_pass() -> list[Int[np.ndarray, "_"]]:
            return exhaustive_batches(planned.labels, batch_size=self.batch_size, instances=self.instances, rng=rng)

        batches = one_pass()
        while steps and len(batches) < steps:
            batches += one_pass()
        return batches[:steps]


def _check_instances(batch_size: int, instances: int) -> None:
    if batch_size % instances:
        whole = max(instances, batch_size - batch_size % instances)
        raise RecipeError(
            "sampling.batch_size",
            found=f"{batch_size} with {instances} instances",
            expected="a multiple of sampling.instances, since a batch has that many pictures of each identity",
            remedy=f"Write --sampling.batch-size {whole}, or another number of --sampling.instances.",
        )


def identity_batches(
    labels: Int[np.ndarray, "rows"],
    cameras: Int[np.ndarray, "rows"] | None,
    *,
    batch_size: int,
    instances: int,
    rng: np.random.Generator,
    batches: int | None = None,
) -> list[Int[np.ndarray, "_"]]:
    """Batches of P identities times K rows, P = `batch_size` / `instances`.

    Args:
        labels: identity or pseudo-label per row; rows with -1 (outliers) are never drawn.
        cameras: camera per row, -1 where unknown; None turns the cross-camera rule off.
        batch_size: P times K.
        instances: K, rows per identity.
        rng: the only source of randomness.
        batches: how many; passes over the identities are repeated, each with a new permutation, until that many are
            made. None means one pass, which draws each identity once, with K rows. Of every pass the last, partial
            batch is dropped.

    Returns:
        positions into `labels`; in each batch the K rows of an identity stand together, the anchor first.

    Raises:
        RecipeError: `batch_size` is not a multiple of `instances`.
        DataError: no row has a label.
    """
    if instances < 1 or batch_size < 1 or batch_size % instances:
        raise RecipeError(
            "sampling",
            found=f"batch_size {batch_size} with instances {instances}",
            expected="a multiple of instances",
            remedy=f"Set batch_size to {max(1, batch_size // max(1, instances)) * max(1, instances)}.",
        )
    members = Members(labels, cameras)
    if not len(members.start):
        raise DataError("training rows", found="no row has a label", remedy="Train on rows with labels 0 and up.")
    identities = min(batch_size // instances, len(members.start))
    per_pass = len(members.start) // identities
    made: list[np.ndarray] = []
    count = per_pass if batches is None else batches
    while len(made) < count:
        order = rng.permutation(len(members.start))[: per_pass * identities]
        rows = members.draw(order, instances, rng)
        made.extend(rows.reshape(per_pass, identities * instances))
    return made[:count]


def exhaustive_batches(
    labels: Int[np.ndarray, "rows"], *, batch_size: int, instances: int, rng: np.random.Generator
) -> list[Int[np.ndarray, "batch"]]:
    """One pass of the sampler that the strong baseline, TransReID and EDITOR release.

    The rows of an identity are shuffled and cut into groups of K; a remainder below K stays out of the pass, and an
    identity with fewer than K rows gives one group, drawn with replacement. Each batch takes a group of P identities,
    drawn from all that have one left, until fewer than P have. The number of batches depends on the draws.

    Args:
        labels: identity per row, 0 and up; rows with -1 are never drawn.
        batch_size: P times K.
        instances: K, rows per identity.
        rng: the only source of randomness.

    Returns:
        positions into `labels`; in each batch the K rows of an identity stand together.

    Raises:
        DataError: fewer than P identities, or none with K rows.
    """
    order = np.argsort(labels, kind="stable")[np.count_nonzero(labels < 0) :]
    members = np.split(order, np.flatnonzero(np.diff(labels[order])) + 1) if len(order) else []
    _check_identities([len(rows) for rows in members], batch_size // instances, instances)
    groups: list[list[Int[np.ndarray, "instances"]]] = []
    for rows in members:
        if len(rows) < instances:
            groups.append([rng.choice(rows, instances)])
        else:
            groups.append(list(rng.permutation(rows)[: len(rows) // instances * instances].reshape(-1, instances)))
    left = np.array([len(of_identity) for of_identity in groups])
    batches = []
    while len(having := np.flatnonzero(left)) >= batch_size // instances:
        drawn = rng.choice(having, batch_size // instances, replace=False)
        batches.append(np.concatenate([groups[identity].pop() for identity in drawn]))
        left[drawn] -= 1
    return batches


def _check_identities(sizes: list[int], identities: int, instances: int) -> None:
    if len(sizes) < identities:
        raise DataError(
            "training rows",
            found=f"{len(sizes)} {'identity' if len(sizes) == 1 else 'identities'}",
            expected=f"at least {identities}, since a batch holds that many",
            remedy=f"Write --sampling.batch-size {max(1, len(sizes)) * instances}, or add identities.",
        )
    if max(sizes) < instances:
        raise DataError(
            "training rows",
            found=f"no identity with more than {max(sizes)} {'picture' if max(sizes) == 1 else 'pictures'}",
            expected=f"one with {instances}, since a batch holds that many of each identity",
            remedy=f"Write --sampling.instances {max(sizes)} --sampling.batch-size {identities * max(sizes)}.",
        )


class Members:
    """The rows sorted by identity and camera, so that "the others" of a row are a range with a gap.

    Args:
        labels: (n,) identity or pseudo-label; rows with -1 are never drawn.
        cameras: (n,), -1 where unknown; None turns the cross-camera rule off.

    Attributes:
        identities: (I,) the labels in use, in ascending order.
    """

    def __init__(self, labels: Int[np.ndarray, "rows"], cameras: Int[np.ndarray, "rows"] | None) -> None:
        rows = np.flatnonzero(labels >= 0)
        # An unknown camera becomes one that no other row has: it excludes nothing but its own row.
        camera = -1 - rows if cameras is None else np.where(cameras[rows] < 0, -1 - rows, cameras[rows])
        order = np.lexsort((camera, labels[rows]))
        self.rows, label, camera = rows[order], labels[rows][order], camera[order]
        new_identity = np.diff(label, prepend=-1) != 0
        new_camera = new_identity | (np.diff(camera, prepend=0) != 0)
        self.start = np.flatnonzero(new_identity)
        self.identities = label[self.start]
        self.end = np.append(self.start[1:], len(label))
        camera_start = np.flatnonzero(new_camera)
        group = np.cumsum(new_camera) - 1
        self.camera_start = camera_start[group]
        self.camera_end = np.append(camera_start[1:], len(label))[group]

    def draw(
        self, identities: Int[np.ndarray, "drawn"], instances: int, rng: np.random.Generator
    ) -> Int[np.ndarray, "drawn instances"]:
        """For each identity a random anchor and `instances` - 1 others; identities by their place in `identities`."""
        start, end = self.start[identities], self.end[identities]
        anchor = rng.integers(start, end)
        gap_start, gap_end = self.camera_start[anchor], self.camera_end[anchor]
        single_camera = (gap_start == start) & (gap_end == end)
        gap_start = np.where(single_camera, anchor, gap_start)
        gap_end = np.where(single_camera, anchor + 1, gap_end)
        candidates = end - start - (gap_end - gap_start)
        chosen = _choose(candidates, instances - 1, rng) + start[:, None]
        chosen += np.where(chosen >= gap_start[:, None], (gap_end - gap_start)[:, None], 0)
        chosen = np.where(candidates[:, None] > 0, chosen, anchor[:, None])
        return self.rows[np.concatenate([anchor[:, None], chosen], axis=1)]


def _choose(sizes: Int[np.ndarray, "draws"], count: int, rng: np.random.Generator) -> Int[np.ndarray, "draws count"]:
    """Per row, `count` numbers below its size: distinct where the size allows it, else independent; 0 for size 0."""
    sizes = np.maximum(sizes, 1)
    chosen = rng.integers(0, sizes[:, None], (len(sizes), count))
    enough = np.flatnonzero(sizes >= count)
    # Floyd's algorithm, one column a step for all rows at once: a number that was taken is replaced by the newest.
    distinct = np.empty((len(enough), count), dtype=np.int64)
    for column in range(count):
        newest = sizes[enough] - count + column
        number = rng.integers(0, newest + 1)
        taken = (distinct[:, :column] == number[:, None]).any(axis=1)
        distinct[:, column] = np.where(taken, newest, number)
    chosen[enough] = distinct
    return chosen
