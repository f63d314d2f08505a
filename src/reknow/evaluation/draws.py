"""Gallery draws: the pictures of each individual and camera that make the gallery of a trial.

SYSU-MM01 and LLCM have far more gallery pictures than a trial uses. Ten trials each draw one picture (single-shot) or
ten (multi-shot) of every individual in every camera, and the mean over the trials is reported. Two kinds of draw are
in use, and their numbers differ by tenths of a point to points:

- *seeded draws*, of most code bases: trial t starts Python's generator with the seed t, goes through the individuals
  and, within each, the cameras, both in ascending order, and chooses among the sorted names of the pictures;
- *published draws*, of SYSU-MM01's authors: a file holds a permutation of the pictures of every individual in every
  camera for each trial, of which a trial uses the first. The reader of the data set writes each picture's places in
  these permutations into a column (:data:`~reknow.data.columns.DRAW_PLACES`). Where a gallery has it, it decides.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from reknow.data.columns import DRAW_PLACES
from reknow.data.manifest import Manifest, encode
from reknow.errors import EvaluationError
from reknow.observation import SPECTRA


@dataclass(frozen=True)
class GalleryDraw:
    """How the galleries of the trials are drawn.

    Attributes:
        shots: pictures of each individual in each camera; all of them where there are fewer.
        trials: how many galleries.
    """

    shots: int = 1
    trials: int = 10

    def rows(self, gallery: Manifest) -> list[Int[np.ndarray, "_"]]:
        """One array of gallery rows for each trial: published draws where the gallery has them, else seeded ones.

        Rows without an identity or a camera are never drawn.

        Args:
            gallery: every picture that may be drawn.

        Raises:
            EvaluationError: no row with identity and camera, or published draws that lack a trial or are damaged.
        """
        shots = _shots(gallery)
        if not shots:
            raise EvaluationError(
                f"{gallery.name}, gallery",
                found="no row that has both an identity and a camera",
                expected="both, as a trial draws pictures of each individual in each camera",
                remedy="Fill the columns 'identity' and 'camera', or hand in draws.",
            )
        if has_published_draws(gallery):
            return self._published(gallery, shots)
        return [self._seeded(shots, trial) for trial in range(self.trials)]

    def _seeded(self, shots: Sequence[Sequence[int]], seed: int) -> np.ndarray:
        generator = random.Random(seed)
        drawn: list[int] = []
        for rows in shots:
            if self.shots == 1:
                drawn.append(generator.choice(rows))
            else:
                drawn += generator.sample(rows, min(self.shots, len(rows)))
        return np.array(drawn, dtype=np.int64)

    def _published(self, gallery: Manifest, shots: Sequence[Sequence[int]]) -> list[np.ndarray]:
        places = _places(gallery, self.trials)
        return [
            np.array(
                [row for rows in shots for row in sorted(rows, key=lambda row: of_trial[row])[: self.shots]],
                dtype=np.int64,
            )
            for of_trial in places.T
        ]


def has_published_draws(gallery: Manifest) -> bool:
    """Whether :meth:`GalleryDraw.rows` uses published draws."""
    return DRAW_PLACES in gallery.own_columns


def camera_number(name: str) -> int | None:
    """The number that a camera's name ends with, by which published protocols name cameras; None without digits.

    Example:
        >>> camera_number("3"), camera_number("cam03"), camera_number("gate")
        (3, 3, None)
    """
    digits = re.search(r"\d+$", name)
    return int(digits[0]) if digits else None


def camera_numbers(manifest: Manifest) -> Int[np.ndarray, "rows"]:
    """(N,) :func:`camera_number` of every row's camera; -1 where there is none."""
    codes, names = encode(manifest.column("camera"))
    numbers = [camera_number(name) for name in names]
    return np.array([*(-1 if number is None else number for number in numbers), -1])[codes]


def checked_draws(
    draws: Sequence[Int[np.ndarray, "_"]], allowed: Int[np.ndarray, "rows"], gallery: Manifest, protocol: str
) -> list[Int[np.ndarray, "_"]]:
    """Draws that a caller hands in, as positions among the rows that the protocol allows in a gallery.

    Args:
        draws: for each trial, rows of `gallery`.
        allowed: ascending rows that the protocol allows.
        gallery: all rows.
        protocol: its name.

    Raises:
        EvaluationError: no draw, an empty one, rows that are not there or stand twice, or that the protocol excludes.
    """
    remedy = "Hand in one array of row numbers of the gallery for each trial, counted from 0."
    if not len(draws):
        raise EvaluationError(f"{protocol}, draws", found="no trial", expected="one or more", remedy=remedy)
    checked = []
    for trial, rows in enumerate(draws):
        where, drawn = f"{protocol}, draws, trial {trial}", np.asarray(rows)
        if drawn.ndim != 1 or not drawn.size or drawn.dtype.kind not in "iu":
            raise EvaluationError(
                where, found=f"{drawn.dtype} of shape {drawn.shape}", expected="one row number or more", remedy=remedy
            )
        outside = drawn[(drawn < 0) | (drawn >= len(gallery))]
        if outside.size:
            raise EvaluationError(
                where, found=f"row {outside[0]}", expected=f"0 to {len(gallery) - 1}, the rows there are", remedy=remedy
            )
        numbers, counts = np.unique(drawn, return_counts=True)
        if (counts > 1).any():
            raise EvaluationError(
                where,
                found=f"row {numbers[counts > 1][0]} {counts.max()} times",
                expected="each row once",
                remedy=remedy,
            )
        excluded = np.setdiff1d(numbers, allowed)
        if excluded.size:
            row = int(excluded[0])
            raise EvaluationError(
                where,
                found=f"row {row} ('{gallery.column('observation')[row]}', camera {gallery.column('camera')[row]})",
                expected=f"rows that {protocol} has in its gallery",
                remedy="Leave it out, or name another protocol.",
            )
        checked.append(np.searchsorted(allowed, drawn.astype(np.int64)))
    return checked


def _shots(gallery: Manifest) -> list[list[int]]:
    """The rows of each individual in each camera, in the order in which the seeded draw goes through them."""
    pictures = zip(*(gallery.column(spectrum) for spectrum in SPECTRA), strict=True)
    names = [rgb or nir or tir for rgb, nir, tir in pictures]
    keys = zip(gallery.column("identity"), camera_numbers(gallery).tolist(), gallery.column("camera"), strict=True)
    shots: dict[tuple[str, int, str], list[int]] = defaultdict(list)
    for row, key in enumerate(keys):
        if key[0] is not None and key[2] is not None:
            shots[key].append(row)
    return [sorted(shots[key], key=names.__getitem__) for key in sorted(shots)]


def _places(gallery: Manifest, trials: int) -> Int[np.ndarray, "rows trials"]:
    """The column of places as numbers; rows without any have none that is drawn."""
    places = np.full((len(gallery), trials), np.iinfo(np.int64).max)
    for row, cell in enumerate(gallery.column(DRAW_PLACES)):
        if cell is None:
            continue
        numbers = cell.split()
        where = f"{gallery.name}, row {row}, column '{DRAW_PLACES}'"
        if not all(number.isdecimal() for number in numbers):
            raise EvaluationError(
                where, found=f"'{cell}'", expected="whole numbers", remedy="Read the data set again, with its file."
            )
        if len(numbers) < trials:
            raise EvaluationError(
                where,
                found=f"places in {len(numbers)} trials",
                expected=f"places in {trials}",
                remedy="Take the permutation file from the data set's authors, or use seeded draws.",
            )
        places[row] = [int(number) for number in numbers[:trials]]
    return places
