"""A recognizer on disk: it comes back as it was, its card is in words, and what is damaged or foreign is named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import reknow
from reknow.data.transforms import Preprocessing
from reknow.errors import RecognizerError
from reknow.models.embedder import EmbedderConfig
from reknow.models.transformer import TransformerConfig
from reknow.recognizer import SHIPPED, Card, Recognizer, load
from reknow.recognizer.card import in_words

CARD = Card(
    name="made/tiny",
    trained_on="folder:crops",
    data_fingerprint="0123456789abcdef",
    identities=6,
    spectra=("rgb", "nir"),
    started_from=("Loaded 10 of 12 tensors of a ViT.", "The position table was resized."),
    scores={"mAP (folder:crops, market)": 41.25},
    license="CC0-1.0",
    intended_use="Tests.",
    limits="Everything else.",
)


def tiny(**trunk: int) -> Recognizer:
    torch.manual_seed(0)
    shape = TransformerConfig(image_size=(32, 16), width=16, depth=1, heads=2, patch_size=8, stride=8, **trunk)
    config = EmbedderConfig(trunk=shape)
    return Recognizer(config, config.build(), Preprocessing(size=(32, 16)), CARD, "cpu")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tiny().save(tmp_path / "recognizer")
    return tmp_path / "recognizer"


def test_it_comes_back_as_it_was(folder: Path) -> None:
    saved, loaded = tiny(), load(folder, "cpu")
    assert (loaded.config, loaded.preprocessing, loaded.card) == (saved.config, saved.preprocessing, saved.card)
    assert loaded.fingerprint == saved.fingerprint
    picture = np.random.default_rng(0).integers(0, 256, (40, 20, 3), dtype=np.uint8)
    assert np.array_equal(loaded.embed(picture), saved.embed(picture))


def test_a_run_is_loaded_by_the_recognizer_in_it(folder: Path) -> None:
    assert reknow.load(folder.parent, device="cpu").card == CARD


def test_a_folder_is_never_overwritten_and_no_half_of_one_is_left(folder: Path) -> None:
    with pytest.raises(RecognizerError, match="already exists"):
        tiny().save(folder)
    (folder.parent / "file").touch()
    with pytest.raises(RecognizerError, match="cannot be written"):
        tiny().save(folder.parent / "file" / "recognizer")
    assert {path.name for path in folder.parent.iterdir()} == {"recognizer", "file"}


def test_the_readme_says_what_a_stranger_needs(folder: Path) -> None:
    text = (folder / "README.md").read_text()
    for said in (
        "16 numbers per picture", "32 x 16 pixels", "spectrum rgb and nir", "folder:crops", "0123456789abcdef",
        "6 identities", "Loaded 10 of 12 tensors of a ViT. The position table was resized.", "CC0-1.0", "Tests.",
        "Everything else.", "mAP (folder:crops, market): 41.2", "cameras: not used",
    ):  # fmt: skip
        assert said in text, said
    assert text == in_words(CARD, tiny().config, Preprocessing(size=(32, 16)), 16)


def test_the_readme_says_what_an_unknown_camera_gets() -> None:
    knows = tiny(cameras=4)
    text = in_words(knows.card, knows.config, knows.preprocessing, knows.dim)
    assert "codes 0 to 3 of the training cameras; unknown (-1, or none given) gets the mean of the table" in text


def test_a_card_without_the_newer_fields_loads(folder: Path) -> None:
    content = json.loads((folder / "recognizer.json").read_text())
    for name in ("spectra", "started_from"):
        del content["card"][name]
    content["card"]["type"] = "reknow.recognizer.Card"
    (folder / "recognizer.json").write_text(json.dumps(content))
    assert load(folder).card.spectra == ("rgb",)


def test_the_shipped_readme_is_that_of_its_card() -> None:
    shipped = load()
    words = in_words(shipped.card, shipped.config, shipped.preprocessing, shipped.dim)
    assert (SHIPPED / "README.md").read_text() == words


def change(field: str, value: object) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        content = json.loads((folder / "recognizer.json").read_text())
        part, _, name = field.rpartition(".")
        (content[part] if part else content)[name] = value
        (folder / "recognizer.json").write_text(json.dumps(content))

    return damage


def tensors(name: str, tensor: torch.Tensor | None) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        state = load_file(folder / "model.safetensors")
        state.pop(name, None)
        save_file(state if tensor is None else {**state, name: tensor}, folder / "model.safetensors")

    return damage


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (shutil.rmtree, "no recognizer.json"),
        (lambda folder: (folder / "recognizer.json").unlink(), "no recognizer.json"),
        (lambda folder: (folder / "recognizer.json").write_text("{"), "recognizer.json: damaged"),
        (lambda folder: (folder / "recognizer.json").write_bytes(b"\xff\x00"), "recognizer.json: damaged"),
        (lambda folder: (folder / "recognizer.json").write_text("[1]"), "recognizer.json: a list; expected an object"),
        (lambda folder: (folder / "recognizer.json").write_text("{}"), "field 'network': nothing; expected Network"),
        (change("card", "mine"), "field 'card': a str; expected Card"),
        (change("preprocessing", {"size": [1, 2]}), "field 'preprocessing': a dict; expected Preprocessing"),
        (
            change("network.type", "os.system"),
            "field 'type': 'os.system', a class of the package 'os'; expected",
        ),
        (change("network.fetaure", "cls"), "field 'fetaure': not a field of EmbedderConfig"),
        (change("network.feature", "cls+extra"), "network.feature: 'cls+extra' on a trunk without extra tokens"),
        (lambda folder: (folder / "model.safetensors").unlink(), "model.safetensors: damaged"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"short"), "model.safetensors: damaged"),
        (tensors("trunk.norm.bias", None), "tensor 'trunk.norm.bias': none; expected one of size (16,)"),
        (tensors("trunk.norm.bias", torch.zeros(8)), "'trunk.norm.bias': one of size (8,); expected one of size (16,)"),
        (tensors("classifier", torch.zeros(9, 16)), "tensor 'classifier': one of size (9, 16); expected none"),
    ],
)
def test_what_is_damaged_is_named(folder: Path, damage: Callable[[Path], object], says: str) -> None:
    damage(folder)
    with pytest.raises(RecognizerError) as caught:
        load(folder)
    assert says in str(caught.value)
    assert str(folder) in caught.value.where
    assert caught.value.remedy


def test_what_is_no_folder_is_none(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(RecognizerError, match=r"no recognizer\.json"):
            load(path)
