"""Which observations are looked at."""

from __future__ import annotations

import numpy as np
import pytest

from reknow.data.formats import open_dataset
from reknow.data.manifest import Manifest
from reknow.errors import DataError
from reknow.explain import sample
from reknow.explain.sample import Looking
from reknow.recognizer import Card, Recognizer

WORLD = "world:target?train_identities=2&test_identities=2"


@pytest.fixture
def looking(tiny):
    def made(manifest: Manifest, *, recipe=tiny, shown: int = 1, **settings) -> Looking:
        recognizer = Recognizer(recipe.network, recipe.network.build(), recipe.preprocessing, Card(name="made"), "cpu")
        return Looking({"after": recognizer}, manifest, shown, **settings)

    return made


def test_test_rows_are_looked_at_and_training_rows_where_there_are_none(looking):
    manifest = open_dataset(WORLD)
    train = manifest.select(manifest.rows_of("train"))
    tested = {*manifest.split("query").column("observation"), *manifest.split("gallery").column("observation")}
    assert set(looking(manifest).sample().column("observation")) == tested
    assert set(looking(train).sample().column("observation")) == set(train.column("observation"))


def test_the_sample_is_bounded_and_always_the_same(looking, monkeypatch):
    monkeypatch.setattr(sample, "MEASURED_AT_MOST", 5)
    names = [looking(open_dataset(WORLD), shown=2).sample().column("observation") for _ in range(2)]
    assert len(names[0]) == 5 and names[0] == names[1]
    assert len(looking(open_dataset(WORLD), shown=7).sample()) == 7


def test_one_of_the_networks_spectra_is_enough(looking, editor, tmp_path):
    pictures = open_dataset(WORLD).column("rgb")[:3]
    rows = {"rgb": [pictures[0], None, pictures[1]], "tir": [None, pictures[2], None]}
    manifest = Manifest.from_columns(rows, root=tmp_path, name="made")
    assert len(looking(manifest, recipe=editor).sample()) == 3
    assert len(looking(manifest).sample()) == 2


def test_nothing_to_look_at_is_an_error(looking, editor):
    manifest = open_dataset(f"{WORLD}&spectra=nir")
    with pytest.raises(DataError, match="column 'rgb'"):
        looking(manifest).sample()
    with pytest.raises(DataError, match="1 or more"):
        looking(open_dataset(WORLD), shown=0).sample()


def test_what_cannot_be_measured_is_one_batch(looking, monkeypatch):
    monkeypatch.setattr(sample, "EVALUATED_AT_ONCE", 4)
    manifest = open_dataset(WORLD)
    assert len(looking(manifest).few(manifest)) == 4
    assert len(looking(manifest, shown=6).few(manifest)) == 6


def test_every_network_sees_every_picture_in_order(looking, monkeypatch):
    seen = []
    rows = open_dataset(WORLD).select(np.arange(5))
    made = looking(rows, progress=lambda done, total: seen.append((done, total)))
    choices = made.choices(
        rows, made.pictures(rows), lambda network, batch: (batch.index.tolist(), batch.camera.tolist())
    )
    assert choices == {"after": [([0, 1, 2, 3, 4], [-1] * 5)]}
    assert seen == [(5, 5)]
