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
from reknow.data.formats import import_dataset, open_dataset
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
        ("rgb,image\na,b\n", "column 'image': 'rgb' is the rgb too"),
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
