"""Draws of galleries: the seeded one of most code bases, and published permutations."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from reknow.data.columns import DRAW_PLACES
from reknow.data.manifest import Manifest
from reknow.errors import EvaluationError
from reknow.evaluation.draws import GalleryDraw


def pool(shuffle=True, places=None):
    """Three individuals in cameras 1, 2 and 10, with 1 to 12 pictures each, in any order."""
    rows = [
        (identity, camera, f"cam{camera}/{identity}/{shot:04d}.jpg")
        for identity in ("0002", "0010", "0001")
        for camera, count in (("10", 12), ("1", 3), ("2", 1))
        for shot in range(1, count + 1)
    ]
    if shuffle:
        np.random.default_rng(0).shuffle(rows)
    columns = dict(zip(("identity", "camera", "rgb"), map(list, zip(*rows, strict=True)), strict=True))
    own = None if places is None else {DRAW_PLACES: places(rows)}
    return Manifest.from_columns(columns, root=Path(), name="pool", own=own)


def as_published_code_draws(trial, shots):
    """The rule as the data sets' loaders carry it out: one generator, individuals, then cameras, sorted files."""
    random.seed(trial)
    drawn = []
    for identity in ("0001", "0002", "0010"):
        for camera, count in (("1", 3), ("2", 1), ("10", 12)):
            files = [f"cam{camera}/{identity}/{shot:04d}.jpg" for shot in range(1, count + 1)]
            drawn += [random.choice(files)] if shots == 1 else random.sample(files, min(shots, count))
    return drawn


@pytest.mark.parametrize("shots", [1, 10])
def test_the_seeded_draw_is_that_of_published_code(shots):
    manifest = pool()
    galleries = GalleryDraw(shots).rows(manifest)
    assert len(galleries) == 10
    names = manifest.column("rgb")
    for trial, rows in enumerate(galleries):
        assert [names[row] for row in rows] == as_published_code_draws(trial, shots)


def test_rows_of_unknown_identity_or_camera_are_not_drawn():
    columns = {"rgb": ["a", "b", "c"], "identity": ["1", None, "1"], "camera": ["1", "1", None]}
    manifest = Manifest.from_columns(columns, root=Path(), name="pool")
    assert [rows.tolist() for rows in GalleryDraw(trials=2).rows(manifest)] == [[0], [0]]
    with pytest.raises(EvaluationError, match="no row that has both an identity and a camera"):
        GalleryDraw().rows(manifest.select([1, 2]))


def reversed_places(rows):
    """In trial 0 the last picture of each identity and camera is the first; in trial 1 the second one."""
    counts = {"10": 12, "1": 3, "2": 1}
    shots = [int(name[-8:-4]) for _, _, name in rows]
    sizes = [counts[camera] for _, camera, _ in rows]
    return [f"{size - shot} {(shot - 2) % size}" for shot, size in zip(shots, sizes, strict=True)]


def test_published_draws_decide_where_the_data_have_them():
    manifest = pool(places=reversed_places)
    first, second = GalleryDraw(shots=2, trials=2).rows(manifest)
    names = manifest.column("rgb")
    assert [names[row] for row in first][:5] == [
        "cam1/0001/0003.jpg", "cam1/0001/0002.jpg", "cam2/0001/0001.jpg", "cam10/0001/0012.jpg", "cam10/0001/0011.jpg"
    ]  # fmt: skip
    assert [names[row] for row in second][:2] == ["cam1/0001/0002.jpg", "cam1/0001/0003.jpg"]


def test_published_draws_that_lack_a_trial_or_are_damaged():
    manifest = pool(places=reversed_places)
    with pytest.raises(EvaluationError, match="row 0, column 'draw_places': places in 2 trials; expected places in 10"):
        GalleryDraw().rows(manifest)
    with pytest.raises(EvaluationError, match="'first'; expected whole numbers"):
        GalleryDraw(trials=1).rows(pool(places=lambda rows: ["first"] * len(rows)))
