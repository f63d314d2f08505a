"""Closed sets: what is declared, who asks, who answers, and what the doctor says of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reknow.data.doctor import check_manifest
from reknow.data.embeddings import Embeddings
from reknow.data.formats import open_dataset
from reknow.data.formats.table import import_dataset
from reknow.data.manifest import Manifest, closed_set
from reknow.errors import DataError
from reknow.recognizer.evaluation import EvaluationSplit


@pytest.fixture
def shop(tmp_path):
    """Three products, two pictures of each to train on, one to ask with."""
    generator = np.random.default_rng(0)
    for split, shots in (("train", 2), ("test", 1)):
        for product in ("juice", "milk", "oats"):
            for shot in range(shots):
                path = tmp_path / "shop" / split / product / f"{shot}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(generator.integers(0, 255, (64, 32, 3), dtype=np.uint8)).save(path)
    return tmp_path / "shop"


def test_what_is_under_test_asks_and_what_is_trained_on_answers(shop):
    manifest = open_dataset(f"folder:{shop}?identity=subfolder&gallery=train")
    assert manifest.closed
    assert len(manifest.training()) == 6 and len(manifest.rows_of("query")) == 3
    split = EvaluationSplit.of(manifest)
    assert split is not None
    assert len(split.query) == 3 and len(split.gallery) == 6
    assert {split.manifest.column("split")[row] for row in split.gallery} == {"train"}
    assert split.notes == ("A closed set: the gallery holds the training pictures (gallery=train).",)


def test_without_the_option_nothing_asks_and_the_note_names_it(shop):
    manifest = open_dataset(f"folder:{shop}?identity=subfolder")
    assert not manifest.closed
    assert not len(manifest.rows_of("query"))
    assert any("add gallery=train" in note for note in manifest.notes)


def test_the_doctor_knows_that_it_is_meant(shop):
    kinds = {
        finding.kind for finding in check_manifest(open_dataset(f"folder:{shop}?identity=subfolder&gallery=train"))
    }
    assert not kinds & {"identity_in_train_and_test", "split", "query_without_match"}


def test_of_a_table_the_rows_of_the_gallery_ask_where_no_query_does(shop, tmp_path):
    table = tmp_path / "rows.csv"
    lines = [f"shop/train/{name}/{shot}.png,{name},train" for name in ("juice", "milk") for shot in (0, 1)]
    table.write_text("\n".join(["rgb,identity,split", *lines, "shop/test/milk/0.png,milk,gallery"]))
    with_gallery = open_dataset(f"table:{table}")
    assert {finding.kind for finding in check_manifest(with_gallery)} >= {"identity_in_train_and_test", "split"}
    manifest = open_dataset(f"table:{table}?gallery=train")
    assert manifest.column("split")[-1] == "query" and len(manifest.gallery_rows()) == 4


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_table_and_embeddings_remember_it(shop, tmp_path, suffix):
    manifest = open_dataset(f"folder:{shop}?identity=subfolder&gallery=train")
    assert open_dataset(import_dataset(manifest, tmp_path / f"rows{suffix}")).closed
    Embeddings(np.eye(9, dtype=np.float32), manifest).write(tmp_path / "e.parquet")
    assert Embeddings.read(tmp_path / "e.parquet").manifest.closed


def test_gallery_rows_and_training_rows_both_answer():
    columns = {"rgb": list("abc"), "identity": list("xxx"), "split": ["train", "query", "gallery"]}
    manifest = Manifest.from_columns(columns, root=Path(), name="made")
    assert manifest.gallery_rows().tolist() == [2]
    assert closed_set(manifest).gallery_rows().tolist() == [0, 2]


@pytest.mark.parametrize(
    ("splits", "option", "message"),
    [
        (["train", "query"], "test", "'test'; expected train"),
        (["query", "gallery"], "train", "no row in the split 'train'"),
        (["train", "train"], "train", "no row but those to train on"),
    ],
)
def test_what_cannot_be_a_closed_set_is_refused(splits, option, message):
    manifest = Manifest.from_columns({"rgb": ["a", "b"], "split": splits}, root=Path(), name="made")
    with pytest.raises(DataError, match=message):
        closed_set(manifest, option)


def test_every_format_takes_it_and_a_protocol(tmp_path):
    world = "world:target?train_identities=2&test_identities=2&cameras=2"
    assert open_dataset(f"{world}&gallery=train&protocol=no_camera").closed
    assert open_dataset(f"{world}&protocol=no_camera").protocol == "no_camera"
    with pytest.raises(DataError, match="Did you mean 'protocol'"):
        open_dataset(f"{world}&protocl=no_camera")


@pytest.mark.parametrize("half", ["query", "gallery"])
def test_half_of_an_evaluation_is_not_completed_by_guessing(half):
    from reknow.errors import EvaluationError
    from reknow.recognizer.evaluation import evaluation_split

    columns = {"rgb": list("abcd"), "identity": list("xxyy"), "split": ["train", half, "train", half]}
    manifest = Manifest.from_columns(columns, root=Path(), name="made")
    assert EvaluationSplit.of(manifest) is None
    with pytest.raises(EvaluationError, match=f"rows of the split {half} but none.*gallery=train"):
        evaluation_split(manifest, "table:made.csv")


def test_queries_drawn_from_rows_that_nobody_trains_on_say_so():
    columns = {"rgb": list("abcd"), "identity": list("xxyy"), "split": ["query"] * 4}
    split = EvaluationSplit.of(Manifest.from_columns(columns, root=Path(), name="made"))
    assert split is not None
    assert split.notes == ("The data have no query and gallery: queries were drawn from its rows.",)
