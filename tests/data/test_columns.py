"""Own columns: what a user's table holds beside the manifest's columns stays with its rows, to the letter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reknow.data.columns import SCHEMA, plain_name
from reknow.data.doctor import check_manifest, summary
from reknow.data.embeddings import Embeddings
from reknow.data.formats import open_dataset
from reknow.data.formats.table import import_dataset
from reknow.data.manifest import Manifest, closed_set
from reknow.errors import ContractError, DataError

CAPTIONS = ['a "white" goat, 🐐\nthat stands', None, "Ziege; weiß"]


def small(own=None, **columns) -> Manifest:
    whole = {"rgb": ["a.jpg", "b.jpg", "c.jpg"], "split": ["train", "query", "gallery"], **columns}
    own = {"caption": CAPTIONS, "Breed": ["Boer", "none", ""]} if own is None else own
    return Manifest.from_columns(whole, root=Path("/data"), name="small", own=own)


def table(path: Path, text: str, encoding: str = "utf-8", options: str = "") -> Manifest:
    path.write_bytes(text.encode(encoding))
    return open_dataset(f"table:{path}{options}")


# --- the law: what goes into a file comes out of it

cells = st.none() | st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=12)
names = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=12).filter(
    lambda name: plain_name(name) not in {"", "vector", *SCHEMA.names}
)


@settings(deadline=None)
@given(
    st.dictionaries(names, st.tuples(cells, cells), max_size=4).filter(
        lambda own: len({name.strip() for name in own}) == len(own)
    ),
    st.sampled_from([".csv", ".parquet"]),
)
def test_every_own_cell_and_name_survives_a_file(tmp_path_factory, own, suffix):
    manifest = Manifest.from_columns({"rgb": ["a", "b"]}, root=Path(), name="m", own=own)
    path = tmp_path_factory.mktemp("m") / f"m{suffix}"
    back = open_dataset(import_dataset(manifest, path))  # which says extra=keep where a name looks misspelt
    assert back.own_columns == manifest.own_columns == tuple(name.strip() for name in own)
    assert back.cells(back.own_columns) == manifest.cells(manifest.own_columns)
    assert list(back.cells(back.own_columns).values()) == [
        [None if cell is None else cell.strip() or None for cell in column] for column in own.values()
    ]
    Embeddings(np.eye(2, dtype=np.float32), manifest).write(path.with_name("e.parquet"))
    assert Embeddings.read(path.with_name("e.parquet")).manifest.table.equals(manifest.table)


# --- the manifest


def test_own_columns_travel_with_their_rows():
    manifest = small()
    assert manifest.own_columns == ("caption", "Breed")
    assert manifest.cells(["caption", "weight"]) == {"caption": CAPTIONS, "weight": [None] * 3}
    assert manifest.column("Breed") == ["Boer", "none", None]  # nobody is named "none" here
    assert manifest.select([2, 0]).column("caption") == [CAPTIONS[2], CAPTIONS[0]]
    assert manifest.split("query").column("Breed") == ["none"]
    closed = closed_set(small(split=["train", "train", "gallery"]))
    assert closed.cells(closed.own_columns) == manifest.cells(manifest.own_columns)


def test_own_columns_count_in_the_fingerprint_and_their_order_does_not():
    # The number is that of the version before own columns: runs of that time can be resumed.
    assert small({}).fingerprint() == "53504ac709a3c684"
    ordered, turned = {"x": list("abc"), "y": list("def")}, {"y": list("def"), "x": list("abc")}
    assert small(ordered).fingerprint() == small(turned).fingerprint()
    exchanged, one, renamed, empty = {"x": list("def"), "y": list("abc")}, {"x": "abc"}, {"z": "abc"}, {"x": [""] * 3}
    others = [{}, ordered, exchanged, one, renamed, empty]
    assert len({small(own).fingerprint() for own in others}) == len(others)


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({"identity": "abc"}, "own column 'identity': it takes the name of a manifest's column. Rename it"),
        ({" 'Camera'": "abc"}, "own column ''Camera'': it takes the name of a manifest's column.*'own_camera'"),
        ({"Vector": "abc"}, "'Vector': it takes the name of an embeddings file's vectors"),
        ({"": "abc"}, "small: an own column without a name"),
        ({" ' ": "abc"}, "an own column without a name"),
        ({"a\nb": "abc"}, r"own column 'a\\nb': a line end or control character"),
        ({"a\x1bb": "abc"}, r"own column 'a\\x1bb': a line end or control"),
        ({"a\udce9": "abc"}, "a line end or control character"),
        ({"x": "abc", " x": "abc"}, "own column 'x': two columns of this name"),
        ({"x": ["a", "b\0", "c"]}, "small, row 1, column 'x': a null character"),
        (
            {"x": ["a", "b", "caf\udce9"]},
            r"small, row 2, column 'x': 'caf\\xe9', which is not UTF-8. Write it in UTF-8",
        ),
        ({"x": "ab"}, "columns of different lengths"),
    ],
)
def test_own_columns_that_could_not_be_read_back_are_refused(own, message):
    with pytest.raises(DataError, match=message):
        small(own)


def test_embeddings_keep_own_columns_and_read_files_without(tmp_path):
    manifest = small(identity=["x", "y", "y"])
    Embeddings(np.eye(3, dtype=np.float32), manifest).write(tmp_path / "e.parquet")
    assert Embeddings.read(tmp_path / "e.parquet").manifest == manifest
    whole = pyarrow.parquet.ParquetFile(tmp_path / "e.parquet").read()
    pyarrow.parquet.write_table(whole.drop_columns(["caption", "Breed"]), tmp_path / "old.parquet")
    assert Embeddings.read(tmp_path / "old.parquet").manifest.own_columns == ()
    pyarrow.parquet.write_table(whole.append_column("group", pa.array([1, 2, 3])), tmp_path / "more.parquet")
    assert Embeddings.read(tmp_path / "more.parquet").manifest == manifest  # as ever, another program's numbers go


def test_embeddings_are_a_table_too(tmp_path):
    Embeddings(np.eye(3, dtype=np.float32), small()).write(tmp_path / "e.parquet")
    back = open_dataset(f"table:{tmp_path}/e.parquet")
    assert back.column("caption") == CAPTIONS
    assert "e.parquet: left out column 'vector', whose cells are fixed_size_list<element: float>[3]." in back.notes


# --- tables


def test_unknown_columns_of_a_table_are_kept_and_said(tmp_path):
    manifest = table(tmp_path / "m.csv", 'image,Caption,id,weight\na,"Oh, ""no""\nyes", 1, 07.50 \nb,,2,\n')
    assert manifest.own_columns == ("Caption", "weight")
    assert manifest.column("Caption") == ['Oh, "no"\nyes', None]
    assert manifest.column("weight") == ["07.50", None]
    assert manifest.notes[-1] == "m.csv: kept as own columns: Caption, weight."
    many = ",".join(f"q{number}" for number in range(12))
    assert table(tmp_path / "n.csv", f"rgb,{many}\na{',' * 12}\n").notes == (
        "n.csv: kept as own columns: q0, q1, q2, q3, q4, q5, q6, q7, q8, q9 and 2 more.",
    )


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("identiy", "identity"),
        ("Camara", "camera"),
        ("splitt", "split"),
        ("camera_id", "camera"),
        ("cam", "camera"),
        ("CamID", "camera"),
        ("person id", "person"),
        ("labels", "label"),
        ("track", "tracklet"),
        ("ir", "tir"),
    ],
)
def test_a_misspelt_name_does_not_silently_become_an_own_column(tmp_path, name, near):
    text = f"rgb,{name}\na,1\n"
    with pytest.raises(
        DataError, match=rf"'{name}': unknown column. Did you mean '{near}'\?.*extra=keep.*extra=ignore"
    ):
        table(tmp_path / "m.csv", text)
    assert table(tmp_path / "m.csv", text, options="?extra=keep").own_columns == (name,)
    assert table(tmp_path / "m.csv", text, options="?extra=ignore").own_columns == ()
    with pytest.raises(DataError, match="unknown column"):
        table(tmp_path / "m.csv", text, options="?extra=refuse")


@pytest.mark.parametrize(
    "name",
    ["caption", "breed", "age", "colour", "weight", "location", "timestamp", "site", "group", "notes", "width", "tile"],
)
def test_words_of_ones_own_are_no_misspellings(tmp_path, name):
    assert table(tmp_path / "m.csv", f"rgb,{name}\na,1\n").own_columns == (name,)


def test_a_name_is_no_misspelling_of_a_column_that_is_there(tmp_path):
    text = "rgb,camera,camera_id,identity\na,1,axis-7,\n"
    assert table(tmp_path / "m.csv", text).own_columns == ("camera_id",)
    with pytest.raises(DataError, match=r"'camera_id'.*Did you mean 'camera'"):  # there, but without a cell
        table(tmp_path / "m.csv", text.replace(",1,", ",,"))


def test_a_synonym_beside_the_column_itself_is_something_else(tmp_path):
    for text in ("rgb,label,identity\na,goat,7\n", "rgb,identity,label\na,7,goat\n"):
        manifest = table(tmp_path / "m.csv", text)
        assert manifest.column("identity") == ["7"]
        assert manifest.column("label") == ["goat"]
        assert manifest.notes == ("m.csv: kept as own columns: label.",)
        with pytest.raises(DataError, match="'label': 'identity' is the identity too"):
            table(tmp_path / "m.csv", text, options="?extra=refuse")
    # A table that was imported without labels and got them in a column of another name: they must not be lost.
    text = "rgb,identity,label\na,,7\n"
    for options in ("", "?extra=ignore"):
        with pytest.raises(DataError, match=r"column 'label': 'identity' is the identity too. Keep one.*extra=keep"):
            table(tmp_path / "m.csv", text, options=options)
    kept = table(tmp_path / "m.csv", text, options="?extra=keep")
    assert kept.own_columns == ("label",)
    assert import_dataset(kept, tmp_path / "n.csv").endswith("?extra=keep")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rgb,camera,Camera\na,1,2\n", "column 'Camera': 'camera' is the camera too. Keep one, and rename the other"),
        ("rgb,id,person\na,1,2\n", "column 'person': 'id' is the identity too"),
        ("rgb,caption,caption\na,1,2\n", "line 1: two columns named 'caption'"),
        ("rgb,\na,1\n", "column 2: a column without a name. Name it"),
        ("rgb,Vector\na,1\n", "own column 'Vector': it takes the name of an embeddings file's vectors"),
    ],
)
@pytest.mark.parametrize("options", ["", "?extra=keep"])
def test_two_columns_are_not_one(tmp_path, text, message, options):
    with pytest.raises(DataError, match=message):
        table(tmp_path / "m.csv", text, options=options)


def test_own_columns_of_a_data_frame_are_written_as_a_user_would(tmp_path):
    columns = {
        "image": ["a", "b"],
        "age": [3.0, float("nan")],
        "weight": [7.25, None],
        "caption": pa.array([b"wei\xc3\x9f", None], pa.binary()),
        "breed": pa.array(["Boer", "Boer"]).dictionary_encode(),
        "born": pa.array([1_600_000_000_000_000_001, None], pa.timestamp("ns")),
        "boxes": [[1, 2], [3]],
    }
    pyarrow.parquet.write_table(pa.table(columns), tmp_path / "m.parquet")
    manifest = open_dataset(f"table:{tmp_path}/m.parquet")
    assert manifest.cells(manifest.own_columns) == {
        "age": ["3", None],
        "weight": ["7.25", None],
        "caption": ["weiß", None],
        "breed": ["Boer", "Boer"],
        "born": ["2020-09-13 12:26:40", None],
    }
    assert "m.parquet: left out column 'boxes', whose cells are list<element: int64>." in manifest.notes


def test_parquet_that_cannot_be_text_names_the_cell(tmp_path):
    pyarrow.parquet.write_table(pa.table({"image": ["a", "b"], "caption": [b"x", b"wei\xdf"]}), tmp_path / "m.parquet")
    with pytest.raises(DataError, match=r"row 1, column 'caption': b'wei\\xdf'; expected text in UTF-8.*extra=ignore"):
        open_dataset(f"table:{tmp_path}/m.parquet")
    pyarrow.parquet.write_table(pa.table({"image": [["a", "b"]]}), tmp_path / "n.parquet")
    with pytest.raises(DataError, match="column 'image': cells of list<element: string>; expected text"):
        open_dataset(f"table:{tmp_path}/n.parquet")
    twice = pa.Table.from_arrays([pa.array(["a"])] * 3, names=["image", "x", "x "])
    pyarrow.parquet.write_table(twice, tmp_path / "o.parquet")
    with pytest.raises(DataError, match="column 'x': two columns of this name"):
        open_dataset(f"table:{tmp_path}/o.parquet")


# --- encodings


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (
            "image,caption\na,white\nb,weiß\n",
            "line 3, column 'caption': 'wei\\\\xdf', .* would be 'weiß' in Windows-1252",
        ),
        ('image,caption\na,"white\ngoat"\nb,"rot\nweiß"\n', "line 4, column 'caption': 'rot\nwei\\\\xdf'"),
        ("image,größe\na,1\n", "line 1: 'gr\\\\xf6\\\\xdfe'"),
        ('image,caption\na,"open\nb,weiß\n', "line 3: '.*wei\\\\xdf"),
    ],
)
def test_another_encoding_is_refused_with_its_cell(tmp_path, text, where):
    with pytest.raises(DataError, match=rf"m\.csv, {where}"):
        table(tmp_path / "m.csv", text, "latin-1")


def test_utf_8_with_a_byte_order_mark_and_utf_16(tmp_path):
    text = "caption,image\nweiß 🐐,a\n"
    assert table(tmp_path / "m.csv", text, "utf-8-sig").column("caption") == ["weiß 🐐"]
    for encoding in ("utf-16", "utf-16-le", "utf-16-be"):
        with pytest.raises(DataError, match=r"UTF-16.*Save it as CSV in UTF-8"):
            table(tmp_path / "m.csv", text, encoding)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_caption_of_ten_thousand_words(tmp_path, suffix):
    caption = " ".join(f"extraordinarily-long-{number}" for number in range(10_000))  # more than csv takes by itself
    manifest = Manifest.from_columns({"rgb": ["a"]}, root=tmp_path, name="m", own={"caption": [caption]})
    back = open_dataset(import_dataset(manifest, tmp_path / f"m{suffix}"))
    assert back.column("caption") == [caption]


def test_a_quoted_name_of_many_delimiters(tmp_path):
    manifest = Manifest.from_columns({"rgb": ["a"]}, root=tmp_path, name="m", own={"a;b" * 20: ["x"]})
    assert open_dataset(import_dataset(manifest, tmp_path / "m.csv")).column("a;b" * 20) == ["x"]


# --- looking at them


def test_the_summary_shows_own_columns_in_a_line():
    manifest = small({"caption": ["x\n" * 100, "a\x1b[31m b", None], "sex": ["f", "m", "f"], "empty": [None] * 3})
    assert summary(manifest)["own_columns"] == {
        "caption": {"filled": 2, "distinct": 2, "examples": [("x " * 29)[:57] + "...", "a [31m b"]},
        "sex": {"filled": 3, "distinct": 2, "examples": ["f", "m"]},
        "empty": {"filled": 0, "distinct": 0, "examples": []},
    }
    assert summary(small({}))["own_columns"] == {}


def test_the_doctor_takes_no_notice():
    assert [finding.message for finding in check_manifest(small())] == [
        finding.message for finding in check_manifest(small({}))
    ]


def test_a_network_reads_own_columns_alone_and_says_what_lacks() -> None:
    manifest = Manifest.from_columns(
        {"rgb": ["a.png", "b.png"], "identity": ["1", "2"]}, root=Path(), name="some", own={"captoin": ["a dog", None]}
    )
    assert manifest.own_cells(["captoin", "caption"]) == {"captoin": ["a dog", None], "caption": [None, None]}
    for ours in ("identity", "rgb", "observation", "tracklet"):
        with pytest.raises(ContractError, match=f"'{ours}', a column of every manifest"):
            manifest.own_cells([ours])
    assert manifest.notes_on(["captoin"]) == ("The network reads the column 'captoin', which is empty in 1 of 2 rows.",)
    (note,) = manifest.notes_on(["caption"])
    assert "'caption', which some lacks" in note and "Did you mean 'captoin'?" in note


def test_captions_that_are_missing_are_told_once_and_where_they_come_from():
    manifest = Manifest.from_columns({"rgb": ["a.png"]}, root=Path(), name="some")
    (note,) = manifest.notes_on(("caption", "paraphrases"))
    assert "'caption', which some lacks" in note and "captions=FILE (reknow caption makes one)" in note
    (alone,) = manifest.notes_on(("paraphrases",))
    assert "'paraphrases', which some lacks" in alone
