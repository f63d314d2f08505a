"""Picture measures travel in the embeddings file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from reknow.data.embeddings import Embeddings
from reknow.data.formats import open_dataset
from reknow.data.manifest import Manifest
from reknow.data.picture_measures import NUMBERS, PictureMeasures
from reknow.errors import DataError


def embeddings(measured=True) -> Embeddings:
    columns = {"rgb": ["a.png", "b.png", "c.png"], "split": ["query", "gallery", "gallery"]}
    manifest = Manifest.from_columns(columns, root=Path("/there"), name="made", own={"breed": ["Boer", "", "Nubian"]})
    values = np.arange(21, dtype=np.float32).reshape(3, 7)
    measures = PictureMeasures(values[:, :2], values[:, 2:6], values[:, 6]) if measured else None
    return Embeddings(np.eye(3, dtype=np.float32), manifest, measures=measures)


def rows_of(measures: PictureMeasures | None) -> list[list[float]]:
    assert measures is not None
    return np.column_stack(list(measures.numbers().values())).tolist()


def test_measures_survive_a_file_beside_own_columns(tmp_path):
    embeddings().write(tmp_path / "e.parquet")
    back = Embeddings.read(tmp_path / "e.parquet")
    assert rows_of(back.measures) == np.arange(21).reshape(3, 7).tolist()
    assert back.manifest == embeddings().manifest and back.manifest.own_columns == ("breed",)
    table = pyarrow.parquet.ParquetFile(tmp_path / "e.parquet").read()
    assert [name for name in table.column_names if ":" in name] == [f"picture:{name}" for name in NUMBERS]
    assert (
        table.column("picture:width").to_pylist() == [0, 7, 14] and table.schema.field("picture:width").type == "float"
    )
    assert table.column("picture:sharpness").to_pylist() == [6, 13, 20]


def test_files_without_measures_are_read_as_ever(tmp_path):
    embeddings(measured=False).write(tmp_path / "e.parquet")
    assert Embeddings.read(tmp_path / "e.parquet").measures is None


def test_measures_keep_to_their_rows():
    assert rows_of(embeddings().select(np.array([2, 0])).measures) == [list(range(14, 21)), list(range(7))]
    assert rows_of(embeddings().split("query").measures) == [list(range(7))]
    assert rows_of(embeddings().select(np.array([False, True, False])).measures) == [list(range(7, 14))]
    assert embeddings(measured=False).select(np.array([0])).measures is None


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (pa.array(["1", "2", "3"]), "cells of the type string"),
        (pa.array([1, 2, 3]), "cells of the type int64"),
        (pa.array([1.0, None, 3.0]), "1 cells empty, NaN or infinite, the first in row 1"),
        (pa.array([1.0, float("inf"), float("nan")]), "2 cells empty, NaN or infinite, the first in row 1"),
        (None, "no such column"),
    ],
)
def test_a_damaged_column_of_measures_is_named(tmp_path, cells, message):
    embeddings().write(tmp_path / "whole.parquet")
    table = pyarrow.parquet.ParquetFile(tmp_path / "whole.parquet").read()
    place = table.column_names.index("picture:red_green")
    table = table.remove_column(place) if cells is None else table.set_column(place, "picture:red_green", cells)
    pyarrow.parquet.write_table(table, tmp_path / "e.parquet")
    with pytest.raises(
        DataError, match=rf"e\.parquet, column 'picture:red_green': {message}; .* Embed the pictures again"
    ):
        Embeddings.read(tmp_path / "e.parquet")


def test_measures_of_other_pictures_are_refused():
    whole = embeddings()
    with pytest.raises(DataError, match="3 measured pictures for 2 rows"):
        Embeddings(whole.vectors[:2], whole.manifest.select([0, 1]), measures=whole.measures)


def test_no_own_column_takes_the_name_of_a_measure_and_a_table_leaves_measures_out(tmp_path):
    with pytest.raises(DataError, match=r"'Picture:width': it takes the name of a picture measure.*'own_width'"):
        Manifest.from_columns({"rgb": ["a"]}, root=tmp_path, name="made", own={"Picture:width": ["3"]})
    embeddings().write(tmp_path / "e.parquet")
    again = open_dataset(f"table:{tmp_path}/e.parquet")
    assert again.own_columns == ("breed",)
    assert any(note.startswith("e.parquet: left out picture:width, picture:height") for note in again.notes)
