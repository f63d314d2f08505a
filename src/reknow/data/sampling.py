"""Samplers: which rows stand together in a batch. Positions in, lists of positions out; no pictures are touched.

:func:`identity_batches` is the P x K sampler with the cross-camera rule of cluster contrast and its descendants
(decision 10 in docs/methods/cluster_contrast.md). Per pass, identities are permuted; each gives K pictures: a random
anchor, then K - 1 from other cameras than the anchor's if the identity has any, otherwise from the anchor's own camera.
Decisions:

- The released code yields a single index for an identity with one picture, which breaks P x K for the rest of the
  epoch. Here the anchor is repeated, so every batch has K rows of every identity.
- The released code draws without replacement where at least K candidates exist; K - 1 are enough, so that is our limit.
- A row of unknown camera (-1) is never excluded and, as an anchor, excludes only itself.
- With fewer than P identities a batch holds all of them, so it is smaller than `batch_size`; tiny data sets work.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Int

from reknow.errors import DataError, RecipeError


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
    members = _Members(labels, cameras)
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


class _Members:
    """The rows sorted by identity and camera, so that "the others" of a row are a range with a gap."""

    def __init__(self, labels: Int[np.ndarray, "rows"], cameras: Int[np.ndarray, "rows"] | None) -> None:
        rows = np.flatnonzero(labels >= 0)
        # An unknown camera becomes one that no other row has: it excludes nothing but its own row.
        camera = -1 - rows if cameras is None else np.where(cameras[rows] < 0, -1 - rows, cameras[rows])
        order = np.lexsort((camera, labels[rows]))
        self.rows, label, camera = rows[order], labels[rows][order], camera[order]
        new_identity = np.diff(label, prepend=-1) != 0
        new_camera = new_identity | (np.diff(camera, prepend=0) != 0)
        self.start = np.flatnonzero(new_identity)
        self.end = np.append(self.start[1:], len(label))
        camera_start = np.flatnonzero(new_camera)
        group = np.cumsum(new_camera) - 1
        self.camera_start = camera_start[group]
        self.camera_end = np.append(camera_start[1:], len(label))[group]

    def draw(
        self, identities: Int[np.ndarray, "drawn"], instances: int, rng: np.random.Generator
    ) -> Int[np.ndarray, "drawn instances"]:
        """For each identity a random anchor and `instances` - 1 others."""
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


def random_batches(
    rows: int, batch_size: int, *, rng: np.random.Generator, batches: int | None = None
) -> list[Int[np.ndarray, "_"]]:
    """Batches of 0 to `rows` - 1 in random order, without repetition within a pass.

    Args:
        rows: number of rows.
        batch_size: rows per batch; all of them where there are fewer.
        rng: the only source of randomness.
        batches: how many, over as many passes as that takes; None means one pass. Of every pass the last, partial
            batch is dropped.
    """
    if not rows:
        raise DataError("training rows", found="none", remedy="Train on at least one row.")
    size = min(batch_size, rows)
    count = rows // size if batches is None else batches
    made: list[np.ndarray] = []
    while len(made) < count:
        made.extend(rng.permutation(rows)[: rows // size * size].reshape(-1, size))
    return made[:count]


def sequential_batches(rows: int, batch_size: int) -> list[Int[np.ndarray, "_"]]:
    """Every row once, in order; the last batch may be smaller.

    Example:
        >>> sequential_batches(5, 2)
        [array([0, 1]), array([2, 3]), array([4])]
    """
    return [np.arange(first, min(first + batch_size, rows)) for first in range(0, rows, batch_size)]
