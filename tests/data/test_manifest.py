"""The manifest: what it refuses, what survives a file, its embeddings, and rows without names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reknow.data.columns import SCHEMA, SPLITS, is_unknown
from reknow.data.embeddings import Embeddings
from reknow.data.formats import table
from reknow.data.manifest import Manifest, encode, without_names
from reknow.errors import DataError


def small(**columns) -> Manifest:
    whole = {"rgb": ["a.jpg", "b.jpg", "c.jpg"], "split": ["train", "query", "gallery"], **columns}
    return Manifest.from_columns(whole, root=Path("/data"), name="small")


texts = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0\r"), max_size=8)
names = st.one_of(st.none(), texts.filter(lambda text: not is_unknown(text)))
rows = st.lists(
    st.tuples(names, names, st.sampled_from([None, *SPLITS]), st.none() | st.floats(0, 1e12)), min_size=1, max_size=6
)


@settings(deadline=None)
@given(rows, st.sampled_from([".csv", ".parquet"]))
def test_every_value_survives_a_file(tmp_path_factory, rows, suffix):
    identity, scene, split, time = (list(column) for column in zip(*rows, strict=True))
    manifest = Manifest.from_columns(
        {
            "rgb": [f"picture {row}, ümlaut.jpg" for row in range(len(rows))],
            "identity": identity,
            "scene": scene,
            "split": split,
            "time": time,
            "crop": ["0 0 4 8; 4 0 8 8"] * len(rows),
        },
        root=Path(),
        name="m",
    )
    path = tmp_path_factory.mktemp("m") / f"m{suffix}"
    manifest.write(path)
    back = table.read(str(path))
    assert back.table.equals(manifest.table)
    assert back.fingerprint() == manifest.fingerprint()


def test_leading_zeros_of_an_identity_survive_a_csv(tmp_path):
    small(identity=["0001", "0010", "1e5"]).write(tmp_path / "m.csv")
    assert table.read(str(tmp_path / "m.csv")).column("identity") == ["0001", "0010", "1e5"]


def test_observations_default_to_picture_and_crop():
    manifest = Manifest.from_columns(
        {"observation": ["mine", None, ""], "rgb": ["f.jpg", "f.jpg", None], "nir": [None, None, "n.jpg"],
         "crop": [None, "0 0 4 8", None]},
        root=Path(), name="m",
    )  # fmt: skip
    assert manifest.column("observation") == ["mine", "f.jpg@0 0 4 8", "n.jpg"]
    assert manifest.spectra == ("rgb", "nir")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"camrea": ["1", "2", "3"]}, "column 'camrea': unknown column. Did you mean 'camera'"),
        ({"camera": ["1"]}, "columns of different lengths"),
        ({"rgb": ["a.jpg", None, "c.jpg"]}, "row 1 .observation 'row-1'.: no picture in any spectrum"),
        ({"rgb": ["a.jpg", "c.jpg", "c.jpg"]}, "row 2: observation 'c.jpg' stands twice"),
        ({"split": ["train", "test", None]}, "row 1, column 'split': 'test'"),
        ({"caption": ["1", "2", "3"]}, r"column 'caption': unknown column.*own=\{'caption': \.\.\.\}"),
    ],
)
def test_nonsense_is_refused_by_row(columns, message):
    with pytest.raises(DataError, match=message):
        small(**columns)


def test_selection_keeps_order_and_takes_masks():
    manifest = small()
    assert manifest.select([2, 0]).column("rgb") == ["c.jpg", "a.jpg"]
    assert manifest.select(np.array([True, False, True])).column("rgb") == ["a.jpg", "c.jpg"]
    assert len(manifest.select([])) == 0
    assert manifest.split("query").column("rgb") == ["b.jpg"]
    assert manifest.training().column("rgb") == ["a.jpg"]
    assert len(small(split=[None] * 3).training()) == 3


def test_codes_follow_the_sorted_names():
    assert small(camera=["2", None, "1"]).codes("camera").tolist() == [1, -1, 0]
    assert encode(["x", "new"], ["x"])[0].tolist() == [0, -1]


@settings(deadline=None)
@given(st.lists(st.none() | st.text(max_size=3)))
def test_encoding_can_be_undone(values):
    codes, vocabulary = encode(values)
    assert [None if code < 0 else vocabulary[code] for code in codes] == values


def test_fingerprint_sees_every_cell():
    prints = {
        small().fingerprint(),
        small(camera=["1", "2", "3"]).fingerprint(),
        small(scene=["1", "2", "3"]).fingerprint(),
    }
    assert len(prints) == 3
    assert small().fingerprint() == small().fingerprint()


def test_nothing_is_half_written(tmp_path, monkeypatch):
    (tmp_path / "m.csv").write_text("precious")

    def full(table, path):
        Path(path).write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pyarrow.csv, "write_csv", full)
    with pytest.raises(DataError, match=r"m\.csv: cannot be written \(.*No space left"):
        small().write(tmp_path / "m.csv")
    assert (tmp_path / "m.csv").read_text() == "precious"
    assert [path.name for path in tmp_path.iterdir()] == ["m.csv"]


def test_unwritable_places_are_named(tmp_path):
    with pytest.raises(DataError, match="cannot be written"):
        small().write(tmp_path / "absent" / "m.csv")
    with pytest.raises(DataError, match=r"suffix '\.xlsx'"):
        small().write(tmp_path / "m.xlsx")


# --- embeddings


def embeddings() -> Embeddings:
    return Embeddings(np.eye(3, 5, dtype=np.float32), small(identity=["x", "y", "y"]), "fingerprint")


def test_embeddings_survive_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "split=train").mkdir()  # a name that Parquet readers like to take for a column
    there = tmp_path / "split=train" / "e.parquet"
    embeddings().write(there)
    back = Embeddings.read(there)
    assert np.array_equal(back.vectors, embeddings().vectors)
    assert back.vectors.dtype == np.float32
    assert back.manifest == embeddings().manifest
    assert back.recognizer == "fingerprint"


def test_embeddings_of_a_relative_root_are_read_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    manifest = Manifest.from_columns({"rgb": ["a.jpg"]}, root=Path("pictures"), name="m")
    Embeddings(np.ones((1, 2), np.float32), manifest).write(tmp_path / "e.parquet")
    assert Embeddings.read(tmp_path / "e.parquet").manifest.root == tmp_path / "pictures"


def test_embeddings_select_rows_and_vectors_together():
    picked = embeddings().split("gallery")
    assert picked.manifest.column("rgb") == ["c.jpg"]
    assert picked.vectors.tolist() == [[0, 0, 1, 0, 0]]
    assert len(embeddings().select(np.array([2, 1]))) == 2


def test_embeddings_refuse_another_number_of_vectors():
    with pytest.raises(DataError, match="2 vectors for 3 rows"):
        Embeddings(np.ones((2, 4), np.float32), small())


def test_what_is_no_embeddings_file_is_refused(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        Embeddings.read(tmp_path / "e.parquet")
    (tmp_path / "e.parquet").write_text("text")
    with pytest.raises(DataError, match="not a Parquet file"):
        Embeddings.read(tmp_path / "e.parquet")
    small().write(tmp_path / "m.parquet")
    with pytest.raises(DataError, match="no column vector"):
        Embeddings.read(tmp_path / "m.parquet")
    uneven = small().table.append_column("vector", pa.array([[1.0], [1.0, 2.0], []]))
    pyarrow.parquet.write_table(uneven, tmp_path / "u.parquet")
    with pytest.raises(DataError, match="not all of one length"):
        Embeddings.read(tmp_path / "u.parquet")


def test_the_schema_is_the_one_that_the_design_names():
    assert SCHEMA.names == [
        "observation", "identity", "camera", "scene", "time", "tracklet", "split", "rgb", "nir", "tir", "crop"
    ]  # fmt: skip


def test_a_name_that_is_not_utf_8_is_refused_in_words():
    with pytest.raises(DataError, match=r"m, row 1, column '(rgb|observation)': 'caf\\xe9\.jpg', which is not UTF-8"):
        Manifest.from_columns({"rgb": ["a.jpg", "caf\udce9.jpg"]}, root=Path(), name="m")


def test_spaces_around_a_name_make_no_other_individual():
    manifest = small(identity=["1", " 1", "1 "], camera=["a", "a ", "  "])
    assert manifest.column("identity") == ["1", "1", "1"]
    assert manifest.column("camera") == ["a", "a", None]


# --- rows without names, for unsupervised methods


NAMED_ROWS = {
    "observation": ["0002_c1", "0002_c2", "0007_c1"],
    "identity": ["0002", "0002", "0007"],
    "camera": ["c1", "c2", None],
    "scene": ["night of 0002", "day", "night of 0002"],
    "tracklet": ["0002T1", "0002T2", None],
    "time": [1.0, 2.0, None],
    "split": ["train", "train", "train"],
    "rgb": ["0002_c1.jpg", "0002_c2.jpg", None],
    "tir": [None, "0002_c2_t.jpg", "0007_c1_t.jpg"],
    "crop": ["0 0 8 16", None, None],
}


def named_rows() -> Manifest:
    return Manifest.from_columns(
        NAMED_ROWS, root=Path("/data/0002"), name="some", notes=["0002 is lacking"], own={"nickname": ["a", "a", "b"]}
    )


def test_no_name_that_tells_an_identity_is_left() -> None:
    hidden = without_names(named_rows())
    written = repr((hidden.table.to_pylist(), hidden.root, hidden.notes))
    for telling in ("0002", "0007", "nickname", "night", ".jpg", "0 0 8 16"):
        assert telling not in written
    assert not hidden.has("identity") and hidden.own_columns == ()


def test_what_may_be_learned_from_is_left() -> None:
    hidden, whole = without_names(named_rows()), named_rows()
    for name in ("camera", "time", "split"):
        assert hidden.column(name) == whole.column(name)
    assert hidden.column("scene") == ["0", "1", "0"]
    assert hidden.column("tracklet") == ["0", "1", None]
    assert hidden.spectra == ("rgb", "tir")
    for spectrum in ("rgb", "nir", "tir"):
        expected = [reference is not None for reference in whole.column(spectrum)]
        assert [reference is not None for reference in hidden.column(spectrum)] == expected
    assert (hidden.name, hidden.protocol, len(hidden)) == ("some", "market", 3)
