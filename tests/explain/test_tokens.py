"""Which pictures are looked at, and what is known of them."""

from __future__ import annotations

import numpy as np
import pytest

from reknow.data.formats import open_dataset
from reknow.data.manifest import Manifest
from reknow.errors import DataError
from reknow.explain import tokens
from reknow.explain.choice import chooser_of
from reknow.explain.patches import covered
from reknow.explain.shares import person_mask
from reknow.explain.tokens import explain_tokens
from reknow.methods.tcmm.method import TCMMConfig
from reknow.recognizer import Card, Recognizer

WORLD = "world:target?train_identities=2&test_identities=2"


@pytest.fixture
def recognizer(tiny) -> Recognizer:
    return Recognizer(tiny.network, tiny.network.build(), tiny.preprocessing, Card(name="tiny"), "cpu")


@pytest.fixture
def chooser():
    return chooser_of(TCMMConfig(alpha=0.25))


def test_on_the_world_the_test_rows_are_measured(recognizer, chooser):
    manifest = open_dataset(WORLD)
    found = explain_tokens({"before": recognizer, "after": recognizer}, chooser, manifest, shown=2)
    test = {*manifest.split("query").column("observation"), *manifest.split("gallery").column("observation")}
    assert set(found.names) == test  # few enough that all are sampled
    reference = dict(zip(manifest.column("observation"), manifest.column("rgb"), strict=True))
    mask = person_mask(reference[found.names[3]])
    assert found.person is not None and mask is not None
    assert found.person[3].tolist() == covered(mask, (4, 2)).tolist()
    # One network twice: nothing can have changed, and the picture beside each choice is its own.
    assert [share.change and share.change.mean for share in found.shares] == [0.0, 0.0]
    again = chooser(recognizer.network, next(iter(batches(recognizer, found.pictures[3:4]))))
    assert again.positive.tolist() == found.choices["after"].positive[3:4].tolist()


def batches(recognizer: Recognizer, pictures: np.ndarray):
    from reknow.data.cache import Pictures
    from reknow.recognizer import evaluation_batches

    stored = Pictures.from_arrays({"rgb": pictures})
    rows = np.arange(len(pictures))
    return evaluation_batches(stored, rows, np.full(len(rows), -1), recognizer.preprocessing, "cpu")


def test_the_sample_is_bounded_and_always_the_same(recognizer, chooser, monkeypatch):
    monkeypatch.setattr(tokens, "MEASURED_AT_MOST", 5)
    first, second = (explain_tokens({"after": recognizer}, chooser, open_dataset(WORLD), shown=2) for _ in range(2))
    assert len(first.names) == 5 and first.names == second.names


def test_own_pictures_have_a_sheet_and_no_shares(recognizer, chooser, crops, monkeypatch):
    monkeypatch.setattr(tokens, "EMBEDDED_AT_ONCE", 4)
    seen = []
    manifest = open_dataset(f"folder:{crops}")
    found = explain_tokens(
        {"after": recognizer}, chooser, manifest, shown=6, progress=lambda done, total: seen.append((done, total))
    )
    assert len(found.names) == 6 and set(found.names) <= set(manifest.column("observation"))
    assert found.person is None and found.shares == () and found.facts()["shares"] == {}
    assert seen[-1] == (6, 6)


def test_training_rows_stand_in_where_there_are_no_test_rows(recognizer, chooser):
    manifest = open_dataset(WORLD)
    train = manifest.select(manifest.rows_of("train"))
    found = explain_tokens({"after": recognizer}, chooser, train, shown=1)
    assert set(found.names) == set(train.column("observation"))


def test_a_crop_of_the_world_is_not_measured_by_the_whole_mask(recognizer, chooser, tmp_path):
    rows = {"rgb": open_dataset(WORLD).column("rgb")[:3], "crop": ["0 0 32 64"] * 3}
    manifest = Manifest.from_columns(rows, root=tmp_path, name="cropped")
    assert explain_tokens({"after": recognizer}, chooser, manifest, shown=1).person is None


def test_nothing_to_look_at_is_an_error(recognizer, chooser):
    manifest = open_dataset(f"{WORLD}&spectra=nir")
    with pytest.raises(DataError, match="column 'rgb'"):
        explain_tokens({"after": recognizer}, chooser, manifest, shown=1)
    with pytest.raises(DataError, match="1 or more"):
        explain_tokens({"after": recognizer}, chooser, manifest, shown=0)


def test_numbers_are_percent(recognizer, chooser):
    facts = explain_tokens({"before": recognizer, "after": recognizer}, chooser, open_dataset(WORLD), shown=1).facts()
    share = facts["shares"]["negatives_on_background"]
    assert facts["patches"] == 8 and facts["negatives"] == 2 and facts["grid"] == [4, 2]
    assert 1 < share["chance"] <= 100
    assert share["after"]["low"] <= share["after"]["mean"] <= share["after"]["high"] <= 100
