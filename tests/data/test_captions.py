"""Captions: the file that holds them, what it refuses, and what a manifest gets of it."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reknow.data.captions import (
    LONGEST,
    Caption,
    Captions,
    captioned,
    captions_in,
    paraphrases_in,
    picture_keys,
    with_captions,
)
from reknow.data.columns import SCHEMA
from reknow.data.formats import open_dataset
from reknow.data.formats.table import import_dataset
from reknow.data.manifest import Manifest, one_spectrum_a_row, without_names
from reknow.errors import DataError

A, B = Caption("a man in red", ("red on a man", "a red man")), Caption("eine Frau 🐐")


def small(**columns) -> Manifest:
    own = columns.pop("own", None)
    whole = {"rgb": ["0001_c1.jpg", "0002_c1.jpg", "0003_c1.jpg"], **columns}
    return Manifest.from_columns(whole, root=Path("/data"), name="small", own=own)


def written(path: Path, captions: object, **fields: object) -> Path:
    header = {"version": 1, "captioner": "hand", "settings": {}, "captions": captions}
    path.write_text(json.dumps({**header, **fields}), encoding="utf-8")
    return path


# --- the file

keys = st.text(st.characters(exclude_categories=("Cs",)))
lines = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=12).filter(
    lambda text: text.strip()
)


@settings(deadline=None)
@given(
    st.dictionaries(st.text(st.characters(exclude_categories=("Cs",))), st.tuples(lines, st.lists(lines, max_size=3)))
)
def test_what_is_written_is_read_with_spaces_joined(tmp_path_factory, said):
    path = tmp_path_factory.mktemp("c") / "captions.json"
    captions = {key: Caption(text, tuple(others)) for key, (text, others) in said.items()}
    Captions("hand", {"seed": 3, "weights": "a"}, captions).write(path)
    back = Captions.read(path)
    assert (back.captioner, back.settings) == ("hand", {"seed": 3, "weights": "a"})
    assert back.of_picture == {
        key: Caption(" ".join(text.split()), tuple(" ".join(other.split()) for other in others))
        for key, (text, others) in said.items()
    }
    assert all("\n" not in caption.text for caption in back.of_picture.values())


def test_a_file_has_a_line_for_each_picture_and_is_replaced_as_a_whole(tmp_path, monkeypatch):
    path = tmp_path / "captions.json"
    Captions("hand", {}, {"a.jpg": A, "b.jpg": B}).write(path)
    assert '"b.jpg": {"caption": "eine Frau 🐐", "paraphrases": []}' in path.read_text(encoding="utf-8").splitlines()
    before = path.read_bytes()

    def full_disk(self, data):
        raise OSError("no space left")

    monkeypatch.setattr(Path, "write_bytes", full_disk)
    with pytest.raises(DataError, match=r"captions\.json: cannot be written"):
        Captions("hand", {}, {}).write(path)
    assert path.read_bytes() == before and [*tmp_path.iterdir()] == [path]


def test_a_byte_order_mark_and_a_caption_without_paraphrases_are_read(tmp_path):
    path = written(tmp_path / "c.json", {"a.jpg": {"caption": "  a\n man "}})
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert Captions.read(path).of_picture == {"a.jpg": Caption("a man")}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"caption": " \n"}, "'a.jpg': an empty caption"),
        ({"caption": 3}, "'a.jpg': a number; expected a text"),
        ({"caption": True}, "a truth value; expected a text"),
        ({"caption": None}, "null; expected a text"),
        ({"caption": "a\0b"}, "a null character"),
        ({"caption": "\ud800"}, "half of a surrogate pair"),
        ({"caption": "a" * (LONGEST + 1)}, "'a.jpg': 100,001 characters; expected at most 100,000"),
        ({"caption": "a", "paraphrases": "b"}, "'a.jpg', paraphrases: a text; expected a list"),
        ({"caption": "a", "paraphrases": ["b", ""]}, "'a.jpg', paraphrases: an empty caption"),
        ({"caption": "a", "paraphrases": [["b"]]}, "'a.jpg', paraphrases: a list; expected a text"),
        ({"caption": "a", "paraphrase": []}, "field 'paraphrase': unknown field. Did you mean 'paraphrases'"),
        ({"paraphrases": []}, "'a.jpg': no field 'caption'"),
        ("a man", "'a.jpg': a text; expected an object such as"),
    ],
)
def test_a_wrong_entry_is_refused_with_file_and_picture(tmp_path, entry, message):
    path = written(tmp_path / "c.json", {"a.jpg": entry})
    with pytest.raises(DataError, match=message) as refused:
        Captions.read(path)
    assert str(refused.value).startswith(f"{path}, 'a.jpg'")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"version": 2}', "field 'version': 2; expected 1"),
        ('{"version": true}', "field 'version': true; expected 1"),
        ('{"a.jpg": "a man"}', "field 'version': no such field; expected 1"),
        ('{"version": 1, "captioner": "x", "settings": {}}', "no field 'captions'"),
        ('{"version": 1, "captioner": "x", "setting": {}, "captions": {}}', "Did you mean 'settings'"),
        ('{"version": 1, "captioner": 3, "settings": {}, "captions": {}}', "field 'captioner': a number"),
        (
            '{"version": 1, "captioner": "x", "settings": {}, "captions": []}',
            "field 'captions': a list; expected an o",
        ),
        ('{"captions": {"a": 1, "b": 2, "a": 3}}', "'a': it stands twice"),
        ("[1]", "a list; expected an object"),
        ("{", "not JSON"),
        ("", "not JSON"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_another_file_is_refused_with_its_name(tmp_path, text, message):
    path = tmp_path / "c.json"
    path.write_text(text)
    with pytest.raises(DataError, match=message) as refused:
        Captions.read(path)
    assert str(refused.value).startswith(str(path))


def test_a_file_that_is_not_there_a_folder_and_other_bytes_are_refused(tmp_path):
    (tmp_path / "latin.json").write_bytes(b'{"caption": "Stra\xdfe"}')
    for path, message in (
        (tmp_path / "no.json", "no such file; expected a file of captions"),
        (tmp_path, "it cannot be read"),
        (tmp_path / "latin.json", "not UTF-8"),
        (tmp_path / "a\0b", "it cannot be read"),
    ):
        with pytest.raises(DataError, match=message):
            Captions.read(path)


# --- a manifest with captions


def test_captions_become_own_columns_and_what_is_missing_is_noted():
    captions = {"0001_c1.jpg": A, "0003_c1.jpg": B, "gone.jpg": B, "too.jpg": B}
    manifest = with_captions(small(), captions, "c.json")
    assert manifest.column("caption") == ["a man in red", None, "eine Frau 🐐"]
    assert manifest.column("paraphrases") == ["red on a man\na red man", None, None]
    assert paraphrases_in(manifest.column("paraphrases")[0]) == A.paraphrases
    assert manifest.notes == (
        "c.json: 1 of 3 pictures of small have no caption.",
        "c.json: 2 of 4 captions are of no picture of small, such as 'gone.jpg'.",
    )
    assert captions_in(manifest) == {"0001_c1.jpg": A, "0003_c1.jpg": B}
    assert manifest.fingerprint() != small().fingerprint()


def test_captions_of_other_pictures_alone_are_refused():
    with pytest.raises(DataError, match=r"c\.json: no caption of .* small, but of 'x'; .* '0001_c1\.jpg'"):
        with_captions(small(), {"x": A}, "c.json")
    with pytest.raises(DataError, match=r"c\.json: no caption of a picture of small; expected"):
        with_captions(small(), {}, "c.json")


def test_a_caption_of_ten_thousand_words_is_read_with_a_note():
    manifest = with_captions(small(), {"0001_c1.jpg": Caption("word " * 10_000)}, "c.json")
    assert "c.json: 1 of 1 captions have more than 60 words, and text encoders of 77 tokens cut them." in manifest.notes
    assert len(manifest.column("caption")[0].split()) == 10_000


def test_columns_that_are_there_already_are_not_replaced():
    for columns in ({}, {"nir": ["1", "2", "3"]}):  # of rows of several pictures, other columns would be made
        with pytest.raises(DataError, match=r"'caption': a column of this name beside the captions of c\.json"):
            with_captions(small(own={"caption": ["mine"] * 3}, **columns), {"0001_c1.jpg": A}, "c.json")
    with pytest.raises(DataError, match="own column 'breed': the data set has one of this name already"):
        small(own={"breed": ["mine"] * 3}).with_own({"breed": ["yours"] * 3})


def test_every_panel_of_a_file_and_every_box_of_a_frame_has_a_key_of_its_own():
    panels = Manifest.from_columns(
        {"rgb": ["a.png", "f.jpg", "f.jpg"], "nir": ["a.png", None, None],
         "crop": ["0 0 4 8; 4  0 8 8", "0 0 2 2", "1 1 3 3"]},
        root=Path(), name="panels",
    )  # fmt: skip
    assert picture_keys(panels) == {
        "rgb": ["a.png@0 0 4 8", "f.jpg@0 0 2 2", "f.jpg@1 1 3 3"],
        "nir": ["a.png@4 0 8 8", None, None],
    }


def test_a_caption_stays_with_its_spectrum():
    """What is said of the color picture must not come with the infrared one."""
    pairs = small(nir=["n1.jpg", None, None], tir=[None, None, "t3.jpg"], rgb=["c1.jpg", "c2.jpg", None])
    said = {"c1.jpg": Caption("red", ("rosso",)), "n1.jpg": Caption("warm"), "c2.jpg": Caption("blue")}
    manifest = with_captions(pairs, said, "c.json")
    assert manifest.column("caption_rgb") == ["red", "blue", None]
    assert manifest.column("caption_nir") == ["warm", None, None]
    assert captions_in(manifest) == said
    apart = one_spectrum_a_row(manifest)
    assert apart.own_columns == ("caption", "paraphrases")
    assert list(zip(apart.column("rgb"), apart.column("nir"), apart.column("caption"), strict=True)) == [
        ("c1.jpg", None, "red"), (None, "n1.jpg", "warm"), ("c2.jpg", None, "blue"), (None, None, None)
    ]  # fmt: skip
    assert apart.column("paraphrases") == ["rosso", None, None, None]
    assert captions_in(apart) == said
    singles = one_spectrum_a_row(manifest.select([1, 2]))  # rows of one picture among others of several
    assert singles.column("caption") == ["blue", None]
    assert one_spectrum_a_row(singles) is singles


def test_a_table_s_own_column_serves_as_well(tmp_path):
    rows = "image,description,breed\na.jpg,a white goat,Boer\nb.jpg,,Boer\n"
    (tmp_path / "goats.csv").write_text(rows)
    manifest = open_dataset(f"table:{tmp_path}/goats.csv?captions=description")
    assert manifest.column("caption") == manifest.column("description") == ["a white goat", None]
    with pytest.raises(DataError, match=r"neither a file nor an own column 'descripton'\. Did you mean 'description'"):
        open_dataset(f"table:{tmp_path}/goats.csv?captions=descripton")
    (tmp_path / "goats.csv").write_text(rows.replace("description", "caption"))
    assert open_dataset(f"table:{tmp_path}/goats.csv?captions=caption").column("caption") == ["a white goat", None]
    with pytest.raises(DataError, match="column 'd', row 1: 100,001 characters"):
        captioned(small(own={"d": [None, "a" * (LONGEST + 1), None]}), "d")
    assert "60 words" in captioned(small(own={"d": ["w " * 61, None, None]}), "d").notes[-1]


def test_a_file_is_named_behind_a_data_set_and_survives_its_import(crops, tmp_path):
    keys = [path.name for path in sorted(crops.iterdir())]
    Captions("hand", {}, dict.fromkeys(keys[1:], A)).write(tmp_path / "c.json")
    manifest = open_dataset(f"folder:{crops}?captions={tmp_path}/c.json")
    assert manifest.column("caption").count(A.text) == len(keys) - 1
    assert f"c.json: 1 of {len(keys)} pictures" in manifest.notes[-1]
    for suffix in (".csv", ".parquet"):
        back = open_dataset(import_dataset(manifest, tmp_path / f"rows{suffix}"))
        assert {*captions_in(back).values()} == {A}
    with pytest.raises(DataError, match=r"no\.json: no such file"):
        open_dataset(f"folder:{crops}?captions={tmp_path}/no.json")


def test_no_key_reaches_a_method():
    """File names may hold identities: a method gets rows without own columns, and a network the cells alone."""
    captions = {"0001_c1.jpg": A, "0003_c1.jpg": B}
    manifest = with_captions(small(identity=["1", "2", "3"]), captions, "0001_c1.json")
    hidden = without_names(replace(manifest, notes=(*manifest.notes, "0001_c1.jpg")))
    assert hidden.own_columns == () and hidden.notes == ()
    assert not [cell for name in SCHEMA.names for cell in hidden.column(name) if cell and "_c1" in str(cell)]
    assert manifest.own_cells(["caption", "paraphrases"]) == {
        "caption": [A.text, None, B.text], "paraphrases": ["\n".join(A.paraphrases), None, None]
    }  # fmt: skip


def test_the_groceries_descriptions_can_be_captions(shared, tmp_path):
    file = shared / "data/groceries/descriptions.csv"
    if not file.is_file():
        pytest.skip("needs the descriptions of the groceries")
    with file.open(newline="", encoding="utf-8") as lines:
        said = {row["product"]: row["description"] for row in csv.DictReader(lines)}
    path = written(tmp_path / "c.json", {f"{name}/0.jpg": {"caption": text} for name, text in said.items()})
    manifest = small(rgb=[f"{name}/0.jpg" for name in said])
    assert with_captions(manifest, Captions.read(path).of_picture, "c.json").column("caption") == [*said.values()]
