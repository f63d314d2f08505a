"""What tests of methods share: a training set whose pictures nobody opens, and a moment in a run."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch import Tensor

from reknow.data.cache import Pictures
from reknow.data.manifest import Manifest
from reknow.data.transforms import Preprocessing
from reknow.methods.method import Moment
from reknow.methods.training_set import TrainingSet


class KnownSet(TrainingSet):
    """Rows whose embeddings are given; what is asked for beyond them fails."""

    def __init__(self, manifest: Manifest, embeddings: Tensor | None = None, names: bool = True) -> None:
        super().__init__(manifest, self._refused, Preprocessing(size=(32, 16)), names=names)
        self.embeddings = embeddings

    def embed(self, function):
        assert self.embeddings is not None, "this test gave no embeddings"
        return self.embeddings

    @staticmethod
    def _refused() -> Pictures:
        raise AssertionError("this test has no pictures")


def rows_of(count: int) -> Manifest:
    """Rows of color pictures without names."""
    return Manifest.from_columns({"rgb": [f"{row}.png" for row in range(count)]}, root=Path(), name="made")


@pytest.fixture
def moment() -> Moment:
    """The first step of a run of one."""
    return Moment(epoch=0, epochs=1, step=0, steps=1)


@pytest.fixture
def known_set():
    """Makes a training set from a manifest or a number of rows, and its embeddings."""

    def made(rows: Manifest | int, embeddings: Tensor | None = None, names: bool = True) -> TrainingSet:
        return KnownSet(rows_of(rows) if isinstance(rows, int) else rows, embeddings, names)

    return made
