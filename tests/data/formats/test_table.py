"""Tables in and out: what users write in spreadsheets, and the import that moves a data set into one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from PIL import Image

from reknow.data.cache import Pictures
from reknow.data.doctor import check_manifest
from reknow.data.formats import open_dataset
from reknow.data.formats.table import import_dataset
from reknow.data.manifest import Manifest
from reknow.data.pictures import read_picture
from reknow.errors import DataError


def write(path: Path, text: str, encoding: str = "utf-8") -> str:
    path.write_text(text, encoding=encoding)
    return f"table:{path}"


def test_a_simple_list(tmp_path):
    manifest = open_dataset(write(tmp_path / "my.csv", "Image, Label\na.jpg,0007\nb.jpg,\n".replace(", ", ",")))
    assert manifest.column("rgb") == ["a.jpg", "b.jpg"]
    assert manifest.column("identity") == ["0007", None]
    assert manifest.root == tmp_path
    assert manifest.name == "my"
    assert manifest.notes == ("my.csv: column 'Image' is read as rgb.", "my.csv: column 'Label' is read as identity.")


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_spreadsheets_of_other_countries(tmp_path, delimiter):
    text = 'rgb,identity,time,crop\n"a, b; c.jpg",ü1,1.5,0 0 4 8\n'.replace(
        "rgb,identity,time,crop", delimiter.join(("rgb", "identity", "time", "crop"))
    )
    text = text.replace('"a, b; c.jpg",ü1,1.5,0 0 4 8', delimiter.join(('"a, b; c.jpg"', "ü1", "1.5", "0 0 4 8")))
    manifest = open_dataset(write(tmp_path / "m.csv", text, "utf-8-sig"))
    assert manifest.column("rgb") == ["a, b; c.jpg"]
    assert manifest.column("identity") == ["ü1"]
    assert manifest.column("time") == [1.5]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rgb,camrea\na,1\n", r"column 'camrea': unknown column. Did you mean 'camera'\?.*extra=ignore"),
        ("path,image\na,b\n", "column 'image': 'path' is the rgb too"),
        ("identity,camera\n1,2\n", "expected a picture's path in a column rgb, nir, tir or image"),
        ("rgb\n", "no rows"),
        ("", "cannot be read"),
        ("rgb,camera\na\n", "cannot be read"),
        ("rgb,time\na,noon\n", "row 0, column 'time': 'noon'; expected seconds"),
        ("rgb,split\na,test\n", "row 0, column 'split': 'test'"),
        ("rgb,camera\n,1\n", "row 0 .observation 'row-0'.: no picture"),
    ],
)
def test_wrong_tables(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        open_dataset(write(tmp_path / "m.csv", text))


def test_wrong_files(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        open_dataset(f"table:{tmp_path}/m.csv")
    with pytest.raises(DataError, match=r"a folder; expected a \.csv"):
        open_dataset(f"table:{tmp_path}")
    with pytest.raises(DataError, match=r"suffix '\.xlsx'"):
        open_dataset(write(tmp_path / "m.xlsx", "x"))
    with pytest.raises(DataError, match="cannot be read"):
        open_dataset(write(tmp_path / "m.parquet", "x"))
    with pytest.raises(DataError, match="CSV in UTF-8"):
        open_dataset(write(tmp_path / "latin.csv", "rgb\nfür.jpg\n", "latin-1"))


def test_extra_columns_can_be_left_out(tmp_path):
    spec = write(tmp_path / "m.csv", "rgb,width\na,1\n")
    assert open_dataset(f"{spec}?extra=ignore").column("rgb") == ["a"]
    with pytest.raises(DataError, match="Did you mean 'ignore'"):
        open_dataset(f"{spec}?extra=ignored")


def test_numbers_of_a_data_frame_become_what_the_user_wrote(tmp_path):
    columns = {"path": ["a", "b", "c"], "id": [1.0, float("nan"), 12.0], "camera": [3, 4, None]}
    pyarrow.parquet.write_table(pa.table(columns), tmp_path / "m.parquet")
    manifest = open_dataset(f"table:{tmp_path}/m.parquet")
    assert manifest.column("identity") == ["1", None, "12"]
    assert manifest.column("camera") == ["3", "4", None]


# --- text stays text


def identities(spec: str) -> list[str | None]:
    return open_dataset(spec).column("identity")


@pytest.mark.parametrize(
    "text",
    [
        "image, id\na.jpg,0001\nb.jpg,1\n",
        " image , id , camera \na.jpg,0001,\nb.jpg,1,\n",
        "\nimage,id\na.jpg,0001\nb.jpg,1\n",
        "\n \n,,\n\nimage,id\n\na.jpg,0001\n,\nb.jpg,1\n\n",
        '"image","id"\n"a.jpg","0001"\n"b.jpg","1"\n',
        '"image" , "id" \n"a.jpg" , "0001" \n"b.jpg", "1"\n',
        "image,id,\na.jpg,0001,\nb.jpg,1,\n",
        "image,id,,\na.jpg,0001,,\nb.jpg,1\n",
        "image,id\na.jpg,0001,\nb.jpg,1,,\n",
        "image,id\ra.jpg,0001\rb.jpg,1\r",
        "image,id\r\na.jpg,0001\r\nb.jpg,1",
        "\r\nimage;ID\r\na.jpg; 0001\r\nb.jpg;1 \r\n",
        "image\tid\na.jpg\t0001\nb.jpg\t1\n",
        "id,image,camera\n0001,a.jpg,\n1,b.jpg,007\n",
    ],
)
@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_two_identities_stay_two_however_the_table_is_written(tmp_path, text, start):
    (tmp_path / "m.csv").write_bytes((start + text).encode())
    manifest = open_dataset(f"table:{tmp_path}/m.csv")
    assert manifest.column("identity") == ["0001", "1"]
    assert manifest.column("rgb") == ["a.jpg", "b.jpg"]


def test_spaces_around_a_cell_make_no_other_individual(tmp_path):
    assert identities(write(tmp_path / "m.csv", 'rgb,id\na, 0001\nb,0001 \nc,"0001"\nd," 0001 "\ne,1\n')) == [
        *["0001"] * 4,
        "1",
    ]


@pytest.mark.parametrize("column", ["identity", "camera", "scene", "tracklet", "observation", "tir", "crop"])
def test_every_column_of_names_is_text(tmp_path, column):
    spec = write(tmp_path / "m.csv", f"rgb, {column}\na,007\nb,7.0\nc,1e3\nd,true\ne,2024-01-02\n")
    assert open_dataset(spec).column(column) == ["007", "7.0", "1e3", "true", "2024-01-02"]


def test_a_quoted_name_may_hold_the_delimiter(tmp_path):
    spec = write(tmp_path / "m.csv", 'image,"width, height",id\na.jpg,"1, 2",0001\n')
    assert identities(f"{spec}?extra=ignore") == ["0001"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,id,id\na,1,2\n", r"m\.csv, line 1: two columns named 'id'"),
        ("\n\nimage,id\na,1\nb\n", r"m\.csv, line 5: .*1 cells under 2 names"),
        ("image,id\na,1,2\n", r"m\.csv, line 2: .*3 cells under 2 names"),
        (",image\n0,a\n", r"m\.csv, column 1: a column without a name.*extra=ignore"),
        ('image,id\na,"0001\nb,2\n', r"m\.csv, line 2: a cell that cannot be read \(unexpected end"),
        ('image,id\na,"0001\nb,"2"\n', r"m\.csv, line 2: a cell that cannot be read"),
        ("sep=;\nimage;id\na;1\n", r"m\.csv, line 1: 'sep=;' in place of the header. Remove this line"),
        ('"sep=;"\r\nimage;id\r\na;1\r\n', "'sep=;' in place of the header"),
    ],
)
def test_what_can_be_read_in_two_ways_is_refused_with_its_line(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        open_dataset(write(tmp_path / "m.csv", text))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_refused_in_words(tmp_path, encoding):
    with pytest.raises(DataError, match=r"UTF-16.*Save it as CSV in UTF-8"):
        open_dataset(write(tmp_path / "m.csv", "image,id\na.jpg,0001\n", encoding))


def test_parquet_of_any_type_is_text(tmp_path):
    names = pa.array(["0001", "1", None])
    columns = {
        "image": pa.array(["a", "b", "c"]).cast(pa.large_string()),
        "id": names.dictionary_encode(),
        "camera": pa.array([1, 2, None], pa.int8()),
        "scene": names.cast(pa.binary()),
        "tracklet": names.cast(pa.large_string()).dictionary_encode(),
        "time": pa.array([1, 2, None], pa.int64()),
    }
    pyarrow.parquet.write_table(pa.table(columns), tmp_path / "m.parquet")
    manifest = open_dataset(f"table:{tmp_path}/m.parquet")
    assert manifest.column("identity") == ["0001", "1", None]
    assert manifest.column("camera") == ["1", "2", None]
    assert manifest.column("scene") == manifest.column("tracklet") == manifest.column("identity")
    assert manifest.column("time") == [1.0, 2.0, None]


def test_parquet_with_one_name_twice_or_bytes_that_are_no_text(tmp_path):
    twice = pa.Table.from_arrays([pa.array(["a"]), pa.array(["1"]), pa.array(["2"])], names=["image", "id", "id"])
    pyarrow.parquet.write_table(twice, tmp_path / "m.parquet")
    with pytest.raises(DataError, match="column 'id': 'id' is the identity too"):
        open_dataset(f"table:{tmp_path}/m.parquet")
    pyarrow.parquet.write_table(pa.table({"image": ["a"], "id": [b"\xff"]}), tmp_path / "n.parquet")
    with pytest.raises(DataError, match=r"row 0, column 'identity': b'\\xff'; expected text in UTF-8"):
        open_dataset(f"table:{tmp_path}/n.parquet")


# --- words for nobody


@pytest.mark.parametrize("word", ["-1", "unknown", "UNKNOWN", "nan", "None", "null", "N/A", "na", "?", "undefined"])
@pytest.mark.parametrize("column", ["identity", "camera", "scene", "tracklet"])
def test_words_that_mean_nobody_are_empty_cells_and_said(tmp_path, word, column):
    spec = write(tmp_path / "m.csv", f"rgb,{column}\na,{word}\nb,0\nc, {word}\nd,\n")
    manifest = open_dataset(spec)
    assert manifest.column(column) == [None, "0", None, None]
    (note,) = manifest.notes
    assert note.startswith(f"m.csv: 2 of 4 rows have the {column} '{word}', which is read as not known")
    kept = open_dataset(f"{spec}?unknown=keep")
    assert kept.column(column) == [word, "0", word, None]
    assert kept.notes == ()


def test_numbers_of_a_data_frame_that_mean_nobody(tmp_path):
    pyarrow.parquet.write_table(pa.table({"image": ["a", "b"], "id": [-1.0, 3.0]}), tmp_path / "m.parquet")
    assert identities(f"table:{tmp_path}/m.parquet") == [None, "3"]


def test_a_table_in_which_nobody_is_known_says_why(tmp_path):
    manifest = open_dataset(write(tmp_path / "m.csv", "rgb,id\na,-1\nb,-1\nc,nan\n"))
    assert not manifest.has("identity")
    assert [note for note in manifest.notes if "'-1'" in note or "'nan'" in note] == list(manifest.notes[1:])
    (finding,) = [finding for finding in check_manifest(manifest) if finding.kind == "identity"]
    assert "no row has an identity" in finding.message
    with pytest.raises(DataError, match="Did you mean 'keep'"):
        open_dataset(f"table:{tmp_path}/m.csv?unknown=keeps")


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_kept_words_are_kept_by_the_table_that_import_writes(tmp_path, suffix):
    kept = open_dataset(write(tmp_path / "m.csv", "rgb,id\na,-1\nb,2\n") + "?unknown=keep")
    moved = import_dataset(kept, tmp_path / f"moved{suffix}")
    assert moved.endswith("?unknown=keep")
    assert identities(moved) == ["-1", "2"]


def test_words_stay_where_they_are_no_names(tmp_path):
    assert open_dataset(write(tmp_path / "m.csv", "rgb,time\nnone,nan\nna,\n")).column("rgb") == ["none", "na"]


# --- several spectra


def test_triples_with_gaps_and_every_kind_of_file(tmp_path):
    """Three columns of relative paths: a triple of three sizes and depths, a pair, a single one, and a strip."""
    (tmp_path / "cam" / "thermal").mkdir(parents=True)
    Image.new("RGB", (8, 16), (200, 100, 50)).save(tmp_path / "cam" / "a.png")
    Image.new("L", (4, 8), 70).save(tmp_path / "cam" / "a_nir.png")
    Image.fromarray(np.full((6, 3), 257 * 90, np.uint16)).save(tmp_path / "cam" / "thermal" / "a.png")
    Image.new("RGBA", (8, 16), (0, 0, 0, 0)).save(tmp_path / "cam" / "b.png")
    strip = np.repeat(np.array([10, 20, 30], np.uint8), 4)[None].repeat(4, axis=0)
    Image.fromarray(strip).save(tmp_path / "strip.png")
    rows = [
        "identity,camera,rgb,nir,tir,crop",
        "1,a,cam/a.png,cam/a_nir.png,cam/thermal/a.png,",
        "1,b,cam/b.png,,cam/thermal/a.png,",
        "2,a,,,cam/thermal/a.png,",
        "2,b,strip.png,strip.png,strip.png,0 0 4 4;4 0 8 4;8 0 12 4",
    ]
    manifest = open_dataset(write(tmp_path / "objects.csv", "\n".join(rows) + "\n"))
    assert manifest.spectra == ("rgb", "nir", "tir")
    assert manifest.column("nir") == ["cam/a_nir.png", None, None, "strip.png"]
    assert manifest.column("observation")[2] == "cam/thermal/a.png"
    pictures = Pictures.open(manifest, (16, 8))
    there = {spectrum: present.tolist() for spectrum, present in pictures.present.items()}
    assert there == {"rgb": [True, True, False, True], "nir": [True, False, False, True], "tir": [True] * 4}
    assert pictures.images["rgb"][0, 0, 0].tolist() == [200, 100, 50]
    assert (pictures.images["nir"][0] == 70).all()  # gray in all three channels, resized to the size of the others
    assert (pictures.images["tir"][0] == 90).all()
    assert (pictures.images["rgb"][1] == 255).all()  # transparent lies over white
    assert (pictures.images["rgb"][2] == 0).all()  # absent
    assert [int(pictures.images[spectrum][3].mean()) for spectrum in manifest.spectra] == [10, 20, 30]


def test_a_row_without_any_spectrum_is_named(tmp_path):
    with pytest.raises(
        DataError, match=r"m, row 1 .*no picture in any spectrum; expected a path in at least one of rgb, nir"
    ):
        open_dataset(write(tmp_path / "m.csv", "identity,rgb,nir,tir\n1,a,,\n1,,,\n"))


# --- import


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "data" / "set"
    folder.mkdir(parents=True)
    for number in range(2):
        Image.fromarray(np.full((4, 4, 3), number, np.uint8)).save(folder / f"{number}.png")
    columns = {
        "rgb": ["0.png", str(folder / "1.png"), None], "nir": [None, None, "world:people/target/0/1/2/3/nir"],
        "identity": ["007", "a,b", "line\nbreak"], "time": [0.1, None, 2.0],
    }  # fmt: skip
    return Manifest.from_columns(columns, root=folder, name="set", protocol="msvr310")


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize("place", ["data", "data/set", "elsewhere"])
def test_an_imported_table_finds_its_pictures(tmp_path, pictures, suffix, place):
    out = tmp_path / place / f"t{suffix}"
    out.parent.mkdir(exist_ok=True)
    back = open_dataset(import_dataset(pictures, out))
    assert back.protocol == "msvr310"
    for column in ("observation", "identity", "time", "camera"):
        assert back.column(column) == pictures.column(column)
    assert [read_picture(back.root, reference)[0, 0, 0] for reference in back.column("rgb")[:2]] == [0, 1]
    assert back.column("nir")[2] == "world:people/target/0/1/2/3/nir"
    if place == "data":
        assert back.column("rgb")[0] == "set/0.png"  # so that both can move together


def test_import_from_a_relative_root(tmp_path, pictures, monkeypatch):
    monkeypatch.chdir(tmp_path / "data")
    import_dataset(replace(pictures, root=Path("set")), Path("t.csv"))
    monkeypatch.chdir("/")
    back = open_dataset(f"table:{tmp_path}/data/t.csv")
    assert read_picture(back.root, back.column("rgb")[0]).shape == (4, 4, 3)


def test_import_never_overwrites(tmp_path, pictures):
    (tmp_path / "t.csv").write_text("precious")
    with pytest.raises(DataError, match="the file exists"):
        import_dataset(pictures, tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text() == "precious"
    with pytest.raises(DataError, match=r"its folder does not exist\. Run: mkdir"):
        import_dataset(pictures, tmp_path / "new" / "t.csv")
    with pytest.raises(DataError, match=r"suffix '\.json'"):
        import_dataset(pictures, tmp_path / "t.json")
